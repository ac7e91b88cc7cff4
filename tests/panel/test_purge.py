"""Content past its retention time is purged as two people decided; everything else keeps being provable."""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from audit import bundle_export, merkle, note, store
from audit.bundle import EventFilter
from audit.checkpoint import Checkpoint
from audit.compact_range import CompactRange
from audit.evidence_report import Emptied
from audit.policy import Policy
from audit.read_plan import Level
from audit.verify import judge
from itm_admin.assurance import ledger_queries
from itm_admin.commands import purge
from itm_admin.foundation.config import Refusal, SettingError
from itm_admin.foundation.errors import NotFound
from tests.conftest import Cluster, Database, _copy, settings_for
from tests.panel.purge_world import PurgeWorld
from tests.stating import say


@pytest.fixture(scope="module")
def filled(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> PurgeWorld:
    """Made once: to fill it takes a second."""
    made = PurgeWorld(shared_database, tmp_path_factory.mktemp("filled"))
    made.filled()
    shared_database.close()
    return made


@pytest.fixture
def database(cluster: Cluster, filled: PurgeWorld) -> Iterator[Database]:
    yield from _copy(cluster, filled.database.name)


@pytest.fixture
def world(database: Database, filled: PurgeWorld, tmp_path: Path) -> PurgeWorld:
    return filled.copied(database, tmp_path)


def test_a_purge_destroys_the_content_says_so_and_leaves_everything_provable(world: PurgeWorld) -> None:
    hashes = [bytes(row.hash) for row in world.run(
        "select f.hash from audit.leaf f join audit.ledger l on l.id = f.ledger_id where l.code = 'JGK'"
        " and f.seq < 256 order by f.seq")]  # fmt: skip
    decision, before = world.approved(), world.size("JGK")
    assert world.purge(decision) == 256
    assert world.content() == set(range(256, world.size("JGK")))
    said = world.purge_entry()
    segment = CompactRange(0, 0)
    segment.extend(hashes)
    detail = said["detail"]
    assert CompactRange.from_bytes(b64decode(detail["hashes"])) == segment
    assert (detail["first"], detail["last"], detail["removed"], detail["origin"]) == (0, 255, 256, world.origin("JGK"))
    assert (detail["decision"], detail["proposed_by"], detail["decided_by"]) == (
        str(decision), str(world.people["supervisor"]), str(world.people["auditor"]))  # fmt: skip
    assert said["actor"]["session"] == "itm_purger"
    assert said["seq"] >= before
    levels: tuple[Level, ...] = ("incremental", "full", "incremental")
    for level in levels:
        told = world.verify("JGK", level)
        assert (told["verdict"], told["findings"]) == ("intact", []), level
    world.round()
    assert world.verify("JGK")["assurance"] == "self-attested"
    assert world.run("select outcome from ledger_decision where id = :id", id=decision)[0].outcome == "done"


def test_records_whose_last_word_is_purged_are_said_anew_and_still_compared(world: PurgeWorld) -> None:
    world.purge(world.approved())
    told = world.run(
        "select target_kind, count(*) from audit.entry where via = 'baseline' and code = 'JGK' group by 1 order by 1"
    )
    assert [tuple(row) for row in told] == [("institution", 1), ("unit", 1)]
    world.run("update unit set name = 'Başka' where id = :id", id=world.unit)  # the trigger tells of it
    assert world.verify("JGK")["verdict"] == "intact"
    with world.superuser.begin() as connection:
        connection.execute(text("alter table unit disable trigger all"))
        connection.execute(text("update unit set name = 'Gizlice' where id = :id"), {"id": world.unit})
        connection.execute(text("alter table unit enable trigger all"))
        connection.execute(text("alter table unit enable always trigger audit_capture"))
        connection.execute(text("alter table unit enable always trigger audit_truncate"))
        connection.execute(text("alter table unit enable always trigger a_stamp"))
    kinds = {finding["kind"] for finding in world.verify("JGK")["findings"]}
    assert kinds == {"record.changed"}


def test_a_record_that_was_changed_behind_the_ledger_is_not_laundered_by_a_purge(world: PurgeWorld) -> None:
    with world.superuser.begin() as connection:
        connection.execute(text("alter table unit disable trigger audit_capture"))
        connection.execute(text("update unit set name = 'Gizlice' where id = :id"), {"id": world.unit})
        connection.execute(text("alter table unit enable always trigger audit_capture"))
    with pytest.raises(DBAPIError, match="not as the ledger tells"):
        world.purge(world.approved())
    assert len(world.content()) == world.size("JGK")


def test_the_next_purge_goes_on_where_the_last_one_ended(world: PurgeWorld) -> None:
    world.purge(world.approved())
    for first, last in ((0, 255), (256, 300), (512, 767)):
        with pytest.raises(DBAPIError):
            world.purge(world.approved(first, last))
        world.run("update ledger_decision set carried_out_at = now(), outcome = 'failed' where outcome is null")
    world.purge(world.approved(256, 511))
    assert world.content() == set(range(512, world.size("JGK")))
    assert world.verify("JGK")["verdict"] == "intact"


@pytest.mark.parametrize(
    ("first", "last", "years", "why"),
    [
        (0, 511, 12, "retention"),
        (0, 255, 4, "retention"),
        (0, 767, 10, "retention"),
        (0, 254, 10, "blocks of 256"),
        (256, 511, 10, "blocks of 256"),
    ],
)
def test_what_is_not_old_enough_or_no_whole_segment_is_refused(
    world: PurgeWorld, first: int, last: int, years: int, why: str
) -> None:
    with pytest.raises(DBAPIError, match=why):
        world.purge(world.approved(first, last), years)
    assert len(world.content()) == world.size("JGK")


def test_nothing_is_purged_without_two_people_and_never_twice(world: PurgeWorld) -> None:
    proposed = world.segment()
    for decision in (proposed, uuid.uuid4()):
        with pytest.raises(DBAPIError, match="two people"):
            world.purge(decision)
    world.decided(proposed, "rejected")
    with pytest.raises(DBAPIError, match="two people"):
        world.purge(proposed)
    decision = world.approved()
    world.purge(decision)
    with pytest.raises(DBAPIError, match="two people"):
        world.purge(decision)


def test_nothing_is_purged_from_a_ledger_that_is_not_intact_or_not_signed(world: PurgeWorld) -> None:
    decision = world.approved()
    world.tamper("JGK", 300)
    assert world.verify("JGK")["verdict"] == "tampered"
    with pytest.raises(DBAPIError, match="intact"):
        world.purge(decision)
    world.attack("delete from audit.checkpoint")
    with pytest.raises(DBAPIError, match="checkpoint"):
        world.purge(decision)


@pytest.mark.parametrize("role", ["app", "signer", "owner", "superuser"])
def test_nobody_else_purges_and_nobody_at_all_deletes_an_event(world: PurgeWorld, role: str) -> None:
    decision = world.approved()
    with pytest.raises(DBAPIError):
        world.purge(decision, role=role)
    for who in (role, "purger"):
        with world.database.engine(who).begin() as connection, pytest.raises(DBAPIError):
            connection.execute(text("delete from audit.event"))
    for statement in ("select audit.purge(:id, 0, 255, 10, :id, '', '')", "select count(*) from ledger_decision"):
        with world.database.engine("purger").begin() as connection, pytest.raises(DBAPIError):
            connection.execute(text(statement), {"id": world.ids["JGK"]})
    assert len(world.content()) == world.size("JGK")


def test_the_command_says_what_could_go_and_carries_out_what_was_approved_alone(
    world: PurgeWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(world.database, tmp_path / "home")
    with pytest.raises(SettingError, match="ITM_DATABASE_PURGER_URL"):
        purge.purge(settings, dry=True)
    settings = replace(settings, purger_url=world.database.url("purger"))
    purge.purge(settings, dry=True)
    assert "JGK         older than 10 years and signed: entries 0 to 511" in capsys.readouterr().out
    purge.purge(settings, dry=False)
    assert capsys.readouterr().out == "Nothing is approved.\n"
    world.approved(256, 511)
    with pytest.raises(Refusal, match="JGK, entries 256 to 511: a segment is whole blocks"):
        purge.purge(settings, dry=False)
    world.run("update ledger_decision set carried_out_at = now(), outcome = 'failed'")
    world.approved(0, 511)
    purge.purge(settings, dry=True)
    assert "JGK         approved: entries 0 to 511" in capsys.readouterr().out
    purge.purge(settings, dry=False)
    assert "the content of 512 events is destroyed" in capsys.readouterr().out


def test_evidence_taken_afterwards_is_intact_and_shows_what_went(world: PurgeWorld, tmp_path: Path) -> None:
    world.purge(world.approved())
    engine = world.database.engine("signer")
    with engine.connect() as connection:
        ledger = next(each for each in store.ledgers(connection) if each.code == "JGK")
    with (tmp_path / "early.zip").open("wb") as out, pytest.raises(bundle_export.NotCovered):
        bundle_export.bundle(engine, ledger, out)
    world.round()
    policy = Policy(world.keys().named)
    said = Emptied(0, 255, world.purge_entry()["seq"])
    for asked in (
        EventFilter(),
        EventFilter(since=10, until=20),
        EventFilter(until=300),
        EventFilter(target=("unit", str(world.unit))),
    ):
        with (tmp_path / "bundle.zip").open("wb") as out:
            bundle_export.bundle(engine, ledger, out, asked)
        with (tmp_path / "bundle.zip").open("rb") as file:
            report = judge(file, policy)
        assert (report.verdict, report.findings) == ("intact", ()), asked
        assert report.purged == (() if asked.target else (said,))
    for seq in (0, 255, 256):
        proof = bundle_export.proof(engine, ledger, seq)
        merkle.verify_inclusion(seq, Checkpoint.parse(note.parse(proof.checkpoint).text).size, proof.entry.hash,
                                proof.path, Checkpoint.parse(note.parse(proof.checkpoint).text).root)  # fmt: skip


def test_whoever_opens_a_purged_entry_is_told_that_it_went_and_who_says_so(world: PurgeWorld) -> None:
    world.purge(world.approved())
    app = Flask("purged")
    Babel(app)
    ledger = world.scalar("select id from audit.ledger where code = 'JGK'")
    says = str(world.purge_entry()["seq"])
    for reads, told in (("all", True), ("actor", False)):
        with app.test_request_context(), Session(world.database.engine("app")) as session:
            say(session, ledger=str(world.ids["JGK"]), reads=reads, actor={"user": "nobody"})
            with pytest.raises(NotFound) as refused:
                ledger_queries.find_entry(session, ledger, 200)
            assert (says in str(refused.value)) is told


# What an attacker makes of it

_EVENT = (
    "(select f.event_id from audit.leaf f join audit.ledger l on l.id = f.ledger_id"
    " where l.code = 'JGK' and f.seq = :seq)"
)


def test_content_that_is_missing_where_no_purge_says_so_is_tampering_with_its_place(world: PurgeWorld) -> None:
    world.purge(world.approved())
    world.attack(f"delete from audit.event where id = {_EVENT}", seq=256)
    told = world.verify("JGK")
    assert (told["verdict"], told["first_broken"]) == ("tampered", 256)


def test_a_purged_range_without_its_entry_is_tampering(world: PurgeWorld) -> None:
    world.purge(world.approved())
    world.attack(f"delete from audit.event where id = {_EVENT}", seq=world.purge_entry()["seq"])
    told = world.verify("JGK")
    assert (told["verdict"], told["first_broken"]) == ("tampered", 0)


@pytest.mark.parametrize("level", ["full", "incremental"])
@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("content", "replace(content, '\"last\"' || chr(58) || '255', '\"last\"' || chr(58) || '511')"),
        ("content", "replace(content, '\"first\"' || chr(58) || '0', '\"first\"' || chr(58) || '1')"),
        ("content", "replace(content, 'ledger.purge', 'ledger.merge')"),
        ("content", "replace(content, 'removed', 'renamed')"),
        ("salt", "sha256(salt)"),
        ("action", "'record.read'"),
        ("ledger_id", "(select id from audit.ledger where code = 'ASHB')"),
    ],
)
def test_an_entry_that_says_another_range_or_is_no_purge_forgives_nothing(
    world: PurgeWorld, level: Level, column: str, change: str
) -> None:
    world.purge(world.approved())
    seq = world.purge_entry()["seq"]
    world.attack(f"update audit.event set {column} = {change} where id = {_EVENT}", seq=seq)
    told = world.verify("JGK", level)
    assert (told["verdict"], told["first_broken"]) == ("tampered", 0)


