"""Generations in the database, compared with the folder outside and with their neighbours.

Promise: finds a closed ledger that changed afterwards, and a generation that nobody opened.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection

from audit.checkpoint_comparison import Evidence
from audit.generation import Closure, generation_of
from audit.store.snapshot import Ledger
from audit.verification import Finding, Verdict

_FIRST = """
SELECT e.content FROM ONLY audit.leaf f JOIN ONLY audit.event e ON e.id = f.event_id
WHERE f.ledger_id = :id AND f.seq = 0 AND e.action = 'ledger.open' AND e.via = 'append'
"""
_NEXT = """
SELECT e.content FROM ONLY audit.ledger l JOIN ONLY audit.leaf f ON f.ledger_id = l.id AND f.seq = 0
JOIN ONLY audit.event e ON e.id = f.event_id AND e.action = 'ledger.open'
WHERE l.origin = :origin
"""


def contradictions(connection: Connection, ledger: Ledger, evidence: Evidence) -> Iterator[Finding]:
    """Yields nothing if the folder cannot be read: that is reported elsewhere."""
    if ledger.lost or evidence.failure or evidence.outside is None or evidence.outside.deployment() is None:
        return
    if generation_of(ledger.origin) > 1:
        opening = evidence.closures.opening(ledger.origin)
        if opening is None:
            yield Finding(0, "opened", "nothing outside says that this generation was opened")
        elif not _agrees(_detail(connection, _FIRST, {"id": ledger.id}), opening):
            yield Finding(0, "opened", "its first entry is not what is held outside of its opening")
    if ledger.closed:
        closing = evidence.closures.closing(ledger.origin)
        if closing is None:
            yield Finding(None, "closed", "nothing outside says that this ledger was closed", id=ledger.origin)
            return
        told = _detail(connection, _NEXT, {"origin": closing.opens})
        if (told.get("closed_size"), told.get("closed_head")) != (ledger.size, b64encode(ledger.head).decode()):
            yield Finding(None, "closed", "it is not as it was when it was closed", id=ledger.origin)


def known(ledger: Ledger, verdict: Verdict, evidence: Evidence | None) -> tuple[Verdict, bool]:
    """Marks the findings that people knew when they closed the ledger; of a ledger lost before, all findings."""
    if evidence is None or verdict.verdict == "cannot tell":
        return verdict, False
    if ledger.lost and ledger.origin in evidence.closures.gone:
        return replace(verdict, findings=tuple(replace(each, acknowledged=True) for each in verdict.findings)), True
    closing = evidence.closures.closing(ledger.origin) if ledger.closed else None
    return (closing.knows(verdict), closing.allows(verdict)) if closing else (verdict, False)


def opening(connection: Connection, ledger: uuid.UUID) -> dict[str, Any]:
    """The opening in a generation's first entry; empty if it has none."""
    return _detail(connection, _FIRST, {"id": ledger})


def _agrees(told: dict[str, Any], opening: Closure) -> bool:
    said = (opening.closes, opening.size, b64encode(opening.root).decode(), opening.reason, opening.decision)
    return tuple(told.get(name) for name in ("previous", "size", "root", "reason", "decision")) == said


def _detail(connection: Connection, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    content = connection.execute(text(statement), values).scalar()
    try:
        found = json.loads(content or "{}")["detail"]
    except (ValueError, TypeError, KeyError):
        return {}
    return found if isinstance(found, dict) else {}
