"""Every column of every table of the schema `audit`, changed by somebody whom no trigger stops: what is found, where.

At the first, a middle, the last signed and the newest unsigned entry of ledgers around the sizes at which trees change
their shape. What no verification can find is in the table too, with the reason why that is no loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from audit import merkle, store
from audit.catalogue import CatalogueManifest
from audit.checkpoint_comparison import Evidence
from audit.store import checkpoints, tiling
from audit.store.catalogue import catalogue, check, major
from audit.verification import Finding, Verdict
from tests.audit.conftest import PRESIDENCY, Migrated
from tests.audit.signed_world import SignedWorld, rehash, verdict
from tests.audit.test_catalogue import SCHEMAS

SIZES = (1, 2, 255, 256, 257, 1_000)
SOME = [pytest.param(size, marks=() if size in (1, 257) else pytest.mark.wide) for size in SIZES]
"""For each column of a ledger's rows: one entry, and more than a tile."""


@dataclass(frozen=True)
class Found:
    """Tampered. ``at``: the place; None where there is none. ``by``: the kinds of findings, or whose run it is."""

    at: int | Literal["end"] | None
    kinds: frozenset[str]
    run: Literal["own", "presidency", "lost", "catalogue"] = "own"


@dataclass(frozen=True)
class Lowered:
    """Intact, and no longer witnessed: what vouched for it is gone."""

    why: str


@dataclass(frozen=True)
class Unseen:
    """Intact and witnessed as before, and why that is right."""

    why: str


@dataclass(frozen=True)
class Impossible:
    """A constraint leaves no other value; that it was dropped is told by the catalogue's comparison."""


Expected = Found | Lowered | Unseen | Impossible


def found(at: int | Literal["end"] | None, *kinds: str) -> Found:
    return Found(at, frozenset(kinds))


def told(run: Literal["presidency", "lost", "catalogue"], *kinds: str) -> Found:
    return Found(0 if run == "lost" else None, frozenset(kinds), run)


USE = Unseen("says how a ledger is used, not what happened; no entry repeats it")
SURROGATE = Unseen("a number that nothing refers to and no order depends on")
DERIVED = Unseen("tiles are derived: a proof that they give wrongly is made again from the entries")
NOTED = Unseen("what a run noted of itself: a full run reads everything whatever stands here, and its entry is sealed")
COPY = Unseen("a copy of an authority's answer, which proves itself to whoever judges it, and nothing without that")
PASSED = Unseen("how far entries were passed on to others; they come again, with the same ids")
COSIGNED = Lowered("cosignatures prove themselves: one that is gone takes its assurance with it")
ROW = told("catalogue", "catalogue.changed")

TABLE: dict[str, dict[str, Expected]] = {
    "ledger": {
        "-": told("lost", "ledger"),
        "id": told("lost", "ledger"),
        "holder": found(0, "holder"),
        "code": found(0, "origin"),
        "generation": found(0, "origin"),
        "origin": found(0, "hash", "origin", "row", "signature", "unread"),
        "size": found("end", "missing"),
        "head": found("end", "head"),
        "recorded_at": found("end", "head"),
        "presidency": Impossible(),
        "opened_at": USE,
        "closed_at": found(None, "closed"),
    },
    "checkpoint": {
        "-": told("presidency", "row"),
        "id": SURROGATE,
        "ledger_id": told("presidency", "row"),
        "size": found(None, "signature", "row", "unread"),
        "root": found(None, "signature", "row"),
        "note": found(None, "signature"),
        "signed_at": found(None, "row"),
        "event_id": found(None, "row"),
    },
    "cosignature": {"-": COSIGNED, "ledger_id": COSIGNED, "size": COSIGNED, "line": found(None, "signature")},
    "tile": dict.fromkeys(("-", "ledger_id", "level", "index", "hashes", "root"), DERIVED),
    "verification": {
        **dict.fromkeys(
            (
                *("-", "origin", "level", "started", "seconds", "first_seq", "checked", "next_seq", "verdict"),
                *("assurance", "first_broken", "findings", "ranges", "since", "recorded_at", "recorded_by"),
            ),
            NOTED,
        ),
        "id": SURROGATE,
        "ledger_id": told("lost", "ledger"),
        "size": found("end", "truncated"),
        "head": found(0, "anchor"),
    },
    "key": dict.fromkeys(("-", "event_id", "verifier", "statement", "sizes", "said_at"), told("presidency", "row")),
    "deployment": {"-": found(0, "origin"), "name": found(0, "origin"), "singular": Impossible()},
    "action": dict.fromkeys(("-", "code", "by"), ROW),
    "watched": {
        **dict.fromkeys(("-", "relation", "kind", "shape", "holder", "key", "columns", "private", "ignored"), ROW),
        "action": ROW,
        "watched_at": USE,
    },
    "timestamp": dict.fromkeys(("-", "ledger_id", "size", "digest", "stamped_at", "answer"), COPY),
    "sink": dict.fromkeys(("-", "name", "named_at", "dropped_at", "failing_since", "trouble", "behind_since"), PASSED),
    "sink_cursor": dict.fromkeys(("-", "sink", "ledger_id", "next_seq", "moved_at"), PASSED),
}

