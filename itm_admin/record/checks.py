"""The kinds of input that the schemas are made of: texts, codes, days, numbers of people.

Strict about form, generous about scripts: right-to-left and four-byte text is welcome; NUL, lone surrogates,
control characters and marks that reorder what is read are not. Text is kept in Unicode's form C.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l
from marshmallow import ValidationError, fields, validate

from itm_admin.foundation import dates, vocabulary
from itm_admin.foundation.errors import REQUIRED, Invalid, Message
from itm_admin.foundation.i18n import TIMEZONE
from itm_admin.foundation.name_folding import clean_name
from itm_admin.record.birth_date import OLDEST, BirthDate, estimated

_OVERRIDES = "\u202d\u202e"
"""Left-to-right and right-to-left override: they can make a text read as something that it is not."""

_NOT_TEXT = _l("This must be text.")
IN_FUTURE = _l("This day is in the future.")
MESSAGES: Mapping[str, Message] = {
    "required": REQUIRED,
    "null": REQUIRED,
    "invalid": _l("This value is not correct."),
    "validator_failed": _l("This value is not correct."),
    "invalid_utf8": _NOT_TEXT,
    "invalid_uuid": vocabulary.NOT_A_CHOICE,
    "format": dates.NOT_A_DAY,
    "invalid_self": _l("This value is not correct."),
}


def today() -> date:
    """The day in Türkiye."""
    return datetime.now(ZoneInfo(TIMEZONE)).date()


def clean(typed: Any, *, most: int, lines: bool = False) -> str:
    """The text in form C without outer space; ValidationError for what is no plain text or too long."""
    if not isinstance(typed, str):
        raise ValidationError(_NOT_TEXT)
    text = unicodedata.normalize("NFC", typed.replace("\r\n", "\n") if lines else typed).strip()
    allowed = "\n\t" if lines else ""
    if any(_refused(sign) and sign not in allowed for sign in text):
        raise ValidationError(
            _l("This holds invisible characters that cannot be stored. Delete the text and type it by hand.")
        )
    if len(text) > most:
        raise ValidationError(_l("At most %(most)s characters fit here.", most=most))
    return text


def _refused(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs") or sign in _OVERRIDES


class TextCheck(fields.String):
    """A text. Empty is the same as null: nothing, or refused where the field is required."""

    def __init__(self, *, most: int = 200, lines: bool = False, **options: Any) -> None:
        options.setdefault("allow_none", not options.get("required", False))
        super().__init__(error_messages=dict(MESSAGES), **options)  # type: ignore[arg-type]
        self._most, self._lines = most, lines
        self.metadata.setdefault("maxLength", most)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> str | None:
        text = clean(value, most=self._most, lines=self._lines)
        if not text and not self.allow_none:
            raise ValidationError(REQUIRED)
        return self.checked(text) if text else None

    def checked(self, text: str) -> str:
        return text


class NameCheck(TextCheck):
    """A person's name, in the one form of all names."""

    def checked(self, text: str) -> str | None:  # type: ignore[override]
        return clean_name(text) or None


class FormCheck(TextCheck):
    """A text of a form: `form` gives the normal form, or None for what is refused with `message`."""

    def __init__(self, form: Callable[[str], str | None], message: Message, **options: Any) -> None:
        super().__init__(most=options.pop("most", 40), **options)
        self._form, self._message = form, message

    def checked(self, text: str) -> str:
        form = self._form(text)
        if form is None:
            raise ValidationError(self._message)  # type: ignore[arg-type]
        return form


class EmailCheck(TextCheck):
    _judge = validate.Email(error=_l("This is not an e-mail address."))

    def checked(self, text: str) -> str:
        return self._judge(text)


class BirthCheck(TextCheck):
    """1999, 1999-05 or 1999-05-12, or an estimate (about 17); not in the future and not more than 120 years ago."""

    def checked(self, text: str) -> str:
        try:
            born = BirthDate.read(estimated(text, today()) or text)
            if born.estimate and born.estimate[1] > today():
                raise ValueError("estimated in the future")
        except ValueError:
            raise ValidationError(dates.why_no_birth(text)) from None  # type: ignore[arg-type]
        if born.earliest > today():
            raise ValidationError(IN_FUTURE)
        if born.latest.year < today().year - OLDEST:
            raise ValidationError(_l("Nobody alive was born then."))
        return str(born)


