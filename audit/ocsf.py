"""Sealed entries as OCSF events, which security systems read without a dictionary of ours.

Promise: every action has its OCSF class here; an entry that is unreadable, or whose content was purged, is exported
too. Members without a place in OCSF are under ``unmapped``. The salt is never exported: with it, purged content could
be guessed.
"""

from __future__ import annotations

import ipaddress
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

VERSION = "1.6.0"
PRODUCT = {"name": "itm", "vendor_name": "itm"}
APPLICATION = "itm"


class Sealed(NamedTuple):
    """An entry for export. ``content`` is None after a purge."""

    ledger: uuid.UUID
    origin: str
    seq: int
    recorded_at: str
    commitment: bytes
    hash: bytes
    content: str | None

    @property
    def id(self) -> str:
        """The event's unique id, the same each time and in each sink."""
        return f"{self.origin}/{self.seq}"


class EventClass(NamedTuple):
    """A row of the table: class, activity and severity."""

    name: str
    uid: int
    activity: str
    activity_id: int
    severity_id: int = 1

    @property
    def category_uid(self) -> int:
        return self.uid // 1000


def _login(activity: str, id: int) -> EventClass:
    return EventClass("Authentication", 3002, activity, id)


def _data(activity: str, id: int, severity: int = 1) -> EventClass:
    return EventClass("Datastore Activity", 6005, activity, id, severity)


def _call(activity: str, id: int, severity: int = 1) -> EventClass:
    return EventClass("API Activity", 6003, activity, id, severity)


FINDING = 2004
UNREAD = EventClass("Base Event", 0, "Unknown", 0)
"""For an entry of which only the seal can be read."""
OTHER = _call("Other", 99)
"""For an action that the table does not know: another version wrote it."""

KINDS: Mapping[str, EventClass] = {
    "auth.login": _login("Logon", 1),
    "auth.logout": _login("Logoff", 2),
    "account.change": EventClass("Account Change", 3001, "Other", 99, 2),
    "role.change": EventClass("Entity Management", 3004, "Update", 3, 3),
    "record.list": _data("List", 8),
    "record.search": _data("Query", 4),
    "record.read": _data("Read", 1),
    "record.reveal": _data("Decrypt", 10, 2),
    "record.create": _data("Create", 6),
    "record.update": _data("Update", 2),
    "record.delete": _data("Delete", 7, 2),
    "record.restore": _data("Update", 2, 2),
    "record.close": _data("Update", 2),
    "record.assign": _data("Update", 2),
    "record.approve": _call("Update", 3, 2),
    "record.import": _call("Create", 1, 2),
    "record.export": _call("Read", 2, 3),
    "record.print": _call("Read", 2, 2),
    "attachment.download": _call("Read", 2, 2),
    "referral.send": _call("Create", 1),
    "referral.answer": _call("Update", 3),
    "consent.give": _call("Create", 1),
    "consent.withdraw": _call("Update", 3),
    "access.break_glass": _call("Read", 2, 4),
    "person.erase": _data("Delete", 7, 3),
    "ledger.verify": _call("Read", 2),
    "ledger.checkpoint": _call("Create", 1),
    "ledger.key": _call("Update", 3, 3),
    "ledger.open": _call("Create", 1, 3),
    "ledger.export": _call("Read", 2, 3),
    "ledger.purge": _call("Delete", 4, 3),
    "alert.raise": EventClass("Detection Finding", FINDING, "Create", 1, 4),
    "alert.acknowledge": EventClass("Detection Finding", FINDING, "Update", 2, 2),
    "job.run": _call("Other", 99),
}
"""One row for each action of the ledger."""

_CATEGORIES = {0: "Uncategorized", 2: "Findings", 3: "Identity & Access Management", 6: "Application Activity"}
_SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
_STATUSES = {"success": (1, "Success"), "denied": (2, "Failure"), "failure": (2, "Failure"),
             "first_step": (99, "first step of two")}  # fmt: skip
_FINDING_STATES = {1: "New", 2: "In Progress"}
_LEAST = {"denied": 3, "failure": 2}
"""The lowest severity of a denied and of a failed action."""
_UNMAPPED = ("via", "purpose", "subjects", "on_behalf_of", "request", "actor", "changes", "state", "detail")


