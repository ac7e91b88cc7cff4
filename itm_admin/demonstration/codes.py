"""The demonstration's second factors: an authenticator app for each person, whose secret stands among the logins.

An app is set up once; a person who has a factor already keeps it. The true clock counts, since codes are of now.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

import pyotp
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.accounts import bootstrap, factors, totp
from itm_admin.accounts.factors import FactorOwner
from itm_admin.accounts.models import Account
from itm_admin.demonstration import logins
from itm_admin.demonstration.logins import Login
from itm_admin.demonstration.staffing import BEGINS
from itm_admin.foundation import command_door, tenancy
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import ACCOUNTS
from itm_admin.foundation.synthetic import ROUTE, route_at


def set_up(sessions: sessionmaker[Session], keyring: Keyring, people: Mapping[str, Login]) -> None:
    """An app for each of these people who has no factor yet."""
    with sessions() as session, tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=ROUTE), session):
        wanted = select(Account.id, Account.institution_id, Account.username, Account.language)
        rows = session.execute(wanted.where(Account.username.in_(people))).all()
        missing = [row for row in rows if not factors.exists(session, row.id)]
    for row in missing:
        owner = FactorOwner(row.id, row.institution_id, row.username)
        name = "Authenticator app" if row.language == "en" else "Doğrulama uygulaması"
        with sessions() as session, tenancy.acting(_own(owner), session):
            secret = people[row.username].totp
            factors.begin_app(session, keyring, owner, name, secret)
            # The step before: the present code can still be shown
            first = pyotp.TOTP(secret).generate_otp(int(time.time()) // totp.STEP - 1)
            factors.confirm_app(session, keyring, owner, first)
            session.commit()


def code(settings: Settings, username: str) -> tuple[str, int]:
    """The code that would be accepted now, and the seconds to wait for it. Refusal for somebody who has no app."""
    found = next((login for login in logins.kept(settings) or () if login["username"] == username.strip()), None)
    if found is None:
        raise Refusal(f"itm demo: nobody of the demonstration has the user name {username}: see itm demo logins")
    engine = command_door.engine(settings, ROUTE)
    try:
        with bootstrap.making_sessions(engine)() as session:
            with tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=ROUTE), session):
                account = select(Account.id, Account.institution_id).where(Account.username == found["username"])
                row = session.execute(account).one()
            owner = FactorOwner(row.id, row.institution_id, found["username"])
            with tenancy.acting(_own(owner), session):
                apps = [each.last_step for each in factors.standing(session, owner.id) if each.kind == "totp"]
    finally:
        engine.dispose()
    if not apps:
        raise Refusal(f"itm demo: {username} has no authenticator app")
    return totp.acceptable(found["totp"], max(apps))


def _own(owner: FactorOwner) -> tenancy.Context:
    id: uuid.UUID = owner.id
    return tenancy.Context(
        scope="login", account=id, institution=owner.institution, account_name=owner.username, route=route_at(BEGINS)
    )
