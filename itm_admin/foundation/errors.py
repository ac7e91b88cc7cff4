"""Domain errors.

Services raise these; one place in the panel turns them into a page or a JSON problem. Messages may be lazy translations
(anything with ``str``). They must never know HTTP, and never carry a protected value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flask_babel import lazy_gettext as _


class Message(Protocol):
    """A text, or a translation that becomes one when it is shown."""

    def __str__(self) -> str: ...


REQUIRED = _("This field is required.")


class DomainError(Exception):
    """The base: an error with a message for people. ``code`` is stable, for machines."""

    code = "error"
    problem_type = "about:blank"
    """The type of its problem document (RFC 9457)."""
    default: Message = _("The request could not be carried out.")
    looks: Sequence[Any] = ()
    """Entries for records that the refusal itself shows (`audited_reads.Look`): committed before it is sent."""

    def __init__(self, message: Message | None = None) -> None:
        super().__init__()
        self.message: Message = self.default if message is None else message

    def __str__(self) -> str:
        return str(self.message)


class NotFound(DomainError):
    """The record does not exist, or not for this person: the two are never told apart."""

    code = "not_found"
    default = _("This record was not found.")


class Unauthenticated(DomainError):
    """Nobody is signed in, or not any more."""

    code = "unauthenticated"
    default = _("Please sign in first.")


class Denied(DomainError):
    """The person may not do this."""

    code = "denied"
    default = _("You are not permitted to do this.")


class FactorTooOld(Denied):
    """The act takes a second factor of the last minutes."""

    code = "factor_too_old"
    problem_type = "urn:itm:problem:factor-too-old"
    default = _("This takes a second factor of the last five minutes. Sign in again with a code, then repeat it.")


class KeyTakesNoFactor(FactorTooOld):
    """As `FactorTooOld`, of a program: a key shows no second factor."""

    code = "key_factor"
    default = _("This takes a person with a fresh second factor: an API key cannot do it.")


class KeyTooNarrow(Denied):
    """The API key does not include this act, though its responsible person may do it."""

    code = "key_scope"
    default = _("This API key does not include this. A key is made for named acts on named records.")


class KeyOnlyForInterface(Denied):
    """An API key was sent to a page, or to the operations that sign people in and out."""

    code = "key_only_for_interface"
    default = _("An API key opens the programming interface alone: no page, and no session of a person.")


class Invalid(DomainError):
    """Input that cannot be accepted. ``fields`` maps a field's name to its message ('' = the whole form)."""

    code = "invalid"
    default = _("Some fields are not correct.")

    def __init__(self, fields: Mapping[str, Message] | None = None, message: Message | None = None) -> None:
        self.fields: dict[str, Message] = dict(fields or {})
        if message is None and len(self.fields) == 1:
            message = next(iter(self.fields.values()))
        super().__init__(message)


class KeyAndSession(Invalid):
    """An API key came together with a session's cookie: it is not clear who is at work."""

    code = "key_and_session"
    default = _("Send an API key or the cookie of a session, not both.")


class Conflict(DomainError):
    """Somebody else saved first. ``current``: the parts of the newer version that the page may show."""

    code = "conflict"
    default = _("Somebody else has changed this record in the meantime.")

    def __init__(
        self,
        current_version: int | None = None,
        current: Mapping[str, Any] | None = None,
        message: Message | None = None,
    ) -> None:
        super().__init__(message)
        self.current_version = current_version
        self.current: dict[str, Any] = dict(current or {})


class VersionMissing(DomainError):
    """The change does not name the record's version that it is based on."""

    code = "version_missing"
    default = _("Name the version that you change: row_version, or the header If-Match.")


class LedgerUnavailable(DomainError):
    """The ledger cannot be written, so nothing is shown and nothing is stored."""

    code = "ledger_unavailable"
    default = _("The audit ledger cannot be written at the moment. Nothing was stored and no data is shown.")


class Unavailable(DomainError):
    """The database does not answer, or not in time. Nothing was stored."""

    code = "unavailable"
    default = _("The database does not answer at the moment. Nothing was stored. Please try again shortly.")


class Uncertain(Unavailable):
    """The database was lost during a commit: the change may be stored or not."""

    code = "uncertain"
    default = _(
        "The connection to the database was lost while your change was being stored: it may be stored or not. "
        "Look for it before you repeat it."
    )


class Locked(DomainError):
    """The record, or what stands in some of its ``fields``, is not open for this change."""

    code = "locked"
    default = _("This is locked at the moment.")

    def __init__(self, message: Message | None = None, fields: Mapping[str, Message] | None = None) -> None:
        self.fields: dict[str, Message] = dict(fields or {})
        if message is None and fields:
            message = next(iter(self.fields.values()))
        super().__init__(message)


class Erased(Locked):
    """The record's protected values are destroyed: it is never open again."""

    default = _("This person was erased. What was stored cannot be brought back.")
    title = _("Erased")
    advice = _("The pseudonym and what names nobody remain. The person's page shows them.")


class TooMany(DomainError):
    """Too many attempts in too short a time."""

    code = "too_many"
    default = _("Too many attempts. Wait a while, then try again.")

    def __init__(self, message: Message | None = None, *, retry_after: int | None = None) -> None:
        if message is None and retry_after is not None:
            minutes = -(-retry_after // 60)
            message = _(
                "You have done this very often within an hour. You can go on in %(minutes)s minutes.", minutes=minutes
            )
        super().__init__(message)
        self.retry_after = retry_after


class CannotDecrypt(DomainError):
    """A stored value does not open at its place: wrong key, moved or altered.

    ``place``: institution, table, row, column as far as known; it holds no value and no key.
    """

    code = "cannot_decrypt"
    default = _("A protected value could not be opened.")

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def __repr__(self) -> str:
        return f"CannotDecrypt(place={self.place!r})"
