"""The reasons of acts on accounts: lists by kind of act, which the database repeats (0015/50).

The transaction names the reason before the act, and the database writes it beside the act. Without one it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext as _l
from sqlalchemy import text

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid, Message

_MISUSE: Message = _l("Somebody else may be using the account")
_ORDER: Message = _l("By a written order")
_LEFT: Message = _l("The person has left the institution")
_MISTAKE: Message = _l("It was done by mistake")
_NAMED: Mapping[str, Message] = {
    "NEW_TASK": _l("A new task of this person"),
    "STANDS_IN": _l("The person stands in for somebody"),
    "WRITTEN_ORDER": _ORDER,
}
REASONS: Mapping[str, Mapping[str, Message]] = {
    "link": {
        "FIRST_SIGN_IN": _l("First sign-in of a new account"),
        "PASSWORD_FORGOTTEN": _l("The password was forgotten"),
        "LINK_EXPIRED": _l("The link of before has expired or was lost"),
        "MISUSE_FEARED": _MISUSE,
        "WRITTEN_ORDER": _ORDER,
    },
    "reset": {
        "PASSWORD_FORGOTTEN": _l("The password was forgotten"), "MISUSE_FEARED": _MISUSE, "WRITTEN_ORDER": _ORDER,
    },
    "factors": {
        "DEVICE_LOST": _l("The device is lost or was stolen"),
        "DEVICE_BROKEN": _l("The device is broken"),
        "DEVICE_REPLACED": _l("The device was replaced or set up anew"),
        "MISUSE_FEARED": _l("Somebody else may be using the second factor"),
    },
    "give": {
        "NEW_COLLEAGUE": _l("A new colleague"),
        "NEW_TASK": _l("A new task of this person"),
        "STANDS_IN": _l("The person stands in for somebody"),
        "WRITTEN_ORDER": _ORDER,
    },
    "end": {
        "TASK_ENDED": _l("The task has ended"),
        "MOVED": _l("The person works elsewhere in the institution"),
        "LEFT": _LEFT,
        "MISTAKE": _MISTAKE,
        "MISUSE_FEARED": _MISUSE,
        "WRITTEN_ORDER": _ORDER,
    },
    "suspend": {
        "LEFT": _LEFT,
        "ON_LEAVE": _l("The person is away for long"),
        "SILENT": _l("The account was not used for long"),
        "MISUSE_FEARED": _MISUSE,
        "WRITTEN_ORDER": _ORDER,
    },
    "primary": _NAMED,
    "deputy": _NAMED,
    "resume": {"BACK_AT_WORK": _l("The person is back at work"), "MISTAKE": _MISTAKE, "WRITTEN_ORDER": _ORDER},
}  # fmt: skip
MACHINES: Mapping[str, Mapping[str, Message]] = {
    "suspend": {"DIRECTORY_CLOSED": _l("The institution's directory has closed the person's account")},
}
"""The reasons of what the machine does, which no person chooses."""
ALL: Mapping[str, Message] = {
    code: label for kinds in (REASONS, MACHINES) for each in kinds.values() for code, label in each.items()
}
_NAME = text("select set_config('itm.why', :reason, true)")


def because(session: AnySession, kind: str, reason: str | None) -> None:
    """Names the reason of the act that comes next. None: the transaction has named one. Raises Invalid for another."""
    if reason is None:
        return
    if reason not in REASONS[kind]:
        raise Invalid({"reason": _l("Choose a reason.")})
    session.execute(_NAME, {"reason": reason})


def label(kind: str, reason: str | None) -> Message | None:
    return {**REASONS.get(kind, {}), **MACHINES.get(kind, {})}.get(reason or "")
