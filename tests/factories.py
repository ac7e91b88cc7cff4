"""People, institutions and records for tests, by name: `factory.focal_point()`, `factory.other_institution()`.

Institutions, units and accounts are written by the superuser, since no single person may make them all;
cases and persons are made through the services that people use. The contexts are those a sign-in gives.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session, sessionmaker

import itm_admin.areas  # they fill the roles' table, by which services decide
import itm_admin.models  # noqa: F401 relationships resolve once every table is known
from itm_admin.accounts import passwords
from itm_admin.cases import person_services, services
from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation import key_pairs, tenancy
from itm_admin.foundation.actor import Actor, HeldRole
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.tenancy import Context, Units
from tests import second_factors

PASSWORD = "a long phrase for tests 1"
CASE = {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"}
PERSON = {"gender": "Feminine", "role": "VICTIM"}


class Database(Protocol):
    def url(self, role: str) -> str: ...

    def engine(self, role: str) -> Engine: ...


@dataclass(frozen=True)
class Tenant:
    """An institution with its root unit."""

    id: uuid.UUID
    code: str
    kind: str
    root: uuid.UUID
    units: dict[str, uuid.UUID] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Somebody:
    """An account, and who it is at work. `context(scope)` is what a request of theirs binds."""

    id: uuid.UUID
    username: str
    tenant: Tenant
    actor: Actor

    def context(self, scope: str | None = None) -> Context:
        return self.actor.context(scope)


_AS_THE_PANEL = """
create function pg_temp.as_the_panel() returns trigger language plpgsql as $$ begin
  new.content := regexp_replace(new.content, '"session":"[^"]*","transaction":', '"session":"itm_app","transaction":');
  return new;
end $$;
create trigger as_the_panel before insert on audit.event for each row execute function pg_temp.as_the_panel();
alter table audit.event enable always trigger as_the_panel;
"""
_AT_THE_END = """
set constraints all immediate;
drop trigger if exists as_the_panel on audit.event;
drop function pg_temp.as_the_panel();
"""


class Factory:
    """Makes rows in one database. `keyring` must be the application's, where one runs on it."""

    def __init__(self, database: Database, keyring: Keyring | None = None) -> None:
        self.database = database
        self.keyring = keyring or Keyring(b"k" * 32)
        self._superuser = database.engine("superuser")
        self._sessions = sessionmaker(database.engine("app"), expire_on_commit=False)
        tenancy.install(self._sessions)
        self._tenants: dict[str, Tenant] = {}
        self._numbers = count(1)

    @contextmanager
    def superuser(self) -> Iterator[Connection]:
        """Sees and writes everything; commits at the end. Its entries are as if the panel had made the rows."""
        with self._superuser.begin() as connection:
            connection.exec_driver_sql(_AS_THE_PANEL)
            yield connection
            connection.exec_driver_sql(_AT_THE_END)

    @contextmanager
    def working(self, somebody: Somebody, scope: str | None = None) -> Iterator[Session]:
        """A session in which somebody works, as itm_app; commits at the end."""
        with tenancy.acting(somebody.context(scope)), self._sessions() as session:
            yield session
            session.commit()

    def close(self) -> None:
        """Lets go of the database."""
        self._sessions.kw["bind"].dispose()
        self._superuser.dispose()

    # Institutions

    def knows(self, tenant: Tenant) -> None:
        """The institution is there already: it came with the database."""
        self._tenants[tenant.code] = tenant
        self._numbers = count(1_000)

    def institution(self, code: str = "JGK", kind: str = "law_enforcement") -> Tenant:
        """The institution of this code, made once, with a root unit and its key."""
        if code in self._tenants:
            return self._tenants[code]
        tenant = Tenant(uuid.uuid4(), code, kind, uuid.uuid4())
        if kind != "presidency":
            self.presidency()  # its ledger holds the events that belong to no institution
        with self.superuser() as connection:
            _insert(connection, "institution", id=tenant.id, code=code, name_tr=f"{code} (tr)", name_en=code, kind=kind)
            _insert(connection, "unit", id=tenant.root, institution_id=tenant.id, name="Merkez")
            wrapped = self.keyring.new_institution_key(tenant.id)
            _insert(connection, "institution_key", institution_id=tenant.id, wrapped=wrapped)
            pair = key_pairs.new_pair(self.keyring, self.keyring.unwrap(tenant.id, wrapped))
            _insert(connection, "institution_pair", **vars(pair))
        self._tenants[code] = tenant
        return tenant

    def presidency(self) -> Tenant:
        return self.institution("GIB", "presidency")

    def other_institution(self) -> Tenant:
        return self.institution("EGM")

    def unit(self, name: str, tenant: Tenant | None = None, parent: uuid.UUID | None = None) -> uuid.UUID:
        """A unit under the root, or under `parent`; made once per name."""
        tenant = tenant or self.institution()
        if name not in tenant.units:
            tenant.units[name] = uuid.uuid4()
            with self.superuser() as connection:
                _insert(
                    connection, "unit", id=tenant.units[name], institution_id=tenant.id, name=name, province="TR-06",
                    parent_id=parent or tenant.root,
                )  # fmt: skip
        return tenant.units[name]

    # People

    def focal_point(self, tenant: Tenant | None = None, unit: uuid.UUID | None = None) -> Somebody:
        return self.somebody("focal_point", tenant, unit)

    def caseworker(self, tenant: Tenant | None = None, unit: uuid.UUID | None = None) -> Somebody:
        return self.somebody("caseworker", tenant, unit)

    def manager(self, tenant: Tenant | None = None) -> Somebody:
        return self.somebody("institution_manager", tenant)

    def auditor(self, tenant: Tenant | None = None) -> Somebody:
        """National, of TİHEK; of one institution, if a tenant is named."""
        if tenant is not None:
            return self.somebody("auditor_institution", tenant)
        return self.somebody("auditor_national", self.institution("TIHEK", "rapporteur"))

    def operator(self) -> Somebody:
        return self.somebody("presidency_operator", self.presidency())

    def supervisor(self) -> Somebody:
        return self.somebody("presidency_supervisor", self.presidency())

    def administrator(self) -> Somebody:
        return self.somebody("system_administrator", self.presidency())

    def somebody(self, role: str, tenant: Tenant | None = None, unit: uuid.UUID | None = None) -> Somebody:
        """An active account with one role, over a unit or the whole institution, and the password PASSWORD."""
        tenant = tenant or self.institution()
        account, number = uuid.uuid4(), next(self._numbers)
        username = f"{tenant.code.lower()}.{role}_{number}"
        with self.superuser() as connection:
            _insert(
                connection, "account", id=account, institution_id=tenant.id, unit_id=unit, username=username,
                first_name="Deneme", last_name=f"Kişi {number}", email=f"{username}@example.invalid",
            )  # fmt: skip
            _insert(
                connection, "credential", account_id=account, institution_id=tenant.id, password_hash=_password_hash()
            )
            # A national auditor's two approvals are another test's matter
            with without_rules(connection, *(["role_grant"] if role == "auditor_national" else [])):
                _insert(connection, "role_grant", institution_id=tenant.id, account_id=account, role=role, unit_id=unit)
        covered: Units = self._below(unit) if unit else "*"
        actor = Actor(
            id=account, username=username, full_name=f"Deneme Kişi {number}", unit_id=unit, institution_id=tenant.id,
            institution_code=tenant.code, institution_name_tr=f"{tenant.code} (tr)", institution_name_en=tenant.code,
            institution_kind=tenant.kind, language="tr", epoch=0, held=(HeldRole(role, covered),),
        )  # fmt: skip
        return Somebody(account, username, tenant, actor)

    def code(self, username: str) -> str:
        """A code of the person's authenticator app that is accepted now. The app is set up if there is none."""
        return second_factors.code_of(self.database, self.keyring, username)

    def _below(self, unit: uuid.UUID) -> tuple[uuid.UUID, ...]:
        subtree = text(
            "with recursive below as (select id from unit where id = :unit union"
            " select u.id from unit u join below b on u.parent_id = b.id) select id from below"
        )
        with self.superuser() as connection:
            return tuple(connection.scalars(subtree, {"unit": unit}))

    # Records, made as people make them

    def case(self, by: Somebody | None = None, **values: Any) -> Case:
        """A case opened by a focal point of JGK, unless somebody else is named."""
        with self.working(by or self.focal_point()) as session:
            return services.open_case(session, self.keyring, {**CASE, **values})

    def person(self, by: Somebody, case: Case, **values: Any) -> CasePerson:
        """A new person in a case: the link, with `.person`."""
        with self.working(by) as session:
            return person_services.add_person_to_case(session, self.keyring, case.id, {**PERSON, **values})

    def ledger(self, tenant: Tenant | None = None) -> list[str]:
        """The content of every event of an institution's ledger, or of all, the oldest first."""
        statement = text(
            "select e.content from audit.event e join audit.ledger l on l.id = e.ledger_id"
            " where cast(:holder as uuid) is null or l.holder = :holder order by e.at, e.ctid"
        )
        with self.superuser() as connection:
            return list(connection.scalars(statement, {"holder": tenant.id if tenant else None}))


