"""Schemas of what people type into the auditors' forms. Rules between fields and with the ledgers: the services."""

from __future__ import annotations

from contextlib import suppress

from flask_babel import lazy_gettext as _l

from itm_admin.assurance import evidence, labels
from itm_admin.assurance.models import DECISION_REASONS, LedgerDecision
from itm_admin.foundation import dates
from itm_admin.record.checks import ChoiceCheck, CodeCheck, FormCheck, IdCheck, TextCheck
from itm_admin.record.derive import check_of
from itm_admin.record.kind import kind_of
from itm_admin.record.schema import Input

TARGETS = ("case", "person", "case_person", "victim_profile", "account", "institution", "unit")
"""Kinds of records whose entries a bundle may hold alone."""
_BOUND = _l("Write a day (24.11.2026) or an entry's number.")


class ProposalInput(Input):
    """A proposal about a ledger. The segment is asked for where content is to be destroyed."""

    institution = IdCheck(required=True)
    reason = ChoiceCheck(DECISION_REASONS, required=True)
    first_seq = check_of(kind_of(LedgerDecision).field("first_seq"))
    last_seq = check_of(kind_of(LedgerDecision).field("last_seq"))


class VerificationInput(Input):
    level = ChoiceCheck(labels.LEVELS, required=True)
    ledger = IdCheck()


def _bound(text: str) -> str | None:
    """A day in ISO form, however it was typed, or the number of an entry; None for any other text."""
    with suppress(dates.NotADate, ValueError, OverflowError):
        text = dates.read_day(text).isoformat()
        evidence.bound(text, last=True)
        return text
    return text if text.isascii() and text.isdecimal() and len(text) < 16 else None


class EvidenceInput(Input):
    """The part of a ledger that is taken away. The record and the person are named, or their ids are given."""

    since = FormCheck(_bound, _BOUND)
    until = FormCheck(_bound, _BOUND)
    kind = ChoiceCheck(dict.fromkeys(TARGETS, ""), allow_none=True)
    target = TextCheck(most=200)
    actor = TextCheck(most=200)
    purpose = CodeCheck("access_purpose", required=True)
