"""Through PgBouncer in transaction mode each transaction is its person's: nothing of another one's shows."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.cases import upkeep_calls
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import engine_options
from tests.conftest import Database, settings_for
from tests.house.walking import World
from tests.isolation import identifiers
from tests.isolation.pgbouncer import Pooled, through_pgbouncer
from tests.isolation.test_foreign_ids import Isolated, _reaches, _try
from tests.panel.panel_app import RunningPanel
from tests.panel.test_context import FACTS, FORGE, FORGED, SAID, signed_in

pytestmark = pytest.mark.wide
LEFT_BEHIND = (
    "set search_path = pg_temp, audit",
    "set default_transaction_read_only = on",
    "set default_transaction_isolation = 'serializable'",
    "set lock_timeout = '1ms'",
    "set statement_timeout = '59s'",
    "set timezone = 'Asia/Tokyo'",
    "set datestyle = 'German'",
    "set row_security = off",
    "set transform_null_equals = on",
    "set synchronous_commit = off",
    "set bytea_output = 'escape'",
    "set enable_indexscan = off",
    "set plan_cache_mode = force_generic_plan",
)
_SETTINGS = text(
    "select name, setting from pg_settings where name = any (array['search_path', 'transaction_read_only',"
    " 'transaction_isolation', 'lock_timeout', 'statement_timeout', 'TimeZone', 'DateStyle', 'row_security',"
    " 'transform_null_equals', 'synchronous_commit', 'bytea_output', 'enable_indexscan', 'plan_cache_mode'])"
    " order by name"
)


@pytest.fixture(params=[True, False], ids=["cleaned", "uncleaned"])
def one_connection(request: pytest.FixtureRequest, panel: RunningPanel) -> Iterator[Pooled]:
    """All through a single server connection, with and without the pooler's own cleaning."""
    with through_pgbouncer(panel.database, connections=1, cleans=request.param) as pooled:
        yield pooled


def clients(pooled: Pooled, number: int) -> list[sessionmaker[Session]]:
    """So many clients of the pooler, each with an engine of its own."""
    made = [sessionmaker(create_engine(pooled.url("app"), **engine_options())) for _ in range(number)]
    for each in made:
        tenancy.install(each)
    return made


def stray(pooled: Pooled) -> psycopg.Connection[tuple[object, ...]]:
    """A client of the same role that knows no manners."""
    url = make_url(pooled.url("app")).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, prepare_threshold=None)


def test_two_people_in_turn_over_one_connection_are_right_each_of_two_hundred_times(
    panel: RunningPanel, one_connection: Pooled
) -> None:
    make = panel.make
    people = [signed_in(panel, who) for who in (make.caseworker(), make.focal_point(make.other_institution()))]
    wanted, servers, seen = [], set(), []
    mine = text("select count(*) from account where institution_id <> :home")
    for actor in people:
        with make._sessions() as session, tenancy.acting(actor.context()):
            wanted.append([str(each) for each in session.execute(FACTS).one()])
    pairs = list(zip(people, clients(one_connection, 2), strict=True))
    for number, (actor, client) in itertools.islice(enumerate(itertools.cycle(pairs)), 200):
        with client() as session, tenancy.acting(actor.context()):
            assert [str(each) for each in session.execute(FACTS).one()] == wanted[number % 2], number
            assert session.scalar(mine, {"home": actor.institution_id}) == 0
            servers.add(session.scalar(text("select pg_backend_pid()")))
            seen.append(actor.id)
            session.commit()
    assert len(servers) == 1, "there was no other person's connection to meet"
    assert len(seen) == 200


