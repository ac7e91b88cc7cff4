"""Keys of the signer: replaced with two signatures, declared compromised, missing, or not the ledger's own."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit import bundle_export, key_statements, keyfile, note, store, verify
from audit.key import SigningKey
from audit.verification import Assurance
from itm_admin.commands import signing_keys
from itm_admin.foundation.config import Refusal, SettingError, Settings
from itm_admin.local import programs
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    world = SigningWorld(superuser, database, tmp_path)
    world.act("JGK", 2)
    world.round()
    return world


@pytest.fixture
def settings(world: SigningWorld) -> Settings:
    """Of a machine beside an external server."""
    return Settings(
        home=world.folder,
        signer_url=world.database.url("signer"),
        signing_key_file=world.folder / "key",
        checkpoints=world.folder / "checkpoints",
    )


def _signers(world: SigningWorld, code: str) -> list[int]:
    """By how many keys each recorded checkpoint is signed."""
    return [len(note.parse(row.note.encode()).signatures) for row in world.recorded(code)]


def test_a_replaced_key_signs_once_more_with_its_successor_and_then_counts_no_further(
    world: SigningWorld, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (old,) = world.keys().active
    sizes = {world.origin(code): world.size(code) for code in ("JGK", "ASHB")}
    signing_keys.rotate(settings)
    (new,) = world.keys().active
    assert capsys.readouterr().out == f"Signs from now on: {new}\n"
    assert (new.name, new == old) == (old.name, False)
    assert _signers(world, "JGK") == [1, 2]
    assert keyfile.load(world.folder / "key").verifier == new
    retired = world.keys().said(old, "retired")
    assert retired
    assert {origin: retired.sizes[origin] for origin in sizes} == sizes
    told = [(each.detail["key"], each.detail["statement"]) for each in world.events("ledger.key")]
    assert told == [(str(old), "named"), (str(new), "named"), (str(old), "retired")]
    world.act("JGK")
    world.round()
    assert _signers(world, "JGK") == [1, 2, 1]
    for code in ("JGK", "ASHB"):
        assert world.verify(code)["assurance"] == "self-attested"
    signing_keys.show(settings)
    assert sorted(capsys.readouterr().out.splitlines()) == sorted([f"{old}  retired", f"{new}  signs"])


def test_what_a_retired_key_signs_later_is_found(world: SigningWorld, settings: Settings) -> None:
    """A thief with the old key and the database records a longer checkpoint of their own."""
    stolen = keyfile.load(world.folder / "key")
    signing_keys.rotate(settings)
    world.act("JGK", 2)
    world.round()
    row = world.recorded("JGK")[-1]
    text = row.note.partition("\n\n")[0] + "\n"
    forged = bytes(note.sign(text, stolen)).decode()
    world.attack("update audit.checkpoint set note = :note where id = :id", note=forged, id=row.id)
    found = world.verify("JGK")
    assert found["verdict"] == "tampered"
    assert [each["kind"] for each in found["findings"]] == ["signature"]
    assert "retired" in found["findings"][0]["detail"]


def _judged(world: SigningWorld, *arguments: str) -> tuple[int, str]:
    """An auditor's verdict on a bundle, with a file of keys from the signing machine and nothing else of it."""
    with world.superuser.connect() as connection:
        ledger = next(each for each in store.ledgers(connection) if each.origin == world.origin("JGK"))
    with (world.folder / "bundle.zip").open("wb") as file:
        bundle_export.bundle(world.superuser, ledger, file)
    with redirect_stdout(StringIO()) as said:
        code = verify.main([str(world.folder / "bundle.zip"), *arguments])
    return code, said.getvalue()


def test_an_auditor_who_has_what_is_said_of_the_keys_finds_what_a_retired_or_stolen_one_signed_later(
    world: SigningWorld, settings: Settings
) -> None:
    stolen, out = keyfile.load(world.folder / "key"), world.folder / "keys.jsonl"
    signing_keys.rotate(settings)
    world.act("JGK", 2)
    world.round()
    signing_keys.show(settings, out)
    assert key_statements.parse(out.read_bytes()) == world.keys()
    assert _judged(world, "--keys", str(out))[0] == 0
    row = world.recorded("JGK")[-1]
    forged = bytes(note.sign(row.note.partition("\n\n")[0] + "\n", stolen)).decode()
    world.attack("update audit.checkpoint set note = :note where id = :id", note=forged, id=row.id)
    code, said = _judged(world, "--keys", str(out))
    assert (code, "retired before" in said) == (1, True)
    signing_keys.compromise(settings, stolen.verifier.id.hex(), world.size("GIB"))
    with pytest.raises(Refusal, match="--out: File exists"):
        signing_keys.show(settings, out)
    out.unlink()
    signing_keys.show(settings, out)
    code, said = _judged(world, "--keys", str(out))
    assert (code, "only a compromised key" in said) == (2, True), "nobody is told that the ledger was tampered with"
    world.act("JGK")
    world.round()
    assert _judged(world, "--keys", str(out))[0] == 0