@contextmanager
def without_rules(connection: Connection, *tables: str) -> Iterator[None]:
    """As somebody who owns the database could: these tables' own rules do not hold, the ledger's triggers do."""
    rules = text(
        "select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal and tgenabled = 'A'"
        " and tgrelid = any (cast(:tables as regclass[])) and tgname not like 'audit\\_%'"
    )
    found = connection.execute(rules, {"tables": list(tables)}).all()
    for table, rule in found:
        connection.execute(text(f"alter table {table} disable trigger {rule}"))
    yield
    for table, rule in found:
        connection.execute(text(f"alter table {table} enable always trigger {rule}"))


def forget_factors(superuser: Engine, somebody: Somebody) -> None:
    """The last second factor of a person's open sessions is an hour ago."""
    statement = text(
        "update account_session set factor_at = now() - interval '1 hour' where account_id = :id and ended_at is null"
    )
    with superuser.begin() as connection, without_rules(connection, "account_session"):
        connection.execute(statement, {"id": somebody.id})


def grow_older(superuser: Engine, somebody: Somebody, *, idle: float, begun: float) -> None:
    """Makes a person's open sessions older by so many seconds: since the last act, and since their begin."""
    statement = text(
        "update account_session set seen_at = seen_at - make_interval(secs => :idle), begun_at = begun_at -"
        " make_interval(secs => :begun), ends_at = ends_at - make_interval(secs => :begun),"
        " factor_at = factor_at - make_interval(secs => :begun)"
        " where account_id = :id and ended_at is null"
    )
    with superuser.begin() as connection, without_rules(connection, "account_session"):
        connection.execute(statement, {"idle": idle, "begun": begun, "id": somebody.id})


_digests: list[str] = []


def _password_hash() -> str:
    """Made once per process: it is slow on purpose."""
    if not _digests:
        _digests.append(passwords.digest_of(PASSWORD))
    return _digests[0]


def _insert(connection: Connection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"insert into public.{table} ({names}) values ({places})"), values)
