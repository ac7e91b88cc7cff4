"""The first day of an installation: the institutions' register and one system administrator.

Uses the application's own role in the scope `accounts`, as that administrator will: no other power is needed.
Nobody chooses the administrator's password; the one-time link that is printed lets the person do so.
"""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.accounts import invitations
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import tenancy, vocabulary
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database import engine_options
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import ACCOUNTS
from itm_admin.foundation.synthetic import mark
from itm_admin.institutions.models import Institution
from itm_admin.institutions.services import MakesKeys, Membership, register

ADMINISTRATOR = "gib.sistem.yoneticisi"
PRESIDENCY = "GIB"
INVITATION_PATH = "/invitation/"


class NotEmpty(Refusal):
    """There are accounts already: an installation begins once."""


def run(settings: Settings) -> str:
    """For `itm init`: fills an empty installation; the administrator's one-time link. Refusal if not empty."""
    settings.require("ITM_DATABASE_URL", "ITM_MASTER_KEY_FILE")
    engine = create_engine(settings.database_url or "", **engine_options())
    try:
        with making_sessions(engine)() as session:
            token = begin(session, Keyring(settings.master_key()))
            session.commit()
    finally:
        engine.dispose()
    return address_of(settings, token)


def address_of(settings: Settings, token: str) -> str:
    """The one-time link of a token."""
    return f"http{'s' if settings.https else ''}://{settings.trusted_hosts[0]}:{settings.port}{INVITATION_PATH}{token}"


def making_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions outside the web server, which tell PostgreSQL who is at work as the panel's own do."""
    factory = sessionmaker(engine)
    tenancy.install(factory)
    return factory


def begin(session: Session, keyring: MakesKeys, *, synthetic: bool = False) -> str:
    """The register and the administrator; the link's token. Does not commit. NotEmpty if there are accounts.

    What the installation is for, real data or a demonstration, is the first thing that is written.
    """
    command = "itm demo" if synthetic else "itm init"
    with tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=command), session):
        session.execute(text("select pg_advisory_xact_lock(hashtext('itm init'))"))
        if session.scalar(select(func.count()).select_from(Account)):
            raise NotEmpty(f"{command}: there are accounts already; this installation has begun")
        mark(session, synthetic)
        enter_register(session, keyring)
        home = session.execute(select(Institution).where(Institution.code == PRESIDENCY)).scalar_one()
        administrator = Account(
            institution_id=home.id,
            username=ADMINISTRATOR,
            first_name="Sistem",
            last_name="Yöneticisi",
            email="sistem.yoneticisi@gib.invalid",
        )
        session.add(administrator)
        session.flush()
        session.add(
            RoleGrant(institution_id=home.id, account_id=administrator.id, role="system_administrator", state="active")
        )
        session.flush()
        return invitations.issue(session, administrator.id, home.id)


def enter_register(session: Session, keyring: MakesKeys) -> dict[str, Institution]:
    """Every institution of the vocabulary that is not there yet, the Presidency first; by code, with all others."""
    found = {each.code: each for each in session.execute(select(Institution)).scalars()}
    entries = sorted(vocabulary.institutions(), key=lambda entry: entry.kind != "presidency")
    for entry in entries:
        if entry.code not in found:
            membership = Membership(entry.name_tr, entry.name_en, entry.kind)
            found[entry.code] = register(session, keyring, entry.code, membership)
    return found
