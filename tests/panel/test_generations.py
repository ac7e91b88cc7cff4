"""A ledger's next generation: opened by two people, after a backup was restored or a tampering was acknowledged."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from audit import bundle_export, contradiction, store, verify
from audit.bundle import EventFilter
from audit.generation import Closure, next_origin
from itm_admin.ledger import generations, verification_jobs
from itm_admin.ledger.approved_decisions import Approved
from tests.conftest import Cluster, Database
from tests.panel.generation_world import Backup, GenerationWorld
from tests.panel.signing_world import Breaking, Stopped
from tests.panel.test_signing_witnesses import _witness as witness_of


@pytest.fixture
def world(database: Database, tmp_path: Path) -> GenerationWorld:
    return GenerationWorld(database, tmp_path)


@pytest.fixture
def restored(world: GenerationWorld, cluster: Cluster) -> Iterator[GenerationWorld]:
    """JGK had 5 entries signed when the backup was made, 9 when it was put back, and 3 came after that."""
    world.act("JGK", 5 - world.size("JGK"))
    world.round()
    backup = Backup.of(cluster, world.database)
    world.act("JGK", 4)
    world.round()
    assert world.held("JGK").size == 9  # type: ignore[union-attr]
    backup.restore()
    world.act("JGK", 3)
    assert [refused.reason for _, refused in world.round().refused if "JGK" in refused.origin] == ["truncated"]
    yield world
    backup.drop()


def test_a_restored_ledger_is_closed_and_the_next_one_says_what_is_still_proved(restored: GenerationWorld) -> None:
    world, old = restored, restored.origin("JGK")
    root = world.outside.at(old, 5).checkpoint.root
    (opened,) = world.opened()
    assert (opened.code, opened.closure.closes, opened.closure.size, opened.closure.root) == ("JGK", old, 5, root)
    first, second = world.generations()
    assert first.closed_at is not None
    assert (second.generation, second.origin, second.closed_at) == (2, f"{old[:-1]}2", None)
    entry = world.first_entry(second.origin)
    assert entry.action == "ledger.open"
    assert entry.detail == {
        "previous": old, "size": 5, "root": b64encode(root).decode(), "reason": "RESTORED",
        "closed_size": first.size, "closed_head": b64encode(first.head).decode(),
        "decision": opened.closure.decision,
        "proposed_by": str(world.people["supervisor"]), "decided_by": str(world.people["auditor"]),
    }  # fmt: skip
    assert [alert.subject for alert in world.alerts("ledger.opened")] == ["JGK"]
    assert world.carry_out() == []


def test_records_go_on_from_a_baseline_and_both_generations_have_verdicts_of_their_own(
    restored: GenerationWorld,
) -> None:
    world, old = restored, restored.origin("JGK")
    world.opened()
    world.run("update institution set name_en = 'Gendarmerie' where code = 'JGK'")
    world.round()
    verdicts = world.verdicts()
    new = world.origin("JGK")
    assert (verdicts[new]["verdict"], verdicts[new]["assurance"]) == ("intact", "self-attested")
    assert (verdicts[old]["verdict"], verdicts[old]["acknowledged"]) == ("tampered", True)
    assert all(finding["acknowledged"] for finding in verdicts[old]["findings"])
    assert verdicts[old]["findings"]


def test_what_people_know_of_a_closed_ledger_raises_no_alarm_again(restored: GenerationWorld) -> None:
    world = restored
    world.opened()
    for code in ("GIB",):
        world.opened(code)
    world.round()
    for level in (verification_jobs.incremental, verification_jobs.full):
        level(world.database.engine("signer"), lambda: False, world.place().evidence)
    assert world.alerts("ledger.tampered") == []
    verdicts = world.verdicts()
    assert {row["verdict"] for row in verdicts.values()} == {"tampered", "intact"}
    assert world.exit == 0


def test_a_closed_ledger_that_changes_afterwards_raises_one(restored: GenerationWorld) -> None:
    world, old = restored, restored.origin("JGK")
    world.opened()
    world.opened("GIB")
    world.round()
    world.attack(
        "update audit.event set content = content || ' ' where id = (select event_id from audit.leaf f"
        " join audit.ledger l on l.id = f.ledger_id where l.origin = :old and seq = 1)",
        old=old,
    )
    verification_jobs.full(world.database.engine("signer"), lambda: False, world.place().evidence)
    assert [alert.subject for alert in world.alerts("ledger.tampered")] == ["JGK"]
    verdict = world.verdicts()[old]
    assert (verdict["first_broken"], verdict["acknowledged"]) == (1, False)
    assert world.exit == 1


def test_an_acknowledged_tampering_stays_told_and_the_next_ledger_is_intact(world: GenerationWorld) -> None:
    world.act("JGK", 4)
    world.round()
    world.tamper("JGK", 2)
    old = world.origin("JGK")
    world.opened(reason="TAMPERED")
    world.round()
    verdicts = world.verdicts()
    assert (verdicts[old]["first_broken"], verdicts[old]["acknowledged"]) == (2, True)
    assert verdicts[world.origin("JGK")]["verdict"] == "intact"
    assert world.closures().closing(old).size == world.outside.sizes(old)[-1]  # type: ignore[union-attr]


def test_a_record_that_was_removed_before_the_opening_is_not_missed_in_the_next_generation(
    world: GenerationWorld,
) -> None:
    world.run("insert into unit (institution_id, name) values (:id, 'gone')", id=world.ids["JGK"])
    world.round()
    world.run("alter table unit disable trigger all")
    world.run("delete from unit where name = 'gone'")
    world.run("alter table unit enable trigger all")
    old = world.origin("JGK")
    assert [each["kind"] for each in world.verdicts()[old]["findings"]] == ["record.removed"]
    world.opened(reason="TAMPERED")
    world.round()
    assert world.verdicts()[world.origin("JGK")]["verdict"] == "intact"


def test_nothing_is_opened_that_two_people_did_not_decide(world: GenerationWorld) -> None:
    world.round()
    call = text("select itm.open_generation(:id, 2, 0, sha256(''))")
    waiting, rejected = world.proposed("JGK"), world.decided(world.proposed("ASHB"), "rejected")
    purge = world.scalar(
        "insert into ledger_decision (institution_id, kind, reason, first_seq, last_seq, proposed_by,"
        " proposer_institution_id) select institution_id, 'purge', 'RETENTION', 0, 1, proposed_by,"
        " proposer_institution_id from ledger_decision where id = :id returning id",
        id=waiting,
    )
    world.decided(purge)
    for id in (waiting, rejected, purge):
        with world.database.engine("signer").begin() as connection, pytest.raises(DBAPIError, match="two people"):
            connection.execute(call, {"id": id})
    for role in ("app", "owner"):
        id = world.decided(world.proposed("ASHB")) if role == "app" else id
        with world.database.engine(role).begin() as connection, pytest.raises(DBAPIError):
            connection.execute(call, {"id": id})
    assert [len(world.generations(code)) for code in ("JGK", "ASHB")] == [1, 1]


def test_a_decision_is_carried_out_once(world: GenerationWorld) -> None:
    world.round()
    id = world.decided(world.proposed())
    world.carry_out()
    with world.database.engine("signer").begin() as connection, pytest.raises(DBAPIError, match="it is done"):
        connection.execute(text("select itm.open_generation(:id, 3, 0, sha256(''))"), {"id": id})
    assert len(world.generations()) == 2


def test_a_generation_that_nobody_opened_is_not_signed_and_is_found(world: GenerationWorld) -> None:
    world.act("JGK", 2)
    world.round()
    old = world.origin("JGK")
    world.attack(
        "update audit.ledger set closed_at = now() where code = 'JGK'",
        "insert into audit.ledger (holder, code, generation, origin) select holder, code, 2,"
        " regexp_replace(origin, '1$', '2') from audit.ledger where code = 'JGK'",
    )
    done = world.round()
    assert {refused.reason for _, refused in done.refused} == {"unopened", "closed"}
    verdicts = world.verdicts()
    assert verdicts[world.origin("JGK")]["findings"][0]["kind"] == "opened"
    assert verdicts[old]["findings"][0]["kind"] == "closed"
    assert not any(row.get("acknowledged") for row in verdicts.values())


def test_what_is_closed_takes_no_entry_and_stays_closed(world: GenerationWorld) -> None:
    world.round()
    world.opened()
    before = world.generations()[0]
    world.act("JGK", 2)
    assert world.generations()[0] == before
    with world.superuser.begin() as connection, pytest.raises(DBAPIError, match="is closed"):
        connection.execute(text("update audit.ledger set closed_at = null where id = :id"), {"id": before.id})


def test_a_second_restore_does_not_give_a_name_again(world: GenerationWorld, cluster: Cluster) -> None:
    world.act("JGK", 3)
    world.round()
    backup = Backup.of(cluster, world.database)
    try:
        world.opened()
        world.round()
        backup.restore()
        assert "gone" in {refused.reason for _, refused in world.round().refused}
        (opened,) = world.opened()
        assert opened.closure.opens.endswith("/3")
        assert [origin[-1] for origin in opened.closure.gone] == ["2"]
        world.opened("GIB")
        assert world.round().refused == []
        assert all(row["acknowledged"] for row in world.verdicts().values() if row["verdict"] == "tampered")
        assert world.exit == 0
    finally:
        backup.drop()


def test_witnesses_and_the_offline_verifier_follow_into_the_next_generation(
    world: GenerationWorld, cluster: Cluster, tmp_path: Path
) -> None:
    """An institution that kept a receipt proves what the restored database lost; both ledgers prove the rest."""
    world.round()
    with witness_of(world, "tihek") as witness:
        place = world.place(witnesses=[witness], quorum=1)
        world.act("JGK", 3)
        world.round(place)
        backup = Backup.of(cluster, world.database)
        world.act("JGK", 4)
        world.round(place)
        old, (key,) = world.origin("JGK"), world.keys().active
        receipt = tmp_path / "receipt"
        receipt.write_bytes(bytes(world.outside.last(old).note))  # type: ignore[union-attr]
        backup.restore()
        backup.drop()
        world.act("JGK", 9)
        world.opened("JGK", place=place)
        world.round(place)
        answers = []
        for generation in (1, 2):
            file = tmp_path / f"{generation}.zip"
            origin = f"{old[:-1]}{generation}"
            engine = world.database.engine("signer")
            with engine.connect() as connection:
                (ledger,) = [each for each in store.ledgers(connection) if each.origin == origin]
            with file.open("wb") as opened:
                bundle_export.bundle(engine, ledger, opened, EventFilter(), "")
            answers.append(verify.main([str(file), "--key", str(key)]))
            answers.append(verify.main([str(file), "--key", str(key), "--checkpoint", str(receipt)]))
        assert answers == [0, 2, 0, 2]
        assert world.verdicts(place=place)[world.origin("JGK")]["assurance"] == "witnessed"


def test_a_closure_is_read_back_as_it_was_written_and_in_no_other_way() -> None:
    closure = Closure("itm-a/ledger/JGK/2", "itm-a/ledger/JGK/1", 5, b"r" * 32, "RESTORED", "d", ("x",), 1, ("k",))
    assert Closure.parse(bytes(closure)) == closure
    line = bytes(closure)
    for old, new in ((b'"size":5', b'"size":-5'), (b"JGK/2", b"JGK/1"), (b'"gone"', b'"gone2"'), (b"\n", b"")):
        with pytest.raises(ValueError, match=r"written|argument|gone"):
            Closure.parse(line.replace(old, new))
    assert next_origin("a/ledger/J/1", ["a/ledger/J/4", "a/ledger/JX/9", "b/ledger/J/7"]) == "a/ledger/J/5"


def _io_error() -> OSError:
    return OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("error", "persisted"),
    [
        pytest.param(Stopped, False, id="stopped-not persisted"),
        pytest.param(_io_error, True, id="error-persisted but reported failed"),
        pytest.param(Stopped, True, id="stopped-persisted", marks=pytest.mark.wide),
        pytest.param(_io_error, False, id="error-not persisted", marks=pytest.mark.wide),
    ],
)
def test_each_step_of_opening_on_the_disk(
    world: GenerationWorld, error: Callable[[], BaseException], persisted: bool
) -> None:
    """After any stop: nothing is open that the folder does not know, and the next try opens it, once."""
    world.round()
    whole = Breaking(0, error, persisted)
    world.decided(world.proposed())
    world.carry_out(disk=whole)
    assert whole.count >= 4
    for at in range(1, whole.count + 1):
        before = len(world.generations())
        world.decided(world.proposed())
        if error is Stopped:
            with pytest.raises(Stopped):
                world.carry_out(disk=Breaking(at, error, persisted))
        else:
            assert world.carry_out(disk=Breaking(at, error, persisted)) == []
        assert len(world.generations()) == before
        (opened,) = world.carry_out()
        assert [each.opens for each in world.closures().each][-1] == opened.closure.opens
        assert len(world.generations()) == before + 1
    assert world.round().refused == []
    assert len(world.closures().each) == len(world.generations()) - 1


def test_a_database_that_fails_after_the_folder_knows_opens_the_same_generation_later(world: GenerationWorld) -> None:
    world.act("JGK", 3)
    world.round()
    world.decided(world.proposed())
    world.run("alter function itm.open_generation rename to gone")
    with pytest.raises(DBAPIError):
        world.carry_out()
    (held,) = world.closures().each
    assert len(world.generations()) == 1
    world.act("JGK", 2)
    world.run("alter function itm.gone rename to open_generation")
    (opened,) = world.carry_out()
    assert opened.closure == held


def test_a_commit_that_was_reported_failed_is_not_done_again(
    world: GenerationWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.round()
    world.decided(world.proposed())
    put = generations._put

    def reported_failed(connection: Connection, decision: Approved, closure: Closure) -> None:
        put(connection, decision, closure)
        connection.commit()
        raise OSError(104, "Connection reset by peer")

    monkeypatch.setattr(generations, "_put", reported_failed)
    assert world.carry_out() == []
    monkeypatch.undo()
    world.clock.seconds += generations.EVERY
    assert world.carry_out() == []
    assert len(world.generations()) == 2


def test_what_the_folder_does_not_hold_any_more_is_not_proved(world: GenerationWorld) -> None:
    world.round()
    world.decided(world.proposed())
    (world.outside.folder / "deployment").rename(world.folder / "lost")
    assert world.carry_out() == []
    assert [alert.subject for alert in world.alerts("ledger.unsigned")] == ["ledger.open"]
    assert len(world.generations()) == 1


def test_a_contradicted_ledger_is_signed_again_once_two_people_opened_its_next_generation(
    world: GenerationWorld,
) -> None:
    with world.outside.locked():
        contradiction.hold(world.outside, world.origin("JGK"), "witness.example", world.size("JGK"), 99)
    world.act("JGK")
    assert {ledger.code: why.reason for ledger, why in world.round().refused if ledger} == {"JGK": "contradicted"}
    before = world.origin("JGK")
    assert world.verdicts()[before]["verdict"] == "tampered"
    assert len(world.opened("JGK", "TAMPERED")) == 1
    assert world.round().refused == []
    assert world.verdicts()[world.origin("JGK")]["assurance"] == "self-attested"
