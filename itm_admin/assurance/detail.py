"""An entry's facts beside its changes, in words: pages, forms, reasons, counts; ids and digests apart.

Promise: a code without words here is technical, and never appears in the text for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.assurance import labels
from itm_admin.assurance.alert_words import alert_words
from itm_admin.assurance.labels import Names
from itm_admin.foundation import record_ids, synthetic, vocabulary
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import day, moment
from itm_admin.institutions.names import full_name_by_code

_DETAILS: Mapping[str, Message] = {
    "origin": _l("Ledger"), "first": _l("First entry"), "last": _l("Last entry"), "hashes": _l("Hashes of the entries"),
    "removed": _l("Events destroyed"), "baselines": _l("Records said anew"),
    "page": _l("Page"), "act": _l("Permission"), "action": _l("What"), "rows": _l("Rows"), "format": _l("Format"),
    "entries": _l("Entries"), "searched": _l("Digest of the search"), "ledger": _l("Ledger"), "seq": _l("Number"),
    "request": _l("Request"), "from": _l("From"), "to": _l("Until"), "actor": _l("Who"), "kind": _l("Kind of record"),
    "target": _l("Number of the record"), "outcome": _l("Outcome"), "level": _l("What is read"),
    "ledgers": _l("Ledgers"), "intact": _l("Intact"), "tampered": _l("Tampered with"),
    "cannot_tell": _l("Cannot tell"), "seconds": _l("Seconds"), "since": _l("Since"), "runs": _l("Runs"),
    "due_at": _l("Due"), "note": _l("Note"), "alert": _l("Alert"), "job": _l("Scheduled job"),
    "first_broken": _l("First broken entry"), "findings": _l("Number of findings"), "finding": _l("First finding"),
    "verdict": _l("Verdict"),
    "schema": _l("Version of the schema"),
    "apart": _l("Entries between them with another time"),
    "asked": _l("Asked for by a person"), "subject": _l("On what"),
    "checkpoints": _l("Signed: ledger and number of entries"), "key": _l("Key"), "statement": _l("What is said"),
    "sizes": _l("Up to entry"), "reason": _l("Why"), "held": _l("Entries that were signed"),
    "size": _l("Entries now"), "witness": _l("Witness"), "answer": _l("Result"),
    "waiting": _l("Entries waiting"), "minutes": _l("Minutes"), "resolved": _l("Over without anybody's doing"),
    "table": _l("Table"), "object": _l("What is concerned"), "named": _l("Digest of what is concerned"),
    "object_finding": _l("What is wrong with it"),
    "previous": _l("Ledger before it"), "root": _l("Root of its trusted entries"),
    "closed_size": _l("Its entries when it was closed"), "closed_head": _l("Its last entry's hash"),
    "decision": _l("Decision"), "proposed_by": _l("Proposed by"), "decided_by": _l("Decided by"),
    "acknowledged": _l("Tampered with, as people know"),
    "records": _l("Records compared"), "ground": _l("Legal ground"),
    "disclosure_ground": _l("Legal ground without consent"), "shredded": _l("Narratives shredded"),
    "row": _l("Alert"), "row_digest": _l("Digest of the row"),
    "renewed": _l("Told again with what is known now"),
    "reviewed": _l("Narratives reviewed"), "replayed": _l("Repeated after a restore"), "repeated": _l("Erased again"),
    "factor": _l("Second factor"), "provider": _l("Provider of sign-in"), "while": _l("When"),
    "tries": _l("Attempts"), "unusual": _l("Unusual"), "device": _l("Device"),
    "people": _l("Accounts compared"), "suspended": _l("Accounts suspended"),
    "kept": _l("Sessions ended, accounts kept"),
    "open": _l("Begun and not carried out"), "unlisted": _l("Erased but on no list"),
}  # fmt: skip

_TECHNICAL = frozenset(
    {
        "origin", "hashes", "searched", "named", "key", "object", "table", "root", "closed_head", "previous", "request",
        "note", "job", "row", "row_digest", "removed_hashes", "decision", "ledger_id",
    }
)  # fmt: skip
"""Ids, digests, keys and programs' sentences."""
_ANSWERS: Mapping[str, Message] = {
    "goes on": _l("The signed hashes go on from the receipt; only they were compared"),
    "rewritten": _l("History was rewritten since the receipt"),
    "restored": _l("The ledger is shorter than the receipt"),
    "distrusted": _l("The receipt's key is not trusted"),
}
_PAGE_NAMES: Mapping[str, Message] = {
    "home": _l("Home page"), "history": _l("Access history"), "edit": _l("Form to edit"),
    "reveal": _l("Form to reveal"),
    "delete": _l("Form to delete"), "find": _l("The header's box"), "choices": _l("Choices of a form"),
    "oversight": _l("Cases of all institutions"), "together": _l("Several at once"), "erase": _l("Form to erase"),
    "profile": _l("Own profile"), "profile.edit": _l("Own profile"), "grant": _l("Form to give a role"),
    "factors": _l("Lost second factors"), "suspend": _l("Suspend the account"), "resume": _l("Reactivate the account"),
    "link": _l("Make a one-time link"), "end": _l("End a role"), "reset": _l("Ask for the end of the password"),
    "focal": _l("Name as focal point"), "focal_points": _l("Focal points of the institutions"),
    "verification": _l("Verification"), "evidence": _l("Evidence"), "root": _l("Signed ledger summary on paper"),
    "api_key": _l("Form to make an API key"),
    "own": _l("What I did"), "check": _l("Check and open"), "looks": _l("Who looked?"), "acts": _l("What somebody did"),
}  # fmt: skip
_ACTS: Mapping[str, Message] = {
    "list": _l("List"), "show": _l("Look"), "get": _l("Look"), "add": _l("Add"), "edit": _l("Change"),
    "delete": _l("Delete"), "restore": _l("Restore"), "close": _l("Close"), "export": _l("Export"),
    "assign": _l("Assign"), "reveal": _l("Reveal"), "history": _l("Access history"), "search": _l("Search"),
    "index": _l("List"), "lower": _l("Lower the confidentiality"),
    "hold": _l("Legal hold"), "erase": _l("Erase"), "suspend": _l("Suspend"), "invite": _l("Invite"),
    "approve": _l("Approve"), "end": _l("End"), "verify": _l("Verify"), "acknowledge": _l("Deal with it"),
}  # fmt: skip
_STATEMENTS: Mapping[str, Message] = {
    "named": _l("Signs from now on"),
    "retired": _l("Signs no more: another key took its place"),
    "compromised": _l("Is not trusted any more"),
}
_SIGN_INS: Mapping[str, Message] = {
    "unknown_name": _l("No account has this user name"), "wrong_password": _l("Wrong password"),
    "no_password": _l("The account has no password yet"), "locked": _l("Locked after wrong passwords"),
    "unconfirmed": _l("Waits for a second person's confirmation"),
    "inactive": _l("The account is suspended"), "institution_suspended": _l("The institution is suspended"),
    "no_role": _l("The account has no role in force"),
    "reset_pending": _l("A new password is set with the link"), "too_many_tries": _l("Too many attempts"),
    "not_confirmed": _l("Waits for a second person's confirmation"),
    "signed_in": _l("While signed in"),
    "factor_missing": _l("Proved; the second factor was asked for"), "wrong_code": _l("Wrong code"),
    "used_code": _l("A code that was used before"), "delayed_code": _l("Too many wrong codes"),
    "wrong_passkey": _l("The passkey proved nothing"),
    "directory_refused": _l("The institution's directory took no such user name and password"),
    "directory_unknown": _l("The institution's directory has no such user name"),
    "directory_several": _l("The institution's directory has this user name more than once"),
    "directory_locked": _l("Locked in the institution's directory after wrong passwords"),
    "directory_hours": _l("Not allowed by the institution's directory at this hour or from here"),
    "directory_disabled": _l("The account is closed in the institution's directory"),
    "directory_expired": _l("The account has expired in the institution's directory"),
    "directory_gone": _l("The institution's directory knows this person no more"),
    "directory_down": _l("The institution's directory did not answer"),
    "password_expired": _l("The password has expired in the institution's directory"),
    "password_must_change": _l("The institution's directory asks for a new password first"),
    "unknown_identity": _l("A provider's person with whom no account is linked"),
    "former_identity": _l("A provider's person whose link has ended"),
    "no_identity": _l("The account is linked with no provider"),
    "provider_only": _l("The institution signs its people in through its provider alone"),
    "provider_state": _l("An answer of a provider that this browser has not asked for"),
    "provider_issuer": _l("An answer of another issuer"), "provider_denied": _l("The provider refused the sign-in"),
    "provider_code": _l("The provider refused the code"),
    "provider_token": _l("A provider's token that proves nothing"),
    "provider_factor": _l("The provider showed no fresh second factor"),
    "wrong_key": _l("No API key has this secret"), "key_ended": _l("The API key was ended"),
    "key_expired": _l("The API key has expired"), "key_replaced": _l("A former secret of the API key"),
    "key_person": _l("The person responsible for the API key cannot work"),
    "key_address": _l("The API key does not work from this address"),
}  # fmt: skip
_FACTORS: Mapping[str, Message] = {
    "totp": _l("Authenticator app"), "passkey": _l("Passkey"), "recovery": _l("Recovery code"),
    "provider": _l("Shown at the provider of sign-in"),
}  # fmt: skip
_UNUSUAL: Mapping[str, Message] = {
    "device": _l("a new device"), "network": _l("a new network"),
    "hour": _l("an hour in which your institution hardly works"),
}  # fmt: skip
_FORMS: Mapping[str, Message] = {
    "bundle": _l("Evidence bundle"), "proof": _l("Proof of one entry"), "receipt": _l("Receipt"),
    "verifier.html": _l("Verifier as a page (HTML)"), "verifier.pyz": _l("Verifier as a program (.pyz)"),
    "csv": _l("CSV"), "xlsx": _l("XLSX"),
}  # fmt: skip
_CODED: Mapping[str, str] = {
    "action": "audit_event", "purpose": "access_purpose", "ground": "erasure_ground",
    "disclosure_ground": "disclosure_ground",
}  # fmt: skip
_WORDS: Mapping[str, Mapping[str, Message]] = {
    "level": labels.LEVELS, "page": _PAGE_NAMES, "act": _ACTS, "finding": labels.FINDINGS,
    "object_finding": labels.FINDINGS,
    "outcome": labels.OUTCOMES, "reason": {**labels.REASONS, **_SIGN_INS}, "statement": _STATEMENTS,
    "answer": _ANSWERS, "device": {"forgotten": _l("Forgotten")}, "form": _FORMS, "format": _FORMS, "while": _SIGN_INS,
    "factor": _FACTORS,
    "verdict": {code: words for code, (words, _tone) in labels.VERDICTS.items()},
}  # fmt: skip
_ORIGIN = re.compile(r"[a-z0-9.-]+/ledger/(?P<code>[\w.-]+)/(?P<generation>\d+)")
_CODE = re.compile(r"[a-z]+(?:[._-][a-z]+)*|[A-Z]+(?:_[A-Z]+)+")
_TIMES = frozenset({"since", "due_at", "from", "to"})


