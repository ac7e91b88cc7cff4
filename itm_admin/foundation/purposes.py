"""Purposes of reads of protected data, as data: the purposes for each act and role.

A reveal shows one person's identity: statistics are counted and never revealed, and an audit reads the ledger. The
database has the reveals' half as well (`itm.reveals_for`; a test compares).
"""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext as _l

from itm_admin.foundation import vocabulary
from itm_admin.foundation.errors import Invalid

LIST = "access_purpose"
MANAGERS_ALONE = frozenset({"SUPERVISION"})
IN_WORDS = frozenset({"EMERGENCY", "COURT"})
"""These need a reason in words, which managers and auditors read."""
MOST_WORDS = 1000
BY_ACT: Mapping[str, frozenset[str]] = {
    "reveal": frozenset(
        {"CASE_WORK", "REFERRAL", "IDENTIFICATION", "SUPERVISION", "EMERGENCY", "COURT", "DATA_SUBJECT"}
    ),
    "export": frozenset({"CASE_WORK", "REFERRAL", "STATISTICS", "SUPERVISION", "COURT", "DATA_SUBJECT"}),
}


def offered(act: str, roles: frozenset[str]) -> tuple[str, ...]:
    """The purposes that these roles may name for an act, in the list's order."""
    manages = "institution_manager" in roles
    return tuple(
        code for code in vocabulary.codes(LIST) if code in BY_ACT[act] and (manages or code not in MANAGERS_ALONE)
    )


def check(act: str, roles: frozenset[str], purpose: str | None, words: str | None = None) -> str:
    """The purpose. Raises Invalid if it is not allowed for this act and role, or lacks the words that it needs."""
    code = vocabulary.check(LIST, purpose, "purpose")
    if code not in offered(act, roles):
        raise Invalid({"purpose": _l("This purpose is not one for this act.")})
    if act == "reveal" and code in IN_WORDS and not (words or "").strip():
        raise Invalid({"words": _l("Say in a sentence why this is necessary.")})
    return code
