"""Words for the ledger's codes: kinds of records, fields, verdicts, findings, alerts.

Promise: a code without words here is shown as it is, never hidden. Asks the database for institutions' names alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import current_app
from flask_babel import format_timedelta
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.assurance.models import DECISION_REASONS
from itm_admin.foundation import record_ids, vocabulary
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import label
from itm_admin.foundation.i18n import language
from itm_admin.foundation.roles import subject_words
from itm_admin.institutions.names import full_name_by_code
from itm_admin.ledger import two_sides
from itm_admin.record.kind import kinds as record_kinds
from itm_admin.record.words import column_words, value_words

_OTHERS: Mapping[str, Message] = {
    "answer": _l("Answer to a form"),
    "schema": _l("Schema of the database"),
    "ledger": _l("Ledger"),
    "key": _l("Key that signs checkpoints"),
    "entry": _l("Entry of a ledger"),
    "job": _l("Scheduled job"),
    "alert": _l("Alert"),
    "home": _l("Home page"),
    "profile": _l("Own profile"),
}
"""Targets of entries that are no records."""

_SEVERAL: Mapping[str, Message] = {
    "case": _l("Cases"), "person": _l("Persons"), "account": _l("Accounts"), "draft": _l("Drafts"),
    "institution": _l("Institutions"), "unit": _l("Units"), "ledger": _l("Ledgers"), "alert": _l("Alerts"),
    "entry": _l("Entries of ledgers"), "role_grant": _l("Roles of persons"),
}  # fmt: skip
"""The subject of a list or a search that names no single record."""
_LISTED = frozenset({"record.list", "record.search", "record.export"})
LOOKED = (
    "record.read", "record.list", "record.search", "record.reveal", "record.export", "record.print",
    "attachment.download",
)  # fmt: skip
"""The acts that only look. Everything else changes or decides something, and is asked for no reason to look."""

_PAGES: Mapping[str, Message] = {
    "oversightcase": _l("Cases of all institutions"), "oversightinstitution": _l("Institutions"),
    "auditaccount": _l("Accounts and roles"), "institutionhistory": _l("Our access history"),
    "victimprofile": _l("Victim's profile"), "rolegrant": _l("Role of a person"), "grantapproval": _l("Approvals"),
    "accesschange": _l("Waiting for confirmation"), "secondfactor": _l("Second factor"),
    "ledgerdecision": _l("Decisions about ledgers"), "apidescription": _l("Programming interface"),
    "health": _l("Verification"), "language": _l("Language"), "preference": _l("Saved views"),
    "register": _l("Institutions"), "vocabulary": _l("Lists of codes"),
}  # fmt: skip
"""The target of a refusal, or of a page that named nothing else: the gate's own subject."""

Names = Mapping[str, str | None]

SINK_STATES: Mapping[str, tuple[Message, str]] = {
    "current": (_l("Up to date"), "good"), "busy": (_l("Catching up"), "info"),
    "failing": (_l("Fails"), "warn"), "behind": (_l("Too far behind"), "bad"),
}  # fmt: skip

FINDINGS: Mapping[str, Message] = {
    "link": _l("The entry does not name the entry before it."),
    "hash": _l("The entry's hash is not that of its frame: the entry was changed."),
    "time": _l("The entry's time is malformed, or before that of the entry before it."),
    "content": _l("The content is not what was sealed: it was changed afterwards."),
    "event": _l("The event is missing, or belongs to another entry."),
    "column": _l("What the screens would show is not what was sealed."),
    "holder": _l("A change stands in another institution's ledger."),
    "ahead": _l("The entry's time lies in the future: the clock was wrong, or somebody wrote it so."),
    "missing": _l("Entries are missing."),
    "order": _l("The sequence number was there before."),
    "size": _l("The ledger's size and its entries do not agree."),
    "head": _l("The ledger's head is not its last entry."),
    "anchor": _l("The entries are not those that an earlier verification saw: history was written anew."),
    "truncated": _l("Entries that were verified or signed earlier are gone from the end."),
    "signed": _l("The entries are not those that were signed: history was written anew."),
    "signature": _l("A checkpoint does not bear the signature that it should."),
    "contradicted": _l("A witness knows another history of it than the one that was signed."),
    "row": _l("What is recorded of checkpoints or keys is not what their entry says."),
    "unsealed": _l("An event has no place in the ledger."),
    "twice": _l("A row is there more than once, or not for every way to read it: pages may show another one."),
    "way": _l("Something stands between a table of the ledger and those who read it."),
    "ledger": _l("The ledger itself is not there."),
    "origin": _l("The ledger's code and its origin do not agree."),
    "opened": _l("Nothing outside the database says that this ledger was opened so."),
    "closed": _l("The ledger was closed by nobody, or was changed after it was closed."),
    "unread": _l("Reading stopped before the end."),
    "record.changed": _l("A record was changed behind the ledger's back."),
    "record.added": _l("A record is there that the ledger does not know."),
    "record.removed": _l("A record is gone that the ledger knows."),
    two_sides.MISSING: _l("An act of two institutions stands in one of their ledgers alone."),
    two_sides.OTHERWISE: _l("The ledgers of two institutions tell of their act otherwise."),
    "catalogue.changed": _l("The database's own rules are not those that were installed."),
}

