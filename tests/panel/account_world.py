"""A small world for the tests of accounts: the register, an administrator, managers, and how to work as them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from itm_admin.accounts import actor as actors
from itm_admin.accounts import bootstrap, changes, grants, invitations, services, session_rows, sign_in
from itm_admin.accounts.models import Account
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import ROLES
from itm_admin.foundation.tenancy import Context
from itm_admin.institutions.models import Institution
from tests.conftest import Database

PASSWORD = "kırmızı gemi sekiz bulut"
DIGEST_KEY = b"a key for the digests of tests"


def holder(first_name: str, last_name: str, email: str, **more: Any) -> dict[str, Any]:
    """The data of a person with an account."""
    return {"first_name": first_name, "last_name": last_name, "email": email, **more}


def kept(database: Database, digest: str) -> str:
    """A digest of before, as the migration keeps it."""
    made = (Path(__file__).parents[2] / "migrations/versions/0015/81_digests.sql").read_text("utf-8")
    convert = made[made.index("create function pg_temp.kept") : made.index("do $$")]
    with database.engine("superuser").connect() as connection:
        connection.exec_driver_sql(convert, execution_options={"no_parameters": True})
        found: str = connection.execute(text("select pg_temp.kept(:digest)"), {"digest": digest}).scalar_one()
    return found


@dataclass
class World:
    """The database of a test with people in it. Names are user names."""

    app: Engine
    superuser: Engine

    def __post_init__(self) -> None:
        self.sessions = bootstrap.making_sessions(self.app)
        self.keyring = Keyring(os.urandom(32))
        with self.sessions() as session:
            tokens = bootstrap.begin(session, self.keyring)
            session.commit()
        self.root_token = tokens.administrator
        self.redeem(tokens.administrator)
        self.redeem(tokens.supervisor)

    @contextmanager
    def acting(self, who: str, scope: str | None = None) -> Iterator[tuple[Session, Actor]]:
        """A committed piece of work of a person, in a scope."""
        actor = self.actor(who)
        with self.sessions() as session, tenancy.acting(actor.context(scope)):
            session.execute(text("select set_config('itm.why', 'WRITTEN_ORDER', true)"))
            yield session, actor
            session.commit()

    @contextmanager
    def nobody(self, address: str = "192.0.2.1") -> Iterator[Session]:
        """The session of a request of somebody who is not signed in."""
        with self.sessions() as session, tenancy.acting(Context(address=address, request_id=uuid.uuid4().hex)):
            yield session

    def actor(self, username: str) -> Actor:
        row = self.one("select id, institution_id from account where username = :name", name=username)
        with self.sessions() as session:
            found = actors.find(session, row.id, row.institution_id)
        assert found is not None
        return found

    def institution(self, code: str) -> uuid.UUID:
        found: uuid.UUID = self.one("select id from institution where code = :code", code=code).id
        return found

    def person(self, code: str, first: str, last: str, *roles: str, by: str = bootstrap.ADMINISTRATOR) -> str:
        """A new account with these roles and PASSWORD; its user name."""
        scope = "accounts" if by == bootstrap.ADMINISTRATOR else "institution"
        with self.acting(by, scope) as (session, actor):
            home = session.get_one(Institution, self.institution(code))
            data = holder(first, last, f"{uuid.uuid4().hex[:8]}@{code.lower()}.invalid", institution_id=home.id)
            account = services.create(session, data)
            given = [(grants.give(session, actor, account, role), role) for role in roles]
            proposed = [grant.id for grant, role in given if grant.state == "proposed" and not ROLES[role].approvals]
            name, key = account.username, account.id
        for grant in proposed:
            with self.acting(bootstrap.SUPERVISOR, "oversight") as (session, actor):
                grants.approve(session, actor, grant)
        with self.acting(by, scope) as (session, actor):
            token = (
                invitations.issue(session, key, self.institution(code))
                if "auditor_national" in roles
                else services.invite(session, actor, key)
            )
        self.redeem(token)
        self.confirm(name)
        return name

    def confirm(self, username: str, by: str = bootstrap.SUPERVISOR, scope: str = "oversight") -> None:
        """The first sign-in of a person, confirmed by another one."""
        waits = self.one(
            "select id from access_change where account_id = :id and kind = 'link' and state = 'waiting'",
            id=self.id(username),
        )
        with self.acting(by, scope) as (session, actor):
            changes.decide(session, actor, waits.id, confirm=True)

    def redeem(self, token: str, password: str = PASSWORD) -> None:
        with self.nobody() as session:
            invitations.redeem(session, token, password)
            session.commit()

    def sign_in(self, username: str, password: str = PASSWORD, address: str = "192.0.2.1", **more: object) -> Actor:
        """Both steps; the second one is another test's matter."""
        with self.nobody(address) as session:
            actor = sign_in.attempt(session, username, password, key=DIGEST_KEY, **more)  # type: ignore[arg-type]
            with tenancy.acting(actor.own_context(), session):
                actor = replace(actor, here=session_rows.promote(session, actor, "totp"))
            sign_in.finished(session, actor, "totp")
            session.commit()
        return actor

    def ended(self, actor: Actor) -> str | None:
        """Why the actor's session ended; None while it stands."""
        with self.sessions() as session:
            found = actors.of_secret(session, actor.here.secret) if actor.here else None
        assert found is not None
        assert found.here is not None
        return found.here.ended

    def account(self, session: Session, username: str) -> Account:
        found = session.query(Account).filter_by(username=username).one_or_none()
        assert found is not None
        return found

    def id(self, username: str) -> uuid.UUID:
        found: uuid.UUID = self.one("select id from account where username = :name", name=username).id
        return found

    def one(self, statement: str, **values: object):  # type: ignore[no-untyped-def]
        """A row, read past row-level security."""
        with self.superuser.connect() as connection:
            return connection.execute(text(statement), values).one()

    def all(self, statement: str, **values: object):  # type: ignore[no-untyped-def]
        with self.superuser.connect() as connection:
            return connection.execute(text(statement), values).all()

    def until_it_waits(self, other: Future[Any]) -> None:
        """Returns once another thread's work waits for a lock, or is over because it did not wait."""
        held = (
            "select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        while not other.done() and not self.one(held).n:
            pass

    def events(self, action: str, code: str | None = None):  # type: ignore[no-untyped-def]
        """Entries of an action, with the code of their ledger and their detail, in the ledger's order."""
        return self.all(
            """select l.code, e.outcome, e.actor_id, e.actor_name, e.target_id, e.content::jsonb -> 'detail' as detail
                 from audit.leaf f join audit.event e on e.id = f.event_id join audit.ledger l on l.id = f.ledger_id
                where e.action = :action and (cast(:code as text) is null or l.code = :code)
                order by f.ledger_id, f.seq""",
            action=action,
            code=code,
        )