def words(content: Mapping[str, Any], names: Names | None = None) -> list[tuple[str, str]]:
    """Name and value of the facts for people."""
    found = _detail(content)
    told = [(name, _value(name, value, found, names or {})) for name, value in found.items()]
    return [*((str(_DETAILS[name]), words) for name, words in told if words), *story_words(content)]


def story_words(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The time in the demonstration's story; the entry's own time stays the true one."""
    request = content.get("request")
    when = synthetic.story_time(request.get("route")) if isinstance(request, Mapping) else None
    return [(_("Synthetic: time in the story"), moment(when))] if when else []


def technical(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of the other facts, as sealed."""
    found = _detail(content)
    return [
        (str(_DETAILS.get(name, name)), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in found.items()
        if not _value(name, value, found, {}) or name in ("checkpoints", "sizes", "target", "actor", "ledger")
    ]


def _detail(content: Mapping[str, Any]) -> Mapping[str, Any]:
    found = content.get("detail")
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if value is not None}


def _value(name: str, value: Any, found: Mapping[str, Any], names: Names) -> str:
    """A value in words; empty if it is technical or has no words here."""
    if name in _TECHNICAL and not (name == "note" and isinstance(value, str) and names.get(value)):
        return ""
    if name not in _DETAILS:
        return ""
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if name in ("checkpoints", "sizes"):
        return _sizes(value)
    if not isinstance(value, str):
        return str(value) if isinstance(value, int | float) else ""
    return _text(name, value, found, names)


def _text(name: str, value: str, found: Mapping[str, Any], names: Names) -> str:
    if name in _CODED:
        return vocabulary.label(_CODED[name], value) if value in vocabulary.codes(_CODED[name]) else ""
    if name == "alert":
        return alert_words(value, str(found.get("subject") or found.get("account") or "–"), None)
    if name == "kind":
        return str(labels.kinds().get(value, ""))
    if name == "unusual":
        return ", ".join(str(_UNUSUAL[code]) for code in value.split(",") if code in _UNUSUAL)
    if name in _WORDS:
        return str(_WORDS[name].get(value, ""))
    kind, _colon, id = value.rpartition(":")
    if record_ids.ID.fullmatch(id):
        return labels.target_words(kind or None, names.get(id) or _("a record without a name here"))
    if name in _TIMES:
        return _time(value)
    if name in ("subject", "ledger"):
        value = full_name_by_code(value)
    return "" if _CODE.fullmatch(value) and name != "witness" else value


def _time(value: str) -> str:
    try:
        return moment(datetime.fromisoformat(value)) if "T" in value else day(date.fromisoformat(value))
    except ValueError:
        return value


def _sizes(value: Any) -> str:
    """Ledgers by their institution, with their number of entries."""
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, list):
        pairs = [(each.get("origin"), each.get("size")) for each in value if isinstance(each, Mapping)]
    return ", ".join(f"{_ledger(str(origin))}: {size}" for origin, size in pairs)


def _ledger(origin: str) -> str:
    found = _ORIGIN.fullmatch(origin)
    return full_name_by_code(found["code"]) if found else _("a record without a name here")