# Stopped at each step: nothing, or all of it


@pytest.mark.parametrize(
    ("table", "when"),
    # A step at once, and the last ones at commit: it is one transaction
    [
        pytest.param(table, when, marks=pytest.mark.wide if (when == "at once") != (table == "event") else ())
        for table in ("event", "leaf", "ledger_decision", "ledger")
        for when in ("at once", "at commit")
    ],
)
def test_a_purge_that_is_stopped_at_any_step_leaves_nothing_behind(world: PurgeWorld, table: str, when: str) -> None:
    decision, before = world.approved(), world.size("JGK")
    where = "public" if table == "ledger_decision" else "audit"
    timing = "constraint trigger zz_stop after" if when == "at commit" else "trigger zz_stop after"
    events = "insert or update" if when == "at commit" else "insert or update or delete"
    ending = "deferrable initially deferred for each row" if when == "at commit" else "for each row"
    world.run(
        "create function public.stop() returns trigger language plpgsql as $$ begin"
        " if session_user = 'itm_purger' then raise exception 'stopped'; end if; return null; end $$"
    )
    world.run("grant execute on function public.stop() to public")
    world.run(f"create {timing} {events} on {where}.{table} {ending} execute function public.stop()")
    world.run(f"alter table {where}.{table} enable always trigger zz_stop")
    with pytest.raises(DBAPIError, match="stopped"):
        world.purge(decision)
    world.run(f"drop trigger zz_stop on {where}.{table}")
    world.run("drop function public.stop()")
    assert world.size("JGK") == before
    assert len(world.content()) == before
    assert world.verify("JGK")["verdict"] == "intact"
    assert world.purge(decision) == 256


def test_a_purge_that_was_carried_out_but_reported_failed_is_not_done_again(world: PurgeWorld) -> None:
    """The connection is lost after the commit: a second request is told that it is done, and nothing more goes."""
    decision = world.approved()
    with world.database.engine("purger").connect() as connection:
        connection.execute(text("select itm.purge(:id, 10)"), {"id": decision})
        connection.commit()
        connection.invalidate()
    size = world.size("JGK")
    with pytest.raises(DBAPIError, match="or it is done"):
        world.purge(decision)
    assert world.size("JGK") == size
    assert world.verify("JGK")["verdict"] == "intact"