REASONS: Mapping[str, Message] = {
    "missing": _l("It was signed before, and the checkpoints kept outside the database are gone."),
    "older": _l("The checkpoint kept outside the database is older than the last one that was signed."),
    "damaged": _l("The checkpoint kept outside the database is damaged."),
    "truncated": _l("The ledger is shorter than when it was signed: entries were cut off, or a backup was restored."),
    "rewritten": _l("The last signed entry is another one now: history was written anew, or a backup was restored."),
    "broken": _l("Its new entries contradict themselves."),
    "gone": _l("It was signed before, and the database does not have it any more."),
    "another": _l("The checkpoints kept outside belong to another database."),
    "unopened": _l("It is a next generation, and nothing outside the database says that two people opened it."),
    "contradicted": _l("A witness knows another history of it than the one that was signed."),
    "closed": _l("It is closed, and nothing outside the database says that two people closed it."),
    **{code: words for code, words in DECISION_REASONS.items() if code != "RETENTION"},
}
"""Reasons why a ledger is not signed, and why a next one was opened."""

VERDICTS: Mapping[str, tuple[Message, str]] = {
    "intact": (_l("Intact"), "good"),
    "tampered": (_l("Tampered with"), "bad"),
    "cannot tell": (_l("Cannot tell"), "warn"),
}
VERDICT_ORDER = {"tampered": 0, "cannot tell": 1, "intact": 2}
ASSURANCES: Mapping[str, Message] = {
    "unsigned": _l("unsigned"),
    "self-attested": _l("self-attested"),
    "witnessed": _l("witnessed"),
}
LEVELS: Mapping[str, Message] = {
    "incremental": _l("New entries"),
    "sample": _l("A random sample of old entries"),
    "full": _l("All entries"),
}
OUTCOMES: Mapping[str, Message] = {
    "success": _l("Successful"), "denied": _l("Refused"), "failure": _l("Failed"),
    "half_way": _l("First step of two"),
}  # fmt: skip


def institution_name(row: Any) -> str:
    """The name of a ledger's institution; empty if the register has none."""
    return str((row.name_tr if language() == "tr" else row.name_en) or "")


def ledger_name(row: Any) -> str:
    """The name of a ledger's institution, with its code; the code alone if the register has no name."""
    name = institution_name(row)
    return f"{name} ({row.code})" if name else str(row.code)


def left_words(seconds: int | None) -> str:
    """A duration in words; empty if it is not known."""
    if seconds is None:
        return ""
    return str(_("About %(time)s left", time=format_timedelta(timedelta(seconds=max(seconds, 1)), threshold=1.5)))


@dataclass(frozen=True)
class Change:
    """One field of a change. A private field is named without its values."""

    field: str
    old: Any
    new: Any
    private: bool
    withheld: bool = False
    """True if this reader may not see the values."""


def kinds() -> dict[str, Message]:
    """Everything that an entry may be about, by its name in the ledger."""
    return {**{name: kind.info.label for name, kind in record_kinds().items()}, **_OTHERS}


def kind_words(kind: str | None) -> str:
    told = kind or ""
    return str(kinds().get(told) or _PAGES.get(told) or subject_words(told) or told)


def action_words(action: str, actor_id: str | None = None) -> str:
    if action == "job.run" and actor_id and record_ids.ID.fullmatch(actor_id):
        return str(_("Verification asked for"))  # of all jobs the one that people can ask for
    return vocabulary.label("audit_event", action)


def purpose_words(purpose: str | None) -> str | None:
    if purpose and purpose in vocabulary.codes("hold_release"):
        return vocabulary.label("hold_release", purpose)
    return label(purpose, "access_purpose") if purpose else None


def why_words(action: str, purpose: str | None) -> str | None:
    """The reason to look. None for a change: its own reason is one of its fields."""
    told = purpose_words(purpose)
    return str(_("no reason was asked for")) if told is None and action in LOOKED else told