def test_what_somebody_leaves_on_the_connection_shows_in_nobodys_transaction(
    panel: RunningPanel, one_connection: Pooled
) -> None:
    actor = signed_in(panel, panel.make.caseworker())
    [client] = clients(one_connection, 1)
    with client() as session, tenancy.acting(actor.context()):
        facts, settings = session.execute(FACTS).one(), session.execute(_SETTINGS).all()
    for statement in LEFT_BEHIND:
        with stray(one_connection) as other:
            other.execute(statement.encode())
        with client() as session, tenancy.acting(actor.context()):
            assert session.execute(FACTS).one() == facts, statement
            assert session.execute(_SETTINGS).all() == settings, statement
            session.execute(text("update account set language = language where id = :id"), {"id": actor.id})
            session.commit()


def test_a_context_that_somebody_forges_for_the_whole_connection_is_nobodys(
    panel: RunningPanel, one_connection: Pooled
) -> None:
    actor = signed_in(panel, panel.make.caseworker())
    [client] = clients(one_connection, 1)
    with client() as session, tenancy.acting(actor.context()):
        before = session.execute(FACTS).one()
    with stray(one_connection) as other:
        for name, value in (("itm.context", FORGED), ("audit.context", SAID)):
            other.execute("select set_config(%s, %s, false)", (name, value))
    with client() as session:  # nobody is at work
        assert session.scalar(text("select count(*) from case_file")) == 0
    with client() as session, tenancy.acting(actor.context()):
        assert session.execute(FACTS).one() == before
        session.execute(FORGE, {"panel": FORGED, "ledger": SAID})
        assert session.execute(FACTS).one() == before


def test_nothing_is_prepared_by_name_so_that_nobody_can_prepare_it_otherwise(
    panel: RunningPanel, one_connection: Pooled
) -> None:
    actor = signed_in(panel, panel.make.caseworker())
    [client] = clients(one_connection, 1)
    for _ in range(20):
        with client() as session, tenancy.acting(actor.context()):
            session.execute(text("select id from account where id = :id"), {"id": actor.id}).all()
            assert session.scalar(text("select count(*) from pg_prepared_statements")) == 0


def test_a_transaction_that_fails_leaves_the_next_person_a_clean_connection(
    panel: RunningPanel, one_connection: Pooled
) -> None:
    people = [signed_in(panel, panel.make.caseworker()) for _ in range(2)]
    first, second = clients(one_connection, 2)
    for _ in range(5):
        with first() as session, tenancy.acting(people[0].context()):
            with pytest.raises(DBAPIError):
                session.execute(text("select 1 / 0"))
            session.rollback()
        with second() as session, tenancy.acting(people[1].context()):
            assert session.scalar(text("select itm.account()")) == people[1].id


def test_the_nightly_upkeep_is_heard_past_the_pooler(panel: RunningPanel, one_connection: Pooled) -> None:
    home = Path(panel.app.config["ITM_HOME"])
    settings = replace(settings_for(one_connection, home), direct_url=panel.database.url("app"))
    ended = threading.Event()
    ours = threading.Thread(target=upkeep_calls.serve, args=(settings, ended.is_set))
    ours.start()
    try:
        assert "indexed" not in upkeep_calls.work(panel.database.engine("signer"), ended.is_set)
    finally:
        ended.set()
        ours.join()


def test_a_sample_of_foreign_identifiers_is_nobodys_through_the_pooler(database: Database, tmp_path: Path) -> None:
    """The whole panel: pages, interface, sessions and forms."""
    random = Random(uuid.uuid4().int)
    with through_pgbouncer(database, connections=3) as pooled:
        panel = RunningPanel(pooled, tmp_path)
        world = World(panel)
        ours, theirs = (identifiers.of(panel, each.tenant) for each in (world.ours, world.theirs))
        isolated = Isolated(world, ours, theirs)
        chosen = {
            each[0].key: each for each in isolated.routes()
            if each[1].role in each[0].expected.may and not _reaches(each[0], each[1])
        }  # fmt: skip
        few = random.sample(sorted(chosen), 60)
        _try(isolated, iter([chosen[key] for key in few]), random.sample(sorted(theirs), 2))
        assert isolated.asked > 150
        panel.close()
