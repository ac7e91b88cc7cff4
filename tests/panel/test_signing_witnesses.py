"""Witnesses beside the signer: asked after each round, kept when they cosign, an alarm when they know otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.engine import Engine

from audit.witness import Service
from audit.witness_client import Witness
from audit.witness_memory import Memory, identity
from audit.witness_rules import Cosigner, WitnessedLog
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.ledger.cosigning import Collector
from itm_admin.ledger.signing import Round, SigningPlace
from itm_admin.local.signing_setup import of
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    world = SigningWorld(superuser, database, tmp_path)
    world.act("JGK", 2)
    world.round()
    return world


@contextmanager
def _witness(world: SigningWorld, name: str) -> Iterator[Witness]:
    """A witness of all of this deployment's ledgers, in this process, over HTTP."""
    (key,) = world.keys().active
    folder = world.folder / name
    own = identity(folder, folder.with_suffix(".key"), f"{name}.example")
    memory = Memory(folder, own.verifier)
    cosigner = Cosigner(own, [WitnessedLog(key, f"{key.name}/ledger/*")], memory)
    with Service(("127.0.0.1", 0), cosigner, str(own.verifier)) as serving:
        thread = Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Witness(f"http://127.0.0.1:{serving.server_address[1]}", own.verifier)
        finally:
            serving.shutdown()
            thread.join()
            memory.close()


@pytest.fixture
def witnesses(world: SigningWorld) -> Iterator[list[Witness]]:
    with ExitStack() as stack:
        yield [stack.enter_context(_witness(world, name)) for name in ("tihek", "tbb")]


def _place(world: SigningWorld, witnesses: list[Witness], quorum: int) -> SigningPlace:
    return world.place(witnesses=witnesses, quorum=quorum)


def _lines(world: SigningWorld, code: str) -> int:
    return int(
        world.scalar(
            "select count(*) from audit.cosignature c join audit.ledger l on l.id = c.ledger_id where code = :code",
            code=code,
        )
    )


def test_a_checkpoint_that_enough_witnesses_cosigned_makes_a_verdict_witnessed(
    world: SigningWorld, witnesses: list[Witness]
) -> None:
    place = _place(world, witnesses, 2)
    world.act("JGK", 3)
    world.round(place)
    assert _lines(world, "JGK") == 2
    assert world.verify("JGK", place=place)["assurance"] == "witnessed"
    assert world.verify("ASHB", place=place)["assurance"] == "witnessed", "what was signed before they were asked too"
    world.act("JGK", 3)
    world.round(place)
    assert world.verify("JGK", "incremental", place)["assurance"] == "witnessed"
    assert world.verify("JGK", place=_place(world, [], 0))["assurance"] == "self-attested"
    assert world.alerts("ledger.contradicted") == []


def test_a_witness_that_is_away_delays_no_signature_and_counts_for_nothing(
    world: SigningWorld, witnesses: list[Witness]
) -> None:
    away = Witness("http://127.0.0.1:9", witnesses[1].key)
    place = _place(world, [witnesses[0], away], 2)
    world.act("JGK")
    assert world.round(place).failed is None
    assert _lines(world, "JGK") == 1
    assert world.verify("JGK", place=place)["assurance"] == "self-attested"
    both = _place(world, witnesses, 2)
    world.act("JGK")
    world.round(both)
    assert world.verify("JGK", place=both)["assurance"] == "witnessed", "it caught up by itself"


def test_what_a_witness_missed_is_asked_for_again_though_the_ledger_did_not_grow(
    world: SigningWorld, witnesses: list[Witness]
) -> None:
    away = Witness("http://127.0.0.1:9", witnesses[0].key)
    world.round(_place(world, [away, witnesses[1]], 2))
    assert _lines(world, "JGK") == 1
    place = _place(world, witnesses, 2)
    signed = world.outside.sizes(world.origin("JGK"))
    world.round(place)
    assert world.outside.sizes(world.origin("JGK")) == signed
    assert world.verify("JGK", place=place)["assurance"] == "witnessed"