ENTRIES = {
    "event": "id ledger_id salt content at action outcome via actor_id actor_name actor_institution actor_role "
    "target_kind target_id target_holder subjects purpose request_id",
    "leaf": "ledger_id seq event_id recorded_at prev commitment hash",
}
"""Each change of an entry is found at the entry, at each place, signed or not."""

OTHER = {
    "uuid": "gen_random_uuid()",
    "bytea": "sha256({0})",
    "int8": "{0} + 5000",
    "int4": "{0} + 1",
    "int2": "cast({0} + 1 AS smallint)",
    "float8": "{0} + 1",
    "bool": "NOT {0}",
    "timestamptz": "coalesce({0}, now()) + interval '1 microsecond'",
    "_text": "array_append({0}, 'x')",
    "text": "coalesce({0}, '') || 'x'",
    "jsonb": "jsonb_build_object('x', 1)",
}
SPECIAL = {
    ("event", "outcome"): "'failure'",
    ("event", "via"): "'baseline'",
    ("leaf", "recorded_at"): "'2020-01-01T00:00:00.000000Z'",
    ("ledger", "closed_at"): "now()",
    ("checkpoint", "id"): "DEFAULT",
    ("verification", "id"): "DEFAULT",
    ("cosignature", "line"): "overlay(line placing 'AAAAAAAA' from length(line) - 12)",
    ("key", "statement"): "'retired'",
    ("tile", "hashes"): "overlay(hashes placing decode(repeat('00', 32), 'hex') from 33)",
    ("verification", "level"): "'incremental'",
    ("verification", "verdict"): "'cannot tell'",
    ("verification", "assurance"): "'unsigned'",
    ("verification", "first_broken"): "NULL",
}
"""Constraints leave little choice here: they bind a superuser too; dropping them is told as well."""

ROWS = {
    "ledger": ["id = :id"],
    "checkpoint": ["ledger_id = :id AND size = :size", "ledger_id = :id AND size = :size / 2"],
    "cosignature": ["ledger_id = :id"],
    "tile": ["ledger_id = :id"],
    "verification": ["ledger_id = :id"],
    "action": ["code = 'account.change'", "code = 'ledger.export'", "code = 'role.change'"],
    "watched": ["kind = 'account'", "kind = 'thing'", "kind = 'victim_profile'"],
}
"""Which rows are changed, one set after the other; of other tables, all."""
BY_SIZE = ("ledger", "checkpoint", "cosignature", "tile", "verification")


@pytest.fixture(scope="module")
def signed(shared_database: Migrated, tmp_path_factory: pytest.TempPathFactory) -> SignedWorld:
    return SignedWorld(shared_database, tmp_path_factory.mktemp("outside") / "checkpoints", SIZES)


@pytest.fixture(scope="module")
def evidence(signed: SignedWorld) -> Evidence:
    return signed.evidence()


