"""The first day of an installation: the institutions' register, a system administrator and a supervisor.

Two people, since every later rise in power is proposed by one and confirmed by another whom the first did not
raise; nobody raised these two. The database lets them begin without a proposal only while nobody has a password.
Nobody chooses their passwords; each has a one-time link, printed for the person to whom it is handed over.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.accounts import invitations
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import command_door, tenancy, vocabulary
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import ACCOUNTS
from itm_admin.foundation.synthetic import mark
from itm_admin.institutions.models import Institution
from itm_admin.institutions.services import INSTITUTIONS

ADMINISTRATOR = "gib.sistem.yoneticisi"
SUPERVISOR = "gib.baskanlik.yetkilisi"
PRESIDENCY = "GIB"
INVITATION_PATH = "/invitation/"


@dataclass(frozen=True)
class First:
    """The names of the first two people, or the tokens or addresses of their links."""

    administrator: str
    supervisor: str


@dataclass(frozen=True)
class FirstPerson:
    username: str
    first_name: str
    last_name: str
    email: str
    title: str | None = None


ANY_ADMINISTRATOR = FirstPerson(ADMINISTRATOR, "Sistem", "Yöneticisi", "sistem.yoneticisi@gib.invalid")
ANY_SUPERVISOR = FirstPerson(SUPERVISOR, "Başkanlık", "Yetkilisi", "baskanlik.yetkilisi@gib.invalid")


class NotEmpty(Refusal):
    """There are accounts already: an installation begins once."""


def run(settings: Settings) -> First:
    """For `itm init`: fills an empty installation; gives the two one-time links. Raises NotEmpty."""
    settings.require("ITM_DATABASE_URL", "ITM_MASTER_KEY_FILE")
    engine = command_door.engine(settings, "itm init")
    try:
        with making_sessions(engine)() as session:
            tokens = begin(session, Keyring(settings.master_key()))
            session.commit()
    finally:
        engine.dispose()
    return First(address_of(settings, tokens.administrator), address_of(settings, tokens.supervisor))


def address_of(settings: Settings, token: str) -> str:
    """The one-time link of a token."""
    return f"{settings.origin}{INVITATION_PATH}{token}"


def making_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions outside the web server, which give PostgreSQL the same context as the panel's."""
    factory = sessionmaker(engine)
    tenancy.install(factory)
    return factory


def begin(
    session: Session, keyring: Keyring, *, synthetic: bool = False, supervisor: FirstPerson = ANY_SUPERVISOR
) -> First:
    """Makes the register and the first two people; gives their links' tokens. Does not commit. Raises NotEmpty.

    The mark of real data or a demonstration is written first.
    """
    command = "itm demo" if synthetic else "itm init"
    with tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=command), session):
        session.execute(text("select pg_advisory_xact_lock(hashtext('itm init'))"))
        if session.scalar(select(func.count()).select_from(Account)):
            raise NotEmpty(f"{command}: there are accounts already; this installation has begun")
        mark(session, synthetic)
        enter_register(session, keyring)
        home = session.execute(select(Institution).where(Institution.code == PRESIDENCY)).scalar_one()
        return First(
            _appoint(session, home, ANY_ADMINISTRATOR, "system_administrator"),
            _appoint(session, home, supervisor, "presidency_supervisor"),
        )


def _appoint(session: Session, home: Institution, person: FirstPerson, role: str) -> str:
    account = Account(institution_id=home.id, **asdict(person))
    session.add(account)
    session.flush()
    session.add(RoleGrant(institution_id=home.id, account_id=account.id, role=role, state="active"))
    session.flush()
    return invitations.issue(session, account.id, home.id)


def enter_register(session: Session, keyring: Keyring) -> dict[str, Institution]:
    """Makes every missing institution of the vocabulary, the Presidency first; gives all institutions by code."""
    found = {each.code: each for each in session.execute(select(Institution)).scalars()}
    entries = sorted(vocabulary.institutions(), key=lambda entry: entry.kind != "presidency")
    for entry in entries:
        if entry.code not in found:
            values = {"code": entry.code, "name_tr": entry.name_tr, "name_en": entry.name_en, "kind": entry.kind}
            institution = Institution(id=uuid.uuid4())
            found[entry.code] = INSTITUTIONS.add_checked(session, keyring, institution, None, values)
    return found
