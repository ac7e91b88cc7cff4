"""Problem documents: errors as JSON for programs (RFC 9457).

Promise: the members are for machines and people alike, and hold no protected value. Knows no page.
"""

from __future__ import annotations

from typing import Any

from flask import g

from itm_admin.foundation.errors import Conflict, DomainError, Invalid, Locked, Message


def problem_document(status: int, title: Message, advice: Message, error: DomainError | None) -> dict[str, Any]:
    """The document. ``title`` and ``advice`` are the page's own words for the status."""
    document: dict[str, Any] = {
        "type": error.problem_type if error else "about:blank",
        "title": str(title),
        "status": status,
        "detail": str(error) if error else str(advice),
        "code": error.code if error else "error",
        "request_id": g.get("request_id"),
    }
    if isinstance(error, Invalid | Locked) and error.fields:
        document["fields"] = {name: str(message) for name, message in error.fields.items()}
    if isinstance(error, Conflict) and error.current_version is not None:
        document["current_version"] = error.current_version
    return document
