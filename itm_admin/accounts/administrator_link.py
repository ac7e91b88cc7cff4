"""`itm invite`: a new link for a locked-out administrator, made on the machine itself.

The first administrator's link may be lost or expired, and the only administrator may forget the password. The link is
like the panel's: older ones and the present password stop working, and it is an entry in the ledger. Auditors and the
Presidency see an alert, since no second person was needed.
"""

from __future__ import annotations

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from itm_admin.accounts import bootstrap, invitations, usernames
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import command_door, tenancy
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.roles import ACCOUNTS
from itm_admin.ledger import alert_raising

COMMAND = "itm invite"


def make(settings: Settings, username: str) -> str:
    """A new one-time link for an administrator or supervisor, after its alert. Raises Refusal for other accounts."""
    settings.require("ITM_DATABASE_URL", "ITM_DATABASE_OWNER_URL", "ITM_DATABASE_SIGNER_URL")
    engine = command_door.engine(settings, COMMAND)
    try:
        acting = tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=COMMAND, route=COMMAND))
        with bootstrap.making_sessions(engine)() as session, acting:
            account = _administrator(session, username)
            name, home = account.username, account.institution_id
            token = invitations.issue(session, account.id, home)
            session.commit()
    finally:
        engine.dispose()
    signer = create_engine(settings.signer_url or "", poolclass=NullPool)
    try:
        with signer.begin() as connection:
            alert_raising.raise_alert(connection, alert_raising.Trouble(alert_raising.INVITED, name, home))
    finally:
        signer.dispose()
    return bootstrap.address_of(settings, token)


def _administrator(session: Session, username: str) -> Account:
    found = session.scalars(
        select(Account)
        .join(RoleGrant, RoleGrant.account_id == Account.id)
        .where(
            Account.username == usernames.typed(username),
            Account.active,
            RoleGrant.role.in_(("system_administrator", "presidency_supervisor")),
            RoleGrant.state == "active",
        )
    ).one_or_none()
    if found is None:
        raise Refusal(
            f"{COMMAND}: {username} is no active system administrator and no supervisor of the Presidency;"
            " others are invited in the panel"
        )
    return found
