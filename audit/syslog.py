"""Syslog messages of RFC 5424, and the octet-counting frames of RFC 6587 for streams.

Promise: a message is printable ASCII on one line, so that none can be taken for two. Knows no sockets, no entries.
"""

from __future__ import annotations

import re

LOG_AUDIT = 13
"""The facility."""
SEVERITIES = {1: 6, 2: 5, 3: 4, 4: 3}
"""OCSF's severity → syslog's: informational, notice, warning, error."""
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_BROKEN = re.compile(r"[^\x20-\x7e]")


def message(severity: int, time: str, host: str, application: str, name: str, text: str) -> bytes:
    """One message. ``severity`` is syslog's, ``time`` is RFC 3339 in UTC. Raises ValueError for text of two lines.

    No structured data: an SD-ID needs an enterprise number from IANA, and the text is structured already.
    """
    if _BROKEN.search(text):
        raise ValueError("printable ASCII on one line is expected")
    priority = LOG_AUDIT * 8 + severity
    header = f"<{priority}>1 {time} {_word(host, 255)} {_word(application, 48)} - {_word(name, 32)} -"
    return f"{header} {text}".encode("ascii")


def counted(message: bytes) -> bytes:
    """The message with its length before it (RFC 6587, 3.4.1)."""
    return b"%d %b" % (len(message), message)


def _word(text: str, most: int) -> str:
    return _UNPRINTABLE.sub("?", text)[:most] or "-"
