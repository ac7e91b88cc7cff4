"""What is typed into the header's box: a reference or a pseudonym, nothing else.

The box is posted, so that a name that is typed there all the same stands in no address and no log; it is looked
for nowhere.
"""

from __future__ import annotations

import re

_LIKE_ONE = re.compile(r"[A-Z0-9_]+(?:-[A-Z0-9_]+)*")
_PSEUDONYM = re.compile(r"[A-Z0-9_]+-[A-Z]-[A-Z0-9]{5,}")
LONGEST = 40


def reference_in(typed: str | None) -> str | None:
    """A reference or pseudonym as it is stored, or a part of one; None for anything else, so for every name."""
    text = "".join((typed or "").split()).replace("ı", "I").replace("İ", "I").upper()
    if len(text) > LONGEST or not _LIKE_ONE.fullmatch(text):
        return None
    return text if re.search(r"[0-9]", text) or _PSEUDONYM.fullmatch(text) else None