@pytest.fixture
def attacker(signed: SignedWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Ledgers are read in several chunks, so that only the one that was attacked is read entry by entry."""
    monkeypatch.setattr("audit.store.verifying.CHUNK", 128)
    patient = checkpoints._UNCOVERED.replace("5 minutes", "5 days")  # the attacks may take longer than a signer may
    assert patient != checkpoints._UNCOVERED
    monkeypatch.setattr(checkpoints, "_UNCOVERED", patient)
    with signed.attacker() as connection:
        yield connection


def _columns(connection: Connection) -> dict[tuple[str, str], str]:
    """Every column of every table, with its type's name. No attack changes them: asked once for each connection."""
    known: dict[tuple[str, str], str] | None = connection.info.get("columns")
    if known is not None:
        return known
    rows = connection.execute(
        text(
            "SELECT c.table_name, c.column_name, c.udt_name FROM information_schema.columns c"
            " JOIN pg_tables t ON t.schemaname = c.table_schema AND t.tablename = c.table_name"
            " WHERE c.table_schema = 'audit' ORDER BY c.table_name, c.ordinal_position"
        )
    )
    found = {(row.table_name, row.column_name): row.udt_name for row in rows}
    connection.info["columns"] = found
    return found


def _attacks(connection: Connection, table: str) -> Iterator[tuple[str, str]]:
    """Of a table: each column, or "-" for the whole row, and the statement without its condition."""
    yield "-", f'DELETE FROM audit."{table}"'
    for (name, column), kind in _columns(connection).items():
        if name == table:
            other = SPECIAL.get((table, column), OTHER[kind]).format(f'"{column}"')
            yield column, f'UPDATE audit."{table}" SET "{column}" = {other}'


def _short(verdict: Verdict) -> tuple[str, int | None, frozenset[str]]:
    return verdict.verdict, verdict.first_broken, frozenset(finding.kind for finding in verdict.findings)


class Judge:
    """The verdict on one ledger after an attack, in the table's words; differences are collected."""

    def __init__(self, signed: SignedWorld, evidence: Evidence, attacker: Connection, size: int) -> None:
        self.signed, self.evidence, self.attacker, self.size = signed, evidence, attacker, size
        self.ledger, self.presidency = signed.ledger(size), signed.world.ledger(PRESIDENCY)
        self.manifest: CatalogueManifest | None = None
        self.wrong: dict[str, object] = {}
        self.done: set[tuple[str, str]] = set()
        """Columns of which something was changed."""

    def compare_catalogue(self) -> None:
        """From here on, with what it is now: that takes a while."""
        self.manifest = CatalogueManifest(SCHEMAS, [major(self.attacker)], catalogue(self.attacker, SCHEMAS))

    def attack(self, table: str, column: str, statement: str, where: str) -> None:
        expected = TABLE[table][column]
        values = {"id": self.ledger.id, "size": self.size}
        if isinstance(expected, Impossible):
            with pytest.raises(IntegrityError), self.attacker.begin_nested():
                self.attacker.execute(text(f"{statement} WHERE {where}"), values)
            self.done.add((table, column))
            return
        undo = self.attacker.begin_nested()
        if self.attacker.execute(text(f"{statement} WHERE {where}"), values).rowcount:
            self.done.add((table, column))
            said, wanted = self._said(expected), self._wanted(expected)
            if said != wanted:
                self.wrong[f"{table}.{column} where {where}"] = (said, wanted)
        undo.rollback()

    def _said(self, expected: Expected) -> object:
        if isinstance(expected, Found) and expected.run == "catalogue":
            return ("tampered", None, frozenset(finding.kind for finding in self._catalogue()))
        if isinstance(expected, Found) and expected.run == "lost":
            lost = [each for each in store.ledgers(self.attacker) if each.lost]
            (verdict_of,) = [verdict(self.attacker, each, self.evidence) for each in lost]
            return verdict_of.verdict, verdict_of.first_broken, "ledger" in _short(verdict_of)[2]
        presidency = isinstance(expected, Found) and expected.run == "presidency"
        found = verdict(self.attacker, self.presidency if presidency else self.ledger, self.evidence)
        return (*_short(found), found.assurance) if not isinstance(expected, Found) else _short(found)

    def _catalogue(self) -> list[Finding]:
        assert self.manifest
        return check(self.attacker, self.manifest, None).findings.get(None, [])

    def _wanted(self, expected: Expected) -> object:
        match expected:
            case Unseen():
                return "intact", None, frozenset(), "witnessed"
            case Lowered():
                return "intact", None, frozenset(), "self-attested"
            case Found(at=at, run="lost"):
                return "tampered", at, True
            case Found(at=at, kinds=kinds):
                return "tampered", self.size + 1 if at == "end" else at, kinds
            case Impossible():
                raise AssertionError("what cannot be done is not judged")


def test_every_column_of_the_schema_is_in_the_table_with_what_is_expected(attacker: Connection) -> None:
    known = {(table, column) for table, columns in TABLE.items() for column in columns if column != "-"}
    known |= {(table, column) for table, columns in ENTRIES.items() for column in columns.split()}
    assert _columns(attacker).keys() - known == set()


def test_what_was_not_touched_is_intact_and_witnessed(
    signed: SignedWorld, evidence: Evidence, attacker: Connection
) -> None:
    for size in SIZES:
        found = verdict(attacker, signed.ledger(size), evidence)
        assert (found.verdict, found.assurance, found.size) == ("intact", "witnessed", size + 1)
        assert (found.first_broken, found.findings) == (None, ())


@pytest.mark.parametrize("size", SOME)
def test_a_changed_column_of_an_entry_is_found_at_the_entry(
    signed: SignedWorld, evidence: Evidence, attacker: Connection, size: int
) -> None:
    judge = Judge(signed, evidence, attacker, size)
    wrong, places = {}, sorted({0, size // 2, size - 1, size})
    for seq in places:
        for table in ENTRIES:
            key = "event_id" if table == "leaf" else "id"
            where = f" WHERE {key} = (SELECT event_id FROM audit.leaf WHERE ledger_id = :id AND seq = :seq)"
            for column, statement in _attacks(attacker, table):
                undo = attacker.begin_nested()
                done = attacker.execute(text(statement + where), {"id": judge.ledger.id, "seq": seq}).rowcount
                found = verdict(attacker, judge.ledger, evidence)
                if (done, found.verdict, found.first_broken) != (1, "tampered", seq):
                    wrong[table, column, seq] = (done, *_short(found))
                undo.rollback()
    assert wrong == {}


@pytest.mark.parametrize("size", SOME)
def test_what_surrounds_the_entries_of_a_ledger_is_found_or_cannot_matter(
    signed: SignedWorld, evidence: Evidence, attacker: Connection, size: int
) -> None:
    judge = Judge(signed, evidence, attacker, size)
    for table in BY_SIZE:
        for column, statement in _attacks(attacker, table):
            for where in ROWS[table]:
                judge.attack(table, column, statement, where)
    assert judge.wrong == {}
    assert judge.done == _expected(attacker, [each for each in BY_SIZE if each != "tile" or size >= 256])


def _expected(attacker: Connection, tables: Iterable[str]) -> set[tuple[str, str]]:
    return {(table, column) for table in tables for column, _ in _attacks(attacker, table)}


def test_what_is_the_same_for_all_ledgers_is_found_or_cannot_matter(
    signed: SignedWorld, evidence: Evidence, attacker: Connection
) -> None:
    judge = Judge(signed, evidence, attacker, 257)
    judge.compare_catalogue()
    tables = sorted({table for table, _ in _columns(attacker)} - {*BY_SIZE, *ENTRIES})
    for table in tables:
        for column, statement in _attacks(attacker, table):
            for where in ROWS.get(table, ["true"]):
                judge.attack(table, column, statement, where)
    assert judge.wrong == {}
    assert judge.done == _expected(attacker, tables)


def test_nothing_is_recorded_as_verified_while_no_ledger_is_the_presidencys(
    signed: SignedWorld, attacker: Connection
) -> None:
    """No entry says which one it is. Without it a round has no ledger, and fails where people see it."""
    done = store.verify(attacker, signed.ledger(2), "full")
    attacker.execute(text("UPDATE audit.ledger SET presidency = false"))
    with pytest.raises(DBAPIError, match="ledger"):
        store.record_round(attacker, [done])


@pytest.mark.parametrize("size", SIZES)
def test_a_history_with_fresh_hashes_is_found_in_the_range_between_two_checkpoints(
    signed: SignedWorld, evidence: Evidence, attacker: Connection, size: int
) -> None:
    """Newer than every checkpoint it passes: nothing outside has seen what stood there. Hence one a minute."""
    ledger = signed.ledger(size)
    for seq in sorted({0, size // 2, size - 1, size}):
        undo = attacker.begin_nested()
        attacker.execute(
            text(
                "UPDATE audit.event SET salt = sha256(salt)"
                " WHERE id = (SELECT event_id FROM audit.leaf WHERE ledger_id = :id AND seq = :seq)"
            ),
            {"id": ledger.id, "seq": seq},
        )
        attacker.execute(text("DELETE FROM audit.verification WHERE ledger_id = :id"), {"id": ledger.id})
        rehash(attacker, ledger, seq)
        found = verdict(attacker, ledger, evidence)
        if seq == size:
            assert (found.verdict, found.findings, found.assurance) == ("intact", (), "witnessed")
        else:
            since = 0 if seq < size // 2 else size // 2
            assert _short(found) == ("tampered", since, frozenset({"signed"}))
            stop = size // 2 if seq < size // 2 else size
            assert f"entries {since} to {stop - 1} are not" in found.findings[0].detail
        undo.rollback()


@pytest.mark.parametrize("size", [size for size in SIZES if size >= 256])
def test_a_proof_made_from_tiles_that_were_changed_still_proves(
    signed: SignedWorld, attacker: Connection, size: int
) -> None:
    ledger = signed.ledger(size)
    leaves = [entry.hash for page in store.entries(attacker, ledger.id, 0, size) for entry in page]
    old, new = (size // 2, merkle.root(leaves[: size // 2])), (size, merkle.root(leaves))
    for _, statement in _attacks(attacker, "tile"):
        undo = attacker.begin_nested()
        assert attacker.execute(text(f"{statement} WHERE ledger_id = :id"), {"id": ledger.id}).rowcount
        proof = tiling.consistency(attacker, ledger.id, old, new)
        merkle.verify_consistency(old[0], new[0], old[1], new[1], proof)
        undo.rollback()
