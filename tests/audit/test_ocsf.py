"""Entries in OCSF's words: every action has its class with what it asks for, and nothing breaks the stream."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from audit import ocsf
from audit.ocsf import KINDS, OTHER, Sealed

ROOT = Path(__file__).parents[2]
CLASSES: dict[int, tuple[str, set[int], set[str]]] = {
    0: ("Base Event", {0}, set()),
    2004: ("Detection Finding", {1, 2}, {"finding_info"}),
    3001: ("Account Change", {99}, {"user"}),
    3002: ("Authentication", {1, 2}, {"user", "service"}),
    3004: ("Entity Management", {3}, {"entity"}),
    6003: ("API Activity", {1, 2, 3, 4, 99}, {"actor", "api", "src_endpoint"}),
    6005: ("Datastore Activity", {1, 2, 4, 6, 7, 8, 10}, {"actor", "src_endpoint", "table"}),
}
"""The names of these classes in OCSF 1.6.0, the activities used here, and the members that it requires of each."""
BASE = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}


def _sealed(content: str | None, seq: int = 7) -> Sealed:
    ledger = uuid.UUID(int=1)
    return Sealed(ledger, "itm-x/ledger/JGK/1", seq, "2026-11-24T09:00:01.000000Z", b"c" * 32, b"h" * 32, content)


def _content(action: str, **members: Any) -> str:
    said: dict[str, Any] = {
        "id": "e",
        "time": "2026-11-24T09:00:00.123456Z",
        "action": action,
        "outcome": "success",
        "via": "append",
        "actor": {
            "user": "u-1", "name": "odak.bir", "institution": "JGK", "role": "focal_point,institution_manager",
            "session": "itm_app", "transaction": "9", "client": None,
        },
        "on_behalf_of": None,
        "target": {"kind": "case", "id": "c-1", "institution": None},
        "subjects": ["p-1"],
        "purpose": "CASE_WORK",
        "request": {"id": "r-1", "route": "/cases", "address": "192.0.2.7"},
    }  # fmt: skip
    return json.dumps(said | members)


def _told(action: str, **members: Any) -> dict[str, Any]:
    return ocsf.event(_sealed(_content(action, **members)))


def test_every_action_of_the_vocabulary_and_of_the_ledger_has_its_class() -> None:
    vocabulary = json.loads((ROOT / "itm_admin/foundation/vocabularies.json").read_text("utf-8"))
    words = {value["code"] for value in vocabulary["lists"]["audit_event"]["values"]}
    actions = (ROOT / "audit/sql/10_tables.sql").read_text("utf-8").partition("INSERT INTO audit.action")[2]
    assert words <= set(KINDS)
    assert set(re.findall(r"\('([a-z_.]+)', '\{", actions)) <= set(KINDS)


@pytest.mark.parametrize("action", KINDS)
def test_an_event_has_what_its_class_asks_for(action: str) -> None:
    for nobody in (False, True):
        told = _told(action, **({"actor": {}, "target": None, "request": {}} if nobody else {}))
        name, activities, members = CLASSES[told["class_uid"]]
        assert told.keys() >= BASE | members
        assert (told["class_name"], told["activity_id"] in activities) == (name, True)
        assert told["category_uid"] == told["class_uid"] // 1000
        assert told["type_uid"] == told["class_uid"] * 100 + told["activity_id"]


def test_id_time_and_seal_are_the_entrys() -> None:
    told = _told("record.read")
    assert told["metadata"]["uid"] == "itm-x/ledger/JGK/1/7"
    assert (told["time"], told["metadata"]["logged_time"]) == (1795510800123, 1795510801000)
    assert told["metadata"]["sequence"] == told["unmapped"]["ledger"]["seq"] == 7
    assert told["unmapped"]["ledger"]["leaf_hash"] == (b"h" * 32).hex()
    assert told["unmapped"]["ledger"]["commitment"] == (b"c" * 32).hex()
    assert told["actor"]["user"] == {
        "uid": "u-1", "name": "odak.bir", "org": {"name": "JGK"},
        "groups": [{"name": "focal_point"}, {"name": "institution_manager"}],
    }  # fmt: skip
    assert told["src_endpoint"] == {"ip": "192.0.2.7"}
    assert told["table"] == {"name": "case", "uid": "c-1"}
    assert told["unmapped"]["event"]["purpose"] == "CASE_WORK"


@pytest.mark.parametrize(
    ("outcome", "severity", "status"), [("success", 1, "Success"), ("denied", 3, "Failure"), ("failure", 2, "Failure")]
)
def test_a_refusal_is_a_failure_and_more_severe(outcome: str, severity: int, status: str) -> None:
    told = _told("record.read", outcome=outcome)
    assert (told["severity_id"], told["status"], told.get("status_detail")) == (
        severity,
        status,
        None if outcome == "success" else outcome,
    )


def test_an_alert_is_a_finding() -> None:
    told = _told("alert.raise", detail={"alert": "ledger.tampered"}, target={"kind": "alert", "id": "JGK"})
    assert told["finding_info"] == {"uid": "itm-x/ledger/JGK/1/7", "title": "ledger.tampered JGK"}
    assert (told["status"], told["severity"]) == ("New", "High")


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "purged"), ("", "unreadable"), ("[]", "unreadable"), ("{", "unreadable"), ("[" * 9000, "unreadable")],
)  # fmt: skip
def test_an_entry_whose_content_is_gone_or_broken_is_told_by_its_seal(content: str | None, why: str) -> None:
    told = ocsf.event(_sealed(content))
    assert told.keys() >= BASE
    assert (told["class_uid"], told["type_uid"], told["unmapped"]["content"]) == (0, 0, why)
    assert told["unmapped"]["ledger"]["leaf_hash"] == (b"h" * 32).hex()


@pytest.mark.parametrize(
    "members",
    [
        {"actor": None, "target": 5, "request": []},
        {"actor": {"user": 5, "role": {}}, "outcome": None, "time": "yesterday"},
        {"time": None, "request": {"address": "not an address"}},
        {"action": 7},
        {"action": "something.new"},
    ],
)
def test_members_of_other_shapes_are_passed_over(members: dict[str, Any]) -> None:
    told = _told(**({"action": "record.read"} | members))
    assert told.keys() >= BASE
    assert told["class_uid"] in (OTHER.uid, 6005)


def test_a_line_is_ascii_on_one_line_and_reads_as_the_event() -> None:
    entry = _sealed(_content("record.read", detail={"note": "satır\nİğ\u2028"}))
    line = ocsf.line(entry)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == ocsf.event(entry)
