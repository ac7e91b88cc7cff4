"""Forms: what people see and type. What is allowed is decided by the schemas, which the API shares.

A form keeps everything typed when it is refused. It never holds a stored protected value: such a field is
empty on an edit form, and empty means "keep what is stored".
"""

from __future__ import annotations

import uuid
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, ClassVar, Literal, TypeVar

from flask import flash, g, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from wtforms import BooleanField, Field, HiddenField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.widgets import CheckboxInput, ListWidget

from itm_admin.foundation import dates, vocabulary
from itm_admin.foundation.audited_reads import queue
from itm_admin.foundation.error_pages import failed
from itm_admin.foundation.errors import REQUIRED, Conflict, Invalid, Locked, Message
from itm_admin.foundation.once import unless_repeated
from itm_admin.foundation.transaction import writing

Done = TypeVar("Done")


class DayField(StringField):
    """A date as people type it (dates.py); ISO text in the payload, or what was typed, for the schema to refuse."""

    example = dates.EXAMPLE

    def payload(self) -> str | None:
        text = (self.data or "").strip()
        try:
            return dates.read_day(text).isoformat() if text else None
        except dates.NotADate:
            return text

    def process_data(self, value: Any) -> None:
        super().process_data(value.strftime("%d.%m.%Y") if isinstance(value, date) else value)


class BirthField(StringField):
    """A birth date as far as it is known (dates.py); ISO text in the payload, as `DayField`. Never shown."""

    example = dates.BIRTH_EXAMPLE

    def payload(self) -> str | None:
        text = (self.data or "").strip()
        try:
            return dates.read_birth(text) if text else None
        except dates.NotADate:
            return text


FREQUENT: Mapping[str, tuple[str, ...]] = {
    "citizenship": ("TR", "SY", "AF", "UZ", "TM", "KG", "UA", "MA", "ID", "IQ", "IR", "MD", "GE", "AZ", "RU"),
    "language": ("tr", "ar", "fa", "uz", "tk", "ky", "uk", "ru", "en", "fr", "id", "ku"),
}
"""Of lists too long to be read: what is asked for most here stands on top, after what is chosen."""


def _with(list_name: str, chosen: Iterable[Any]) -> list[tuple[str, str]]:
    """The list's codes. A stored one that it no longer has stays a choice, so that saving changes nothing."""
    offered = vocabulary.choices(list_name)
    held = [code for code in chosen if isinstance(code, str) and code]
    known = {code for code, _label in offered}
    offered += [(code, code) for code in held if code not in known]
    first = FREQUENT.get(list_name)
    if first is None:
        return offered
    places = {code: place for place, code in enumerate(dict.fromkeys((*held, *first)))}
    return sorted(offered, key=lambda pair: places.get(pair[0], len(places)))


class CodeField(SelectField):
    """One code of a vocabulary; nothing is chosen beforehand."""

    def __init__(self, label: Any = None, list_name: str = "", **kwargs: Any) -> None:
        self.list_name = list_name
        super().__init__(label, choices=[], validate_choice=False, **kwargs)

    def pre_validate(self, form: Any) -> None:
        """The schema decides."""

    def offer(self) -> None:
        if self.list_name:
            self.choices = [("", _("— choose —")), *_with(self.list_name, [self.data])]

    def among(self, codes: Iterable[str]) -> None:
        """Offers these codes of the list alone."""
        wanted = set(codes)
        offered = vocabulary.choices(self.list_name)
        self.choices = [("", _("— choose —")), *(choice for choice in offered if choice[0] in wanted)]

    def payload(self) -> str | None:
        return self.data or None


