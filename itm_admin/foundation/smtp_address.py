"""The address of the server that takes our mails, as a setting gives it."""

from __future__ import annotations

from urllib.parse import urlsplit


def address(value: str) -> str:
    """smtp://[user@]host[:port] or smtps://…; ValueError otherwise."""
    parts = urlsplit(value)
    wrong = parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query
    if wrong or parts.password is not None:
        raise ValueError("smtp://user@host:587 or smtps://user@host:465 is expected, the password in its own file")
    _ = parts.port  # ValueError for what is no port
    return value