def target_words(kind: str | None, name: str | None, action: str | None = None) -> str:
    """A record's kind, with its reference, pseudonym or name if the reader may know it."""
    if kind and not name and action in _LISTED and kind in _SEVERAL:
        return str(_SEVERAL[kind])
    return " ".join(filter(None, (kind_words(kind), name)))


def verdict_words(verdict: str, assurance: str | None = None) -> str:
    """The verdict and the assurance, always together and never mixed."""
    words = str(VERDICTS[verdict][0]) if verdict in VERDICTS else verdict
    if assurance == "witnessed" and witnessed_here():
        here = _("witnessed, on this machine")
        return f"{words} · {here}"
    return f"{words} · {ASSURANCES.get(assurance, assurance)}" if assurance else words


def witnessed_here() -> bool:
    """True if *witnessed* means a witness on the ledger's own machine."""
    return bool(current_app.config.get("ITM_WITNESSED_HERE"))


def verdict_tone(verdict: str) -> str:
    return VERDICTS[verdict][1] if verdict in VERDICTS else "neutral"


_BESIDE: Mapping[str, Message] = {
    "itm.clock": _l("When the clock was last right"),
    "itm.installation": _l("Whether the data is synthetic"),
    "public.alembic_version": _l("Version of the schema"),
    "public.case_counter": _l("Counter of cases"),
    "public.account_address": _l("Who set an account's address"),
    "public.job_run": _l("Runs of scheduled jobs"),
    "public.verification_request": _l("Answer to a verification that somebody asked for"),
}
"""Tables that the ledger does not capture and that are compared with it (itm.beside_the_ledger)."""

_OF_OBJECTS = ("catalogue.changed", "way")
"""Findings about functions, indexes and other objects of the database."""


_SIDES: Mapping[str, Message] = {
    two_sides.MISSING: _l(
        "%(what)s: act %(act)s of both institutions stands in the ledger of %(code)s and is missing in this one."
    ),
    two_sides.OTHERWISE: _l("%(what)s: the ledger of %(code)s tells of act %(act)s otherwise than this one."),
}


def _side_words(finding: Mapping[str, Any]) -> str | None:
    """An act of two institutions, by the ledger that has it (two_sides.py)."""
    words, told = _SIDES.get(str(finding.get("kind"))), str(finding.get("id") or "").split(" ")
    if words is None or len(told) < 2:
        return None
    code = (*told[0].split("/"), "", "", "")[2]
    return str(words) % {"what": kind_words(finding.get("table")), "act": told[1], "code": full_name_by_code(code)}


def finding_words(finding: Mapping[str, Any]) -> str:
    """One finding of a verification, with its entry if it has one.

    An object of the database is told by its own name. A record is told by people's name for it: see tampering.py.
    """
    if side := _side_words(finding):
        return side
    told = str(FINDINGS.get(str(finding.get("kind")), finding.get("detail") or finding.get("kind")))
    if finding.get("table") in _BESIDE:
        told = str(_("%(what)s: the database says otherwise than the ledger.", what=_BESIDE[str(finding["table"])]))
    if finding.get("acknowledged"):
        told = str(_("%(what)s This was known when the ledger was closed.", what=told))
    if finding.get("kind") in _OF_OBJECTS and finding.get("id"):
        told = f"{told} ({' '.join(str(finding[name]) for name in ('table', 'id') if finding.get(name))})"
    seq = finding.get("seq")
    return told if seq is None else str(_("Entry %(seq)s: %(what)s", seq=seq, what=told))


def changes(content: Mapping[str, Any], kind: str | None = None, names: Names | None = None) -> list[Change]:
    """The fields that a change touched, in the event's own order."""
    found = content.get("changes")
    if not isinstance(found, Mapping):
        return []
    return [
        Change(
            column_words(kind, name),
            value_words(kind, name, change.get("old"), names or {}),
            value_words(kind, name, change.get("new"), names or {}),
            bool(change.get("private")),
            bool(change.get("withheld")),
        )
        for name, change in found.items()
        if name != "id"
    ]


def own_reasons(content: Mapping[str, Any], kind: str | None = None) -> list[tuple[str, str]]:
    """Field and words of each reason that was given for a change, as far as the reader may see it."""
    found = content.get("changes")
    given = {
        name: change
        for name, change in (found.items() if isinstance(found, Mapping) else ())
        if name.endswith("_reason") and change.get("new") and not (change.get("private") or change.get("withheld"))
    }
    return [(each.field, str(each.new)) for each in changes({"changes": given}, kind)]
