"""Events: JSON content, its salt, and the commitment to both.

The stored characters are hashed as they are; they are read, never written again. Knows no database and no panel.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple


class Columns(NamedTuple):
    """The search columns. Each repeats a member of the content, so each can be derived from it again."""

    id: str | None
    at: str | None
    action: str | None
    outcome: str | None
    via: str | None
    actor_id: str | None
    actor_name: str | None
    actor_institution: str | None
    actor_role: str | None
    target_kind: str | None
    target_id: str | None
    target_holder: str | None
    subjects: tuple[str, ...] | None
    purpose: str | None
    request_id: str | None


def commitment(salt: bytes, content: str) -> bytes:
    """SHA-256(salt ‖ content in UTF-8): 32 bytes that reveal nothing once the salt is destroyed."""
    return hashlib.sha256(salt + content.encode("utf-8")).digest()


def derived(content: str) -> Columns:
    """Derives the search columns of this content. Raises ValueError if it is not an event."""
    try:
        said = json.loads(content)
        actor = said["actor"]
        target = said["target"] or {}
        return Columns(
            said["id"],
            said["time"],
            said["action"],
            said["outcome"],
            said["via"],
            actor["user"],
            actor["name"],
            actor["institution"],
            actor["role"],
            target.get("kind"),
            target.get("id"),
            target.get("institution"),
            tuple(said["subjects"]),
            said["purpose"],
            said["request"]["id"],
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an event: {error!r}") from error


def differences(stored: Columns, content: Columns) -> list[str]:
    """The names of the columns that differ from the sealed content."""
    pairs: zip[Any] = zip(Columns._fields, stored, content, strict=True)
    return [name for name, shown, sealed in pairs if shown != sealed]
