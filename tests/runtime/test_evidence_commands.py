"""From a signed ledger, by the console's commands, to a verdict on a computer without it: as an auditor would."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audit.canonical_zip import Archive
from tests.conftest import Database
from tests.panel.signing_world import SigningWorld
from tests.runtime.running import ROOT, itm, itm_of_a_fork
from tests.runtime.test_commands import external


class Office:
    """An installation whose ledgers are signed, and what its console says."""

    def __init__(self, world: SigningWorld, database: Database, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.settings = external(database, folder)

    def itm(self, *words: str) -> subprocess.CompletedProcess[str]:
        return itm(self.folder / "home", "ledger", *words, **self.settings)

    def forked(self, *words: str) -> subprocess.CompletedProcess[str]:
        return itm_of_a_fork(self.folder / "home", "ledger", *words, **self.settings)

    def told(self) -> list[str]:
        """The ledger's entries about exports."""
        rows = self.world.run("select content from audit.event where action = 'ledger.export'")
        return [row.content for row in rows]

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        (key,) = self.world.keys().active
        command = [sys.executable, "-m", "audit.verify", *arguments, "--key", str(key)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def office(database: Database, superuser: Engine, tmp_path: Path) -> Office:
    world = SigningWorld(superuser, database, tmp_path)
    world.act("JGK", 5)
    world.round()
    world.act("JGK", 2)
    return Office(world, database, tmp_path)


def test_a_bundle_is_taken_told_and_verified(office: Office) -> None:
    out = office.folder / "jgk.zip"
    size = office.world.recorded("JGK")[-1].size
    done = office.itm("export", "--institution", "JGK", "--out", str(out), "--purpose", "inspection 7")
    assert (done.returncode, done.stderr) == (0, "")
    assert "newer entries are under no checkpoint yet and were left out" in done.stdout
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    verified = office.verify(str(out), "--json")
    said = json.loads(verified.stdout)
    assert verified.returncode == 0
    assert (said["verdict"], said["assurance"], said["leaves"], said["events"]) == (
        "intact",
        "self-attested",
        size,
        size,
    )
    (event,) = office.told()
    told = json.loads(event)
    assert (told["target"]["kind"], told["target"]["id"], told["purpose"]) == ("ledger", "JGK", "inspection 7")
    assert told["detail"] == {"form": "bundle", "from": None, "to": None, "target": None, "actor": None}
    assert told["actor"]["session"] == "itm_signer"
    with out.open("rb") as file:
        assert Archive(file).read("policy.txt").startswith(b"log itm-")


def test_a_bundle_that_is_not_intact_is_no_success_and_stays_as_evidence(office: Office) -> None:
    office.world.tamper("JGK", 1)
    out = office.folder / "jgk.zip"
    done = office.forked("export", "--institution", "JGK", "--out", str(out))
    assert done.returncode == 1
    assert "the bundle was judged and is not intact:\ntampered, " in done.stderr
    assert "1: content: " in done.stderr
    assert office.verify(str(out)).returncode == 1


def test_a_filter_is_told_without_the_name_that_was_typed(office: Office) -> None:
    out = office.folder / "jgk.zip"
    words = ("--from", "2026-01-01", "--to", "2099-12-31", "--target", "case:1", "--actor", "ayse.yilmaz")
    done = office.forked("export", "--institution", "JGK", "--out", str(out), *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert office.verify(str(out)).returncode == 0
    (event,) = office.told()
    assert "ayse" not in event
    manifest = json.loads(Archive(BytesIO(out.read_bytes())).read("manifest.json"))
    assert json.loads(event)["detail"] == {
        "form": "bundle",
        "from": "2025-12-31T21:00:00.000000Z",
        "to": "2099-12-31T20:59:59.999999Z",
        "target": "case:1",
        "actor": "by name",
        "first": manifest["filter"]["from"],
        "last": manifest["filter"]["to"],
    }
    assert manifest["filter"]["actor"] == "ayse.yilmaz"


def test_a_proof_is_taken_told_and_verified(office: Office) -> None:
    out = office.folder / "entry.tlog-proof"
    done = office.itm("prove", "--institution", "JGK", "--seq", "2", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert office.verify(str(out)).stdout.startswith("intact, self-attested\n")
    assert len(office.told()) == 1
    newest = office.world.size("JGK") - 1
    refused = office.forked("prove", "--institution", "JGK", "--seq", str(newest), "--out", str(office.folder / "p"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "not under a checkpoint yet" in refused.stderr
    assert not (office.folder / "p").exists()


def test_a_directory_of_tiles_is_written(office: Office) -> None:
    done = office.itm("tiles", "--institution", "JGK", "--out", str(office.folder / "log"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (office.folder / "log" / "checkpoint").read_text().startswith(office.world.origin("JGK"))


def test_the_verifiers_are_written(office: Office) -> None:
    for name, start in (("v.html", b"<!doctype html>"), ("itm-verify.pyz", b"#!/usr/bin/env python3\n")):
        out = office.folder / name
        assert office.itm("verifier", "--out", str(out)).returncode == 0
        assert out.read_bytes().startswith(start)
        assert office.forked("verifier", "--out", str(out)).returncode == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "--institution", "XYZ"), "itm: --institution: there is no ledger of XYZ\n"),
        (("export", "--institution", "JGK", "--from", "yesterday"), "itm: --from, --to: a day "),
        (("export", "--institution", "JGK", "--target", "case"), "itm: --target: KIND:ID is expected\n"),
        (("prove", "--institution", "JGK", "--seq", "99999"), "itm: Cannot be taken: entry 99999 is not there"),
    ],
)
def test_what_cannot_be_taken_is_one_line(office: Office, words: tuple[str, ...], said: str) -> None:
    done = office.forked(*words, "--out", str(office.folder / "out"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(said)
    assert not [path for path in office.folder.iterdir() if "out" in path.name and path.is_file()]


def test_evidence_is_never_written_over(office: Office) -> None:
    out = office.folder / "jgk.zip"
    out.write_bytes(b"kept")
    done = office.forked("export", "--institution", "JGK", "--out", str(out))
    assert (done.returncode, done.stderr) == (2, f"itm: --out: {out} is there already\n")
    assert out.read_bytes() == b"kept"
