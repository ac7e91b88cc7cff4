"""Translates database errors into domain errors. No message of the database is passed on.

PostgreSQL's codes: appendix A of its manual. An error from the ledger's own functions always means that the ledger
failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm.exc import StaleDataError

from itm_admin.foundation.errors import (
    Conflict,
    Denied,
    DomainError,
    Invalid,
    LedgerUnavailable,
    Locked,
    Message,
    NotFound,
    Unavailable,
    Uncertain,
)

_TAKEN: Mapping[str, tuple[str, Message]] = {
    "account_username_key": ("username", _l("This user name is taken.")),
    "account_username_once": ("username", _l("This user name is taken.")),
    "account_email_per_institution": ("email", _l("Another account of the institution has this e-mail address.")),
    "account_email_once": ("email", _l("Another account of the institution has this e-mail address.")),
    "institution_name_tr_once": ("name_tr", _l("There is an institution of this name already.")),
    "institution_name_en_once": ("name_en", _l("There is an institution of this name already.")),
    "institution_code_key": ("code", _l("This code is taken.")),
    "unit_name_per_parent": ("name", _l("There is a unit of this name already.")),
    "role_grant_once": ("role", _l("This person holds this role already.")),
    "case_person_once": ("person", _l("This person is in the case in this role already.")),
    "case_assignment_once": ("account", _l("This person is assigned to the case already.")),
    "grant_approval_once": ("", _l("You have approved this already.")),
    "access_change_waits_once": ("", _l("This waits for another person's confirmation already.")),
}
HELD = _l("A legal hold keeps what is stored here: it is neither removed nor replaced. An empty field can be filled.")
CLOSED = _l("This case is closed. Reopen it first.")
_LOCKED: Mapping[str, Message] = {
    "legal_hold": HELD,
    "closed_case": CLOSED,
    "other_suspended": _l("The other institution takes no part in the coordination now."),
    "side_deleted": _l("One of the two institutions has deleted its side of this record."),
    "person_is_erased": _l("This person was erased. What was stored cannot be brought back."),
    "person_is_held": _l("A legal hold keeps this person. Nothing may be erased."),
    "key_over": _l("This key has ended. Ask your manager for another one."),
    "key_overlaps": _l("The former secret still works. End it with this one, or wait until it has ended."),
    "narrative_is_held": _l("A legal hold keeps another person of this case. Its narrative may not be shredded."),
    "nothing_is_shown": _l("This case holds no narrative. There is nothing to show."),
}
"""Rules that name themselves as a constraint, for what is locked."""
_WORDS: Mapping[str, Message] = {
    "a closed case is reopened first": CLOSED,
    "a person of closed cases is locked": _l("All cases of this person are closed. Reopen one first."),
    "an erased person stays": _LOCKED["person_is_erased"],
    "the person was erased": _LOCKED["person_is_erased"],
}
"""Older rules of that kind, which have their words alone."""
_ENDED_IN_ORDER = "57P01"  # admin_shutdown: said before the transaction was rolled back
_LEDGER_WORDS = ("audit.", "schema audit", "function append", "function write")


def domain_error(fault: SQLAlchemyError, committing: bool = False) -> DomainError:
    """The domain error for a failed statement, or a failed commit."""
    if isinstance(fault, StaleDataError):
        return Conflict()
    if not isinstance(fault, DBAPIError):
        return Unavailable()
    code = getattr(fault.orig, "sqlstate", None) or ""
    if committing and fault.connection_invalidated and code != _ENDED_IN_ORDER:
        return Uncertain()  # the server may have committed and died before it could answer
    if _of_the_ledger(fault):
        return LedgerUnavailable()
    if code == "42501":
        return NotFound() if "row-level security" in str(fault.orig) else Denied()
    if code == "23505":
        field, message = _TAKEN.get(_constraint(fault), ("", _l("This value is taken.")))
        return Invalid({field: message})
    if code == "23001" and _constraint(fault) in _LOCKED:
        return Locked(_LOCKED[_constraint(fault)])
    if code == "23001":
        for words, told in _WORDS.items():
            if words in str(fault.orig):
                return Locked(told)
        return Denied(_l("The rules do not allow this."))
    if code.startswith(("22", "23")):
        return Invalid()
    if code.startswith("40"):
        return Conflict()
    return Unavailable()


def _of_the_ledger(fault: DBAPIError) -> bool:
    diagnosis = getattr(fault.orig, "diag", None)
    told = " ".join(filter(None, (getattr(diagnosis, "context", None), str(fault.orig)))) if diagnosis else ""
    code = getattr(fault.orig, "sqlstate", None) or ""
    return any(word in told for word in _LEDGER_WORDS) and not code.startswith(("23", "22"))


def _constraint(fault: DBAPIError) -> str:
    return str(getattr(getattr(fault.orig, "diag", None), "constraint_name", "") or "")
