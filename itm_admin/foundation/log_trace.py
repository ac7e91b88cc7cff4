"""The part of a fault that a log may hold: its kind and the places that it came through.

Never its text: the message of an exception may hold people's input, or a person's data.
"""

from __future__ import annotations

import traceback

_MOST = 12


def trace(fault: BaseException) -> str:
    """One line, the innermost place first; a database error by the driver's name for it."""
    places = [
        f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)
    ]
    kind = type(getattr(fault, "orig", None) or fault).__qualname__
    return f"{kind} at {' < '.join(reversed(places[-_MOST:]))}"
