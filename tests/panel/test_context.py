"""The person at work is proved by a session's secret: SQL as itm_app can say nothing else."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import itm_admin.areas  # noqa: F401 the roles' acts
from audit import store
from itm_admin.accounts import actor as actors
from itm_admin.accounts import bootstrap, session_rows
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import roles as server
from itm_admin.foundation.errors import Unauthenticated
from itm_admin.foundation.roles import ROLES, may
from itm_admin.foundation.tenancy import Context
from tests.factories import Somebody
from tests.panel.panel_app import RunningPanel

WIDTH = ("none", "actor", "ledger", "all")
FACTS = text(
    "select itm.scope(), itm.account(), itm.home(), itm.institution(), itm.everywhere('unit'), itm.units('unit'),"
    " itm.everywhere('manage'), itm.units('manage'), itm.everywhere('create'), itm.units('create'), itm.assigns(),"
    " itm.national(), itm.approves(), itm.manages(), audit.reads(), audit.own_holder()::text, audit.own_user(),"
    " audit.context() -> 'actor'"
)
FORGED = json.dumps({"scope": "audit", "national": True, "institution": str(uuid.uuid4()), "account": str(uuid.uuid4()),
    "unit": "*", "manage": "*", "create": "*", "approves": True, "assigns": True})  # fmt: skip
SAID = json.dumps({"ledger": str(uuid.uuid4()), "reads": "all", "actor": {"user": "x", "name": "somebody.else"}})
FORGE = text("select set_config('itm.context', :panel, true), set_config('audit.context', :ledger, true)")


def signed_in(panel: RunningPanel, who: Somebody) -> Actor:
    """The person with a session of their own."""
    with sessions(panel) as session:
        found = actors.find(session, who.id, who.tenant.id)
        assert found
        here = session_rows.begin(session, found, ("password", "totp"), factor=True)
        session.commit()
    return replace(found, here=here)


def sessions(panel: RunningPanel) -> Session:
    return bootstrap.making_sessions(panel.database.engine("app"))()


def facts(session: Session, context: Context) -> list[Any]:
    with tenancy.acting(context, session):
        row = session.execute(FACTS).one()
    return [sorted(each) if isinstance(each, list) else each for each in row]


@pytest.fixture
def people(panel: RunningPanel) -> list[Somebody]:
    make = panel.make
    tenant = make.institution()
    above = make.unit("Üst birim", tenant)
    make.unit("Alt birim", tenant, above)
    roles = ("focal_point", "caseworker", "institution_manager", "auditor_institution")
    found = [make.somebody(role, tenant) for role in roles]
    found += [make.focal_point(tenant, above), make.caseworker(tenant, above), make.auditor()]
    found += [make.operator(), make.supervisor(), make.administrator()]
    several, beside = make.focal_point(tenant, above), make.unit("Yan birim", tenant)
    with make.superuser() as connection:
        connection.execute(
            text(
                "insert into role_grant (institution_id, account_id, role, unit_id) values (:home, :id, :role, :unit)"
            ),
            {"home": tenant.id, "id": several.id, "role": "caseworker", "unit": beside},
        )
    return [*found, several]


def test_the_database_finds_the_rights_that_the_roles_table_gives(panel: RunningPanel, people: list[Somebody]) -> None:
    for who in people:
        actor = signed_in(panel, who)
        for scope in (*actor.scopes, "login"):
            said = actor.own_context() if scope == "login" else actor.context(scope)
            with sessions(panel) as session:
                proved = facts(session, said)
            with sessions(panel) as session:
                stated = facts(session, replace(said, secret=None))
            assert proved == stated, (who.username, scope)


def test_the_databases_roles_are_the_panels(panel: RunningPanel) -> None:
    assert {tuple(row) for row in panel.rows("select role, scopes, covers, reads, assigns from itm.role_table()")
            for row in [(row[0], tuple(row[1]), row[2], row[3], row[4])]} == {
        (code, role.scopes, role.covers, WIDTH.index(role.reads), may(frozenset({code}), "assign", "Case"))
        for code, role in ROLES.items()
    }  # fmt: skip


def test_what_is_stated_beside_a_session_counts_for_nothing(panel: RunningPanel) -> None:
    who, other = panel.make.caseworker(), panel.make.focal_point(panel.make.other_institution())
    panel.make.case(other)
    actor = signed_in(panel, who)
    with sessions(panel) as session, tenancy.acting(actor.context()):
        before = session.execute(FACTS).one()
        session.execute(FORGE, {"panel": FORGED, "ledger": SAID})
        assert session.execute(FACTS).one() == before
        foreign = {"home": other.tenant.id}
        for table in ("case_file", "account", "unit"):
            seen = f"select count(*) from {table} where institution_id = :home"
            assert session.scalar(text(seen), foreign) == 0, table
        store.append(session.connection(), action="record.read", kind="case", id="forged")
        entry = "select e.actor_name, l.code from audit.event e join audit.ledger l on l.id = e.ledger_id"
        session.commit()
    assert [tuple(row) for row in panel.rows(f"{entry} where e.target_id = 'forged'")] == [
        (who.username, who.tenant.code)
    ]


WAYS = (
    "set backtrace_functions = 'itm_1,audit'",
    "set local backtrace_functions = 'itm_1,audit'",
    "select set_config('backtrace_functions', 'itm_1,audit', true)",
    "set session authorization itm_owner",
    "set role itm_owner",
    "alter role itm_app set backtrace_functions = 'itm_1,audit'",
    "alter database postgres set backtrace_functions = 'itm_1,audit'",
    "update pg_settings set setting = 'itm_1,audit' where name = 'backtrace_functions'",
    "create function pg_temp.f() returns text language sql set backtrace_functions = 'itm_1' as 'select itm.scope()'",
)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_writes_what_was_proved(panel: RunningPanel, way: str) -> None:
    actor = signed_in(panel, panel.make.caseworker())
    with sessions(panel) as session, tenancy.acting(actor.context()):
        session.execute(text("select 1"))
        driver = session.connection().connection.driver_connection
        assert driver
        driver.execute("savepoint a")
        with pytest.raises(psycopg.Error):
            driver.execute(way)
        driver.execute("rollback to a")
        assert session.scalar(text("select itm.account()")) == actor.id


def test_a_connection_cannot_begin_with_facts(panel: RunningPanel) -> None:
    address = panel.database.url("app").replace("+psycopg", "")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(address, options="-c backtrace_functions=itm_1")


def test_facts_end_with_their_transaction_and_are_nobody_elses(panel: RunningPanel) -> None:
    first, second = (signed_in(panel, panel.make.caseworker()) for _ in range(2))
    with psycopg.connect(panel.database.url("app").replace("+psycopg", "")) as connection:
        for turn in range(20):
            who = (first, second)[turn % 2]
            assert connection.execute("select itm.account()").fetchone() == (None,)
            assert who.here
            assert connection.execute("select itm.enter(%s, 'institution')", [who.here.secret]).fetchone() == (True,)
            assert connection.execute("select itm.account()").fetchone() == (who.id,)
            (connection.commit if turn % 3 else connection.rollback)()


def test_a_wrong_secret_a_wrong_scope_and_an_ended_session_are_nobody(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    actor = signed_in(panel, who)
    assert actor.here
    with psycopg.connect(panel.database.url("app").replace("+psycopg", "")) as connection:

        def enter(secret: bytes, scope: str | None) -> tuple[Any, ...]:
            found = connection.execute("select itm.enter(%s, %s), itm.account()", [secret, scope]).fetchone()
            after = connection.execute("select itm.account(), itm.scope()").fetchone()
            connection.rollback()
            assert found
            assert after
            return (found[0], *after)

        for scope in ("oversight", "audit", "accounts", "presidency", "x,y"):
            assert enter(actor.here.secret, scope) == (False, None, None)
        assert enter(b"0" * 32, "institution") == (False, None, None)
        assert enter(actor.here.secret, "institution") == (True, who.id, "institution")
        panel.age(who, idle=3600)
        assert enter(actor.here.secret, "institution") == (False, None, None)
    with sessions(panel) as session, tenancy.acting(actor.context()), pytest.raises(Unauthenticated):
        session.execute(text("select 1"))


def test_an_end_between_two_transactions_of_one_piece_of_work_refuses_the_second(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    actor = signed_in(panel, who)
    with sessions(panel) as session, tenancy.acting(actor.context()):
        assert session.scalar(text("select itm.account()")) == who.id
        session.commit()
        with panel.database.engine("superuser").begin() as connection:
            connection.execute(text("update account set active = false where id = :id"), {"id": who.id})
        with pytest.raises(Unauthenticated):
            session.execute(text("select 1"))


def test_the_secret_stands_in_no_statement_that_others_see_and_in_no_name(panel: RunningPanel) -> None:
    actor = signed_in(panel, panel.make.caseworker())
    assert actor.here
    assert actor.here.secret.hex() not in repr(actor) + repr(actor.context())
    assert repr(actor.here.secret) not in repr(actor) + repr(actor.context())
    with sessions(panel) as session:
        for _ in range(10):
            with tenancy.acting(actor.context()):
                session.execute(text("select 1"))
                session.commit()
        names = "select count(*) from pg_prepared_statements where statement like '%itm.enter%'"
        assert session.scalar(text(names)) == 0
        seen = panel.rows("select query from pg_stat_activity where query like '%itm.enter%'")
        assert not any(actor.here.secret.hex() in row[0] for row in seen)


def test_only_the_owner_may_set_what_is_proved(panel: RunningPanel) -> None:
    with panel.database.engine("superuser").begin() as connection:
        server.refuse_setters(connection)
        connection.execute(text("grant set on parameter backtrace_functions to itm_app"))
        with pytest.raises(Refusal, match="itm_app may set backtrace_functions"):
            server.refuse_setters(connection)
        connection.rollback()


def test_after_a_step_up_the_same_piece_of_work_goes_on_in_the_new_session(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    actor = signed_in(panel, who)
    try:
        panel.age(who, begun=600)
        with sessions(panel) as session, tenancy.acting(actor.context()):
            session_rows.step_up(session, actor, "totp")
            session.rollback()
            assert session.scalar(text("select itm.account()")) == who.id
            assert session.scalar(text("select itm.factor_age() > 60"))
            session_rows.step_up(session, actor, "totp")
            session.commit()
            assert session.scalar(text("select itm.account()")) == who.id
            assert session.scalar(text("select itm.factor_age() < 60"))
    finally:
        tenancy.forget_renewals()
    with sessions(panel) as session, tenancy.acting(actor.context()), pytest.raises(Unauthenticated):
        session.execute(text("select 1"))


def test_an_entry_is_never_written_under_a_context_that_was_left(panel: RunningPanel) -> None:
    """The open transaction is told anew if it was told something else, or if a savepoint took back what it was told."""
    actor, other = signed_in(panel, panel.make.caseworker()), signed_in(panel, panel.make.manager())
    with sessions(panel) as session, tenancy.acting(actor.context()):
        assert session.scalar(text("select itm.account()")) == actor.id
        for change in (FORGE, text("select itm.enter(:secret, 'institution')")):
            secret = other.here.secret if other.here else b""
            session.execute(change, {"panel": FORGED, "ledger": SAID, "secret": secret})
            session.execute(text("select set_config('audit.context', '{}', true)"))
            assert tenancy.only_read(session)
            assert session.scalar(text("select itm.account()")) == actor.id
            assert session.scalar(text("select audit.context() -> 'actor' ->> 'user'")) == str(actor.id)
        inner = session.begin_nested()
        with tenancy.acting(replace(actor.context(), purpose="CASE_WORK")):
            tenancy.apply(session.connection())
            inner.rollback()
            assert session.scalar(text("select audit.context() ->> 'purpose'")) is None
            assert tenancy.only_read(session)
            assert session.scalar(text("select audit.context() ->> 'purpose'")) == "CASE_WORK"


def test_a_transaction_that_wrote_is_not_called_one_that_read(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    actor = signed_in(panel, who)
    with sessions(panel) as session, tenancy.acting(actor.context()):
        assert session.scalar(text("select itm.account()")) == who.id
        assert tenancy.only_read(session)
        session.execute(text("select pg_current_xact_id()"))
        assert not tenancy.only_read(session)