def event(entry: Sealed) -> dict[str, Any]:
    """The OCSF event of an entry. Never raises for an entry's content."""
    said = _content(entry.content)
    if said is None:
        return _sealed_only(entry)
    action, outcome = _text(said.get("action")) or "unknown", _text(said.get("outcome"))
    if action == "auth.login" and outcome == "denied" and _part(said, "detail").get("reason") == "factor_missing":
        outcome = "first_step"  # the password was right: no failure of a sign-in, and no success yet
    kind = KINDS.get(action, OTHER)
    statuses = _STATUSES if kind.uid != FINDING else {"success": (kind.activity_id, _FINDING_STATES[kind.activity_id])}
    status_id, status = statuses.get(outcome or "", (0, "Unknown"))
    told = _frame(entry, kind, max(kind.severity_id, _LEAST.get(outcome or "", 0)))
    told["time"] = _milliseconds(said.get("time")) or told["time"]
    told["metadata"] |= _known(event_code=action, original_time=_text(said.get("time")))
    told["metadata"] |= _known(correlation_uid=_text(_part(said, "request").get("id")))
    told |= {"status_id": status_id, "status": status}
    told |= _known(status_detail=outcome if outcome != "success" else None)
    told |= _members(kind, action, entry, said)
    told["unmapped"] |= {"event": {name: said[name] for name in _UNMAPPED if said.get(name) not in (None, [], {})}}
    return told


def written(event: Mapping[str, Any]) -> str:
    """One line of JSON in ASCII, without its newline."""
    return json.dumps(event, separators=(",", ":"))


def line(entry: Sealed) -> str:
    return written(event(entry))


def _frame(entry: Sealed, kind: EventClass, severity: int) -> dict[str, Any]:
    """The members that every event has."""
    recorded = _milliseconds(entry.recorded_at) or 0
    return {
        "class_uid": kind.uid,
        "class_name": kind.name,
        "category_uid": kind.category_uid,
        "category_name": _CATEGORIES[kind.category_uid],
        "activity_id": kind.activity_id,
        "activity_name": kind.activity,
        "type_uid": kind.uid * 100 + kind.activity_id,
        "type_name": f"{kind.name}: {kind.activity}",
        "severity_id": severity,
        "severity": _SEVERITIES[severity],
        "time": recorded,
        "metadata": {
            "version": VERSION,
            "product": PRODUCT,
            "uid": entry.id,
            "log_name": entry.origin,
            "sequence": entry.seq,
            "logged_time": recorded,
        },
        "unmapped": {
            "ledger": {
                "origin": entry.origin,
                "seq": entry.seq,
                "recorded_at": entry.recorded_at,
                "leaf_hash": entry.hash.hex(),
                "commitment": entry.commitment.hex(),
            }
        },
    }


def _sealed_only(entry: Sealed) -> dict[str, Any]:
    told = _frame(entry, UNREAD, 1)
    told["unmapped"]["content"] = "purged" if entry.content is None else "unreadable"
    return told


def _members(kind: EventClass, action: str, entry: Sealed, said: Mapping[str, Any]) -> dict[str, Any]:
    """The members that this event's class requires."""
    actor, target = _user(said), _part(said, "target")
    what, which = _text(target.get("kind")), _text(target.get("id"))
    if kind.uid == FINDING:
        title = " ".join(filter(None, (_text(_part(said, "detail").get("alert")) or action, which)))
        return {"finding_info": {"uid": entry.id, "title": title}}
    told: dict[str, Any] = {"actor": {"user": actor} if actor else {"app_name": APPLICATION}}
    told["src_endpoint"] = _endpoint(said)
    if kind.uid == 3002:
        told["service"] = {"name": APPLICATION}
        told["user"] = actor or {"uid": which or "unknown"}
    elif kind.uid == 3001:
        told["user"] = {"uid": which or "unknown"}
    elif kind.uid == 3004:
        told["entity"] = {"uid": which or "unknown", **_known(type=what)}
    elif kind.uid == 6005:
        told |= {"type_id": 3, "type": "Table", "table": {"name": what or "unknown", **_known(uid=which)}}
    else:
        told["api"] = {"operation": action, "service": {"name": APPLICATION}}
        if what or which:
            told["resources"] = [{"uid": which or "unknown", **_known(type=what)}]
    return told


def _user(said: Mapping[str, Any]) -> dict[str, Any] | None:
    actor = _part(said, "actor")
    told: dict[str, Any] = _known(uid=_text(actor.get("user")), name=_text(actor.get("name")))
    if not told:
        return None
    if institution := _text(actor.get("institution")):
        told["org"] = {"name": institution}
    roles = (_text(actor.get("role")) or "").split(",")
    groups = [{"name": role} for role in roles if role]
    return {**told, **_known(groups=groups or None)}


def _endpoint(said: Mapping[str, Any]) -> dict[str, str]:
    """The request's source. An event without a request comes from the application itself."""
    address = _text(_part(said, "request").get("address"))
    try:
        return {"ip": str(ipaddress.ip_address(address or ""))}
    except ValueError:
        return {"name": address or APPLICATION}


def _content(content: str | None) -> dict[str, Any] | None:
    try:
        said = json.loads(content or "")
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _milliseconds(moment: Any) -> int | None:
    """Milliseconds since 1970."""
    try:
        when = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return None
    since = when.replace(tzinfo=when.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