def test_who_was_silent_is_asked_again_and_who_refused_is_not_until_there_is_more(
    world: SigningWorld, witnesses: list[Witness]
) -> None:
    engine, outside = world.database.engine("signer"), world.outside
    away = Collector([Witness("http://127.0.0.1:9", witnesses[0].key)])
    assert len(away.missed(engine, outside, ())) == len(world.ids)
    away.collect(engine, outside, away.missed(engine, outside, ()))
    assert len(away.missed(engine, outside, ())) == len(world.ids)
    other_key = Collector([Witness(witnesses[0].url, witnesses[1].key)])
    other_key.collect(engine, outside, other_key.missed(engine, outside, ()))
    assert other_key.missed(engine, outside, ()) == []
    assert away.missed(engine, outside, {ledger.id for ledger, _ in away.missed(engine, outside, ())}) == []
    world.act("JGK")
    world.round()
    assert {ledger.code for ledger, _ in other_key.missed(engine, outside, ())} >= {"JGK"}


def test_a_cosignature_that_was_changed_in_the_database_counts_for_nothing(
    world: SigningWorld, witnesses: list[Witness]
) -> None:
    place = _place(world, witnesses, 1)
    world.act("JGK")
    world.round(place)
    world.attack("update audit.cosignature set line = overlay(line placing 'AAAAAAAA' from length(line) - 12)")
    row = world.verify("JGK", place=place)
    assert row["verdict"] == "tampered"
    assert {each["kind"] for each in row["findings"]} == {"signature"}
    world.attack("delete from audit.cosignature")
    row = world.verify("JGK", place=place)
    assert (row["verdict"], row["assurance"]) == ("intact", "self-attested")


def test_when_both_sides_were_restored_together_the_witness_knows(
    world: SigningWorld, witnesses: list[Witness]
) -> None:
    """The database and the folder outside agree with each other; only somebody else remembers more."""
    place = _place(world, witnesses, 1)
    size = world.size("JGK")
    world.act("JGK", 4)
    world.round(place)
    world.truncate("JGK", size)
    origin = world.origin("JGK").replace("/", "~")
    newest = max((world.folder / "checkpoints" / "ledgers" / origin).rglob("*.checkpoint"))
    newest.unlink()
    world.attack("delete from audit.event where action = 'ledger.checkpoint'")  # else the Presidency's entries tell
    world.act("JGK")
    assert "JGK" not in _refused(world.round(place))
    (alert,) = world.alerts("ledger.contradicted")
    assert (alert.subject, alert.severity, alert.detail["held"]) == ("JGK", "critical", size + 4)
    world.run("update alert set acknowledged_at = now()")
    signed = world.outside.sizes(world.origin("JGK"))
    world.act("JGK")
    assert _refused(world.round(place))["JGK"] == "contradicted"
    assert world.outside.sizes(world.origin("JGK")) == signed, "nothing is signed on a fork"
    row = world.verify("JGK", "incremental", place)
    assert row["verdict"] == "tampered"
    assert "contradicted" in {each["kind"] for each in row["findings"]}
    assert "contradicted" in {each["kind"] for each in world.verify("JGK", place=place)["findings"]}


def _refused(done: Round) -> dict[str | None, str]:
    return {ledger.code: why.reason for ledger, why in done.refused if ledger}


def test_settings_name_witnesses_and_how_many_count(witnesses: list[Witness], tmp_path: Path) -> None:
    listed = ",".join(f"{each.url}={each.key}" for each in witnesses)
    told = {"ITM_HOME": str(tmp_path), "ITM_WITNESSES": listed}
    settings = Settings.from_environment(told)
    again = Settings.from_environment(
        {**told, **settings.environment("ITM_WITNESSES", "ITM_WITNESS_QUORUM"), "PATH": ""}
    )
    assert again.witnesses == settings.witnesses
    place = of(settings)
    assert (list(place.witnesses), place.quorum) == (witnesses, 2)
    assert of(Settings.from_environment({**told, "ITM_WITNESS_QUORUM": "1"})).quorum == 1
    wrong = {
        "ITM_WITNESS_QUORUM": {"ITM_WITNESS_QUORUM": "3"},
        "ITM_WITNESSES": {"ITM_WITNESSES": f"{listed},{witnesses[0].url}={witnesses[0].key}"},
    }
    for name, values in wrong.items():
        with pytest.raises(SettingError, match=name):
            Settings.from_environment({**told, **values})
    for value in ("http://x", f"ftp://x={witnesses[0].key}", "http://x=nonsense"):
        with pytest.raises(SettingError, match="ITM_WITNESSES"):
            Settings.from_environment({"ITM_WITNESSES": value})