def _attested_by_a_stolen_key(world: SigningWorld, settings: Settings, trust: int) -> Assurance:
    (stolen,) = world.keys().active
    signing_keys.compromise(settings, stolen.id.hex(), trust)
    compromised = world.keys().said(stolen, "compromised")
    assert compromised
    assert compromised.sizes[world.origin("GIB")] == trust
    assert stolen not in world.keys().active
    assurance: Assurance = world.verify("JGK")["assurance"]
    return assurance


def test_after_a_compromise_another_key_signs_everything_anew(world: SigningWorld, settings: Settings) -> None:
    trust = world.size("GIB")
    for _ in range(2):
        world.act("JGK")
        world.round()
    (stolen,) = world.keys().active
    before = world.recorded("JGK")
    assert _attested_by_a_stolen_key(world, settings, trust) == "self-attested"
    (new,) = world.keys().active
    assert new != stolen
    newest = note.parse(world.recorded("JGK")[-1].note.encode())
    assert [each.is_by(new) for each in newest.signatures] == [True]
    said = world.keys().said(stolen, "compromised")
    assert said
    assert said.sizes[world.origin("JGK")] == before[0].size, "what the Presidency's ledger named by then"
    keys, origin = world.keys(), world.origin("JGK")
    counts = [keys.require(note.parse(row.note.encode()), origin, row.size) for row in before]
    assert counts == [True, False, False]
    told = {(each.detail["key"], each.detail["statement"]) for each in world.events("ledger.key")[-2:]}
    assert told == {(str(stolen), "compromised"), (str(new), "named")}


def test_a_lost_key_is_declared_compromised_and_another_goes_on(world: SigningWorld, settings: Settings) -> None:
    (lost,) = world.keys().active
    (world.folder / "key").unlink()
    world.act("JGK")
    done = world.round()
    assert done.failed is not None
    assert "declare its key compromised" in done.failed
    assert world.recorded("JGK")[-1].size < world.size("JGK")
    (alert,) = world.alerts("ledger.unsigned")
    assert alert.severity == "warning"
    signing_keys.compromise(settings, lost.id.hex(), world.size("GIB"))
    assert world.round().failed is None
    assert world.recorded("JGK")[-1].size == world.size("JGK")
    assert world.verify("JGK")["assurance"] == "self-attested"


def test_a_key_that_the_ledger_does_not_name_signs_nothing(world: SigningWorld) -> None:
    (world.folder / "key").unlink()
    keyfile.create(world.folder / "key", SigningKey.generate(world.keys().active[0].name))
    world.act("JGK")
    size = world.recorded("JGK")[-1].size
    failed = world.round().failed
    assert failed
    assert "not one that the ledger names" in failed
    assert world.recorded("JGK")[-1].size == size


def test_a_key_that_others_may_read_signs_nothing(world: SigningWorld) -> None:
    (world.folder / "key").chmod(0o640)
    world.act("JGK")
    failed = world.round().failed
    assert failed
    assert "others may read it" in failed


def test_statements_that_are_gone_from_outside_are_missed(world: SigningWorld) -> None:
    for file in (world.folder / "checkpoints" / "keys").iterdir():
        file.unlink()
    world.act("JGK")
    failed = world.round().failed
    assert failed
    assert "nothing is held outside" in failed


def test_commands_refuse_what_cannot_be(world: SigningWorld, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="names no key"):
        signing_keys.compromise(settings, "nobody", 0)
    with pytest.raises(Refusal, match="has .* entries"):
        signing_keys.compromise(settings, world.keys().active[0].id.hex(), world.size("GIB") + 1)
    with pytest.raises(SettingError, match="ITM_SIGNING_KEY_FILE"):
        signing_keys.show(Settings(home=tmp_path, signer_url=world.database.url("signer")))


def test_the_web_server_is_not_told_of_the_key_and_its_role_may_not_sign(world: SigningWorld) -> None:
    secret = {"ITM_SIGNING_KEY_FILE", "ITM_CHECKPOINTS"}
    assert not secret & set(programs.WEB.variables)
    assert secret <= set(programs.SCHEDULER.variables)
    for call in ("record_checkpoints('[]')", "state_key('x', 'named', '{}')", "put_tile(null, 0, 0, null, null)"):
        with pytest.raises(Exception, match="permission denied"), world.database.engine("app").connect() as connection:
            connection.exec_driver_sql(f"select audit.{call}")