class CodesField(SelectMultipleField):
    """Several codes of a vocabulary, as check boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, label: Any = None, list_name: str = "", **kwargs: Any) -> None:
        self.list_name = list_name
        super().__init__(label, choices=[], validate_choice=False, **kwargs)

    def pre_validate(self, form: Any) -> None:
        """The schema decides."""

    def offer(self) -> None:
        if self.list_name:
            self.choices = _with(self.list_name, self.data or ())

    def payload(self) -> list[str]:
        return list(self.data or [])


class LinksField(CodesField):
    """Several records as check boxes; the page offers them."""


class ProtectedText(TextAreaField):
    """A protected text: never shown, replaced by what is typed, kept where nothing is."""

    def payload(self) -> str | None:
        return (self.data or "").strip() or None


class ProtectedLine(StringField):
    """A protected line of text; as `ProtectedText`."""

    def payload(self) -> str | None:
        return (self.data or "").strip() or None


class ProtectedCodes(CodesField):
    """Protected codes; as `ProtectedText`."""

    def payload(self) -> list[str] | None:  # type: ignore[override]
        return list(self.data or []) or None


PROTECTED = (ProtectedText, ProtectedLine, BirthField, ProtectedCodes)
Asks = Mapping[str, Message]
"""Sentences by the name of their field."""
_CHOOSE = _l("Choose one from the list.")


class PanelForm(FlaskForm):
    """The base of all forms: anti-forgery token, the record's version, errors of the domain."""

    asks: ClassVar[Asks] = {}
    needed: ClassVar[frozenset[str]] = frozenset()
    """Fields that are required, beside those that `asks` has a sentence for."""
    """The text of a required field while it is empty: "Choose a province." All others are marked as optional."""
    only_if: ClassVar[Asks] = {}
    """Fields that are required under a condition, with the words that say so beside the label."""

    version = HiddenField()
    clear = CodesField(_l("Remove what is stored"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told: list[str] = []
        self.refused_with = 422
        """The status that the form is shown with once it was refused."""
        self.matches: list[tuple[Any, str]] = []
        """Records that a refusal names, to be opened: id and pseudonym."""
        for field in self:
            asked = field.name in self.needed or field.name in _all(self, "asks")
            field.flags.needed = asked and field.name not in _all(self, "only_if")
            field.flags.only_if = _all(self, "only_if").get(field.name)
            if isinstance(field, CodeField | CodesField):
                field.offer()

    def submitted(self) -> bool:
        """True if the form was sent; its token was checked before any view ran."""
        return self.is_filled() and not shown_again()

    def is_filled(self) -> bool:
        """True if it holds what was typed: it was sent, or it is shown again after a new sign-in."""
        return bool(self.is_submitted())

    def payload(self, without: Iterable[str] = (), stored: Iterable[str] = ()) -> dict[str, Any]:
        """The typed values for the schema. Protected fields left empty are left out, or null if cleared."""
        skipped = {"version", "clear", "csrf_token", *without}
        values: dict[str, Any] = {}
        for field in self:
            if field.name in skipped:
                continue
            value = _value(field)
            if isinstance(field, PROTECTED) and value is None and field.name not in set(self.clear.data or ()):
                continue
            values[field.name] = value
        return values

    def take(self, error: Invalid | Locked) -> None:
        """Puts the domain's messages beside the fields they belong to, the rest on top."""
        self.matches = list(getattr(error, "found", ()))
        for name, message in error.fields.items():
            field = self._fields.get(name)
            if field is None:
                self.told.append(str(message))
            else:
                field.errors = [*field.errors, str(self._asked(field, message))]
        if not error.fields:
            self.told.append(str(error))

    def _asked(self, field: Field, message: Message) -> Message:
        """An empty field says what to do. The schemas and services, which the API shares, only say that it is wrong."""
        if field.data or str(message) not in (str(REQUIRED), str(vocabulary.NOT_A_CHOICE)):
            return message
        otherwise = _CHOOSE if isinstance(field, SelectField | SelectMultipleField) else message
        return _all(self, "asks").get(field.name, otherwise)

    def warn(self, reason: Message | None) -> None:
        """Tells, once and before anything is typed, why it could not be saved."""
        if reason is not None and str(reason) not in self.told:
            self.told.append(str(reason))

    def expected_version(self) -> int:
        """The version that the person saw; 0, which no record ever has, if the form lost it.

        So the service looks the record up first: a foreign one is not found, one's own is a conflict.
        """
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0

    def seen_version(self) -> int | None:
        """As `expected_version`; None where the record did not exist yet when the form was opened."""
        return self.expected_version() if self.version.data else None


AGAIN = "shown_again"


def shown_again() -> bool:
    """True if a form comes back from the sign-in page, to be looked at and sent by its author."""
    return AGAIN in request.form


def attempt(form: PanelForm, work: Callable[[Session], Done]) -> Done | None:
    """Does the work as one transaction. None if it was refused; the form then says why.

    Also where somebody has closed the record meanwhile: what was typed stays on the form.
    """
    try:
        with writing() as session:
            return work(session)
    except Invalid as error:
        queue(error.looks)
        form.take(error)
    except Locked as error:
        failed()
        queue(error.looks)
        form.refused_with = 423
        form.take(error)
    return None


def save(form: PanelForm, work: Callable[[Session], Done]) -> Done | Literal[True] | None:
    """As `attempt`, for a change of a record: a form that is sent twice is carried out once."""
    return attempt(form, lambda session: unless_repeated(session, lambda: work(session)))


def tell(said: str) -> None:
    """On the next page: `said`, or that the form had nothing to do."""
    if g.get("repeated"):
        flash(_("This was sent twice and is carried out once."), "info")
    elif not g.get("wrote"):
        flash(_("Nothing was changed."), "info")
    else:
        flash(said)


def settled(form: PanelForm, work: Callable[[Session], Done]) -> Done | Literal[True] | None:
    """As `attempt`, for an act without two versions to compare: it is sent again once its author has looked."""
    try:
        return save(form, work)
    except Conflict as error:
        failed()
        form.refused_with = 409
        form.told.append(_("Somebody else has saved this record meanwhile. Look at it, then send this form again."))
        if error.current_version is not None:
            form.version.data = str(error.current_version)
        return None


def told(form: PanelForm, work: Callable[[Session], Any], said: str) -> None:
    """For a button that leads back to the record's page: `said` once the work is done, else why it was refused."""
    if save(form, work) is None:
        reasons = [*form.told, *(str(error) for errors in form.errors.values() for error in errors)]
        flash(" ".join(reasons), "warning")
    else:
        tell(said)


def _all(form: PanelForm, name: str) -> Mapping[str, Message]:
    """The settings of the form's classes together; the nearest one wins."""
    return ChainMap(*(vars(each).get(name, {}) for each in type(form).__mro__))


def _value(field: Field) -> Any:
    if hasattr(field, "payload"):
        return field.payload()
    if isinstance(field, BooleanField):
        return bool(field.data)
    return field.data.strip() or None if isinstance(field.data, str) else field.data


def chosen_id(field: SelectField) -> uuid.UUID | None:
    """The id that was chosen; None for nothing. Invalid for text that is no id."""
    if not field.data:
        return None
    try:
        return uuid.UUID(field.data)
    except ValueError:
        raise Invalid({field.name: _("This is not one of the choices.")}) from None