class CodeCheck(fields.String):
    """One code of a vocabulary."""

    def __init__(self, list_name: str, among: tuple[str, ...] = (), **options: Any) -> None:
        options.setdefault("allow_none", not options.get("required", False))
        super().__init__(error_messages=dict(MESSAGES), **options)  # type: ignore[arg-type]
        self.list_name, self._among = list_name, among
        self.metadata.setdefault("description", f"a code of the vocabulary {list_name}")
        self.metadata.setdefault("enum", list(among or vocabulary.codes(list_name)))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> str | None:
        if value == "":
            if not self.allow_none:
                raise ValidationError(REQUIRED)
            return None
        code = _code(self.list_name, value)
        if self._among and code not in self._among:
            raise ValidationError(vocabulary.NOT_A_CHOICE)
        return code


class ChoiceCheck(fields.String):
    """One code of a list that belongs to the program."""

    def __init__(self, choices: Mapping[str, Message], **options: Any) -> None:
        super().__init__(error_messages=dict(MESSAGES), **options)  # type: ignore[arg-type]
        self._choices = frozenset(choices)
        self.metadata.setdefault("enum", list(choices))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> Any:
        if value == "":
            raise ValidationError(REQUIRED)
        if not isinstance(value, str) or value not in self._choices:
            raise ValidationError(vocabulary.NOT_A_CHOICE)
        return value


class CodesCheck(fields.List):
    """Several codes of a vocabulary, each once, in the list's order."""

    def __init__(self, list_name: str, **options: Any) -> None:
        coded = fields.String(metadata={"enum": list(vocabulary.codes(list_name))})
        super().__init__(coded, error_messages=dict(MESSAGES), **options)
        self.list_name = list_name
        self.metadata.setdefault("description", f"codes of the vocabulary {list_name}")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > 300:
            raise ValidationError(_l("This must be a list."))
        chosen = [_code(self.list_name, code) for code in value]
        return vocabulary.check_all(self.list_name, chosen)


class DayCheck(fields.Date):
    """A day in ISO form, not before 1990, and not in the future unless `future` allows it."""

    FIRST = date(1990, 1, 1)

    def __init__(self, *, future: bool = False, **options: Any) -> None:
        options.setdefault("allow_none", not options.get("required", False))
        super().__init__(format="iso", error_messages=dict(MESSAGES), **options)
        self._last = date.max if future else None

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        if value == "":
            if not self.allow_none:
                raise ValidationError(REQUIRED)
            return None
        if not isinstance(value, str) or len(value) != 10:
            raise ValidationError(dates.why_no_day(value))  # type: ignore[arg-type]
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError(dates.why_no_day(value)) from None  # type: ignore[arg-type]
        if day > (self._last or today()):
            raise ValidationError(IN_FUTURE)
        if day < self.FIRST:
            raise ValidationError(_l("This day is too long ago: no day before 1990 is taken."))
        return day


class WholeCheck(fields.Integer):
    """A whole number within limits, from a number or its digits."""

    def __init__(self, low: int, high: int, **options: Any) -> None:
        super().__init__(allow_none=True, error_messages=dict(MESSAGES), **options)
        self._low, self._high = low, high
        self.metadata.setdefault("minimum", low)
        self.metadata.setdefault("maximum", high)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> Any:
        if value == "":
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not self._low <= value <= self._high:
            raise ValidationError(
                _l("This must be a whole number from %(low)s to %(high)s.", low=self._low, high=self._high)
            )
        return value


class FlagCheck(fields.Boolean):
    """true or false, and nothing that looks like one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages=dict(MESSAGES), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> Any:
        if not isinstance(value, bool):
            raise ValidationError(MESSAGES["invalid"])  # type: ignore[arg-type]
        return value


class IdCheck(fields.UUID):
    """The id of a record. Whether it may be used is the service's question."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_none", not options.get("required", False))
        super().__init__(error_messages=dict(MESSAGES), **options)  # type: ignore[arg-type]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_options: Any) -> Any:
        if value == "":
            if not self.allow_none:
                raise ValidationError(REQUIRED)
            return None
        if isinstance(value, uuid.UUID):
            return value
        if not isinstance(value, str) or len(value) != 36:
            raise ValidationError(vocabulary.NOT_A_CHOICE)
        return self._validated(value)


class IdsCheck(fields.List):
    """The ids of several records, each once. Whether they may be used is the service's question."""

    def __init__(self, **options: Any) -> None:
        super().__init__(IdCheck(required=True), error_messages=dict(MESSAGES), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > 300:
            raise ValidationError(_l("This must be a list."))
        return list(dict.fromkeys(self.inner.deserialize(each, attr, data, **options) for each in value))


def _code(list_name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError(vocabulary.NOT_A_CHOICE)
    try:
        return vocabulary.check(list_name, value)
    except Invalid as refusal:
        raise ValidationError(next(iter(refusal.fields.values()))) from None  # type: ignore[arg-type]
