"""Kinds of fields: texts, codes, days, numbers, links to other records. Knows no area."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel.speaklater import LazyString
from marshmallow import fields as answers
from sqlalchemy import String, text
from sqlalchemy.dialects.postgresql import ARRAY
from wtforms import BooleanField, SelectField, StringField
from wtforms import Field as Control

from itm_admin.foundation import forms, vocabulary
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import day, label, moment
from itm_admin.foundation.lists import Cell, Filter
from itm_admin.foundation.record_ids import ID
from itm_admin.foundation.records import Identifier
from itm_admin.foundation.records import Moment as MomentType
from itm_admin.record import checks
from itm_admin.record.field import NO_NAMES, Exported, Field, Names
from itm_admin.record.texts import Birth, Checked, Email, Name, Text

__all__ = [
    "Birth", "Checked", "Choice", "Code", "Codes", "Day", "Email", "Flag", "Link", "ManyLinks", "Moment", "Name",
    "Opaque", "Text", "Whole",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Code(Field[str]):
    """One code of a vocabulary. `among`: the codes that may be written; `tones`: a badge in lists."""

    codes: str
    among: tuple[str, ...] = ()
    tones: Mapping[str, str] | None = None

    def check(self, **options: Any) -> answers.Field:
        return checks.CodeCheck(self.codes, self.among, **options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return forms.CodeField(text, self.codes, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        return None if value is None else label(str(value), self.codes)

    def cell(self, value: Any) -> Cell:
        if self.tones is None:
            return Cell("text", self.words(value))
        return Cell("badge", self.words(value), self.tones.get(value, "neutral"))

    def filters(self, name: str, column: Any) -> tuple[Filter, ...]:
        return (Filter(name, self.label, "choice", lambda code: column == code, self.choices),)

    def choices(self) -> list[tuple[str, str]]:
        return vocabulary.choices(self.codes)

    def order(self, column: Any) -> tuple[Any, ...]:
        return (vocabulary.shown_order(column, self.codes),)

    def exported(self, value: Any) -> Exported:
        return self.words(value) or ""

    def answer(self, **options: Any) -> answers.Field:
        return answers.String(**options, metadata=_code_of(self.codes))


@dataclass(frozen=True, kw_only=True)
class Codes(Field[list[str]]):
    """Several codes of a vocabulary, each once, in the list's order."""

    codes: str

    def column(self) -> dict[str, Any]:
        return {"type_": ARRAY(String), "default": list, "server_default": text("'{}'")}

    def check(self, **options: Any) -> answers.Field:
        return checks.CodesCheck(self.codes, **options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return (forms.ProtectedCodes if protected else forms.CodesField)(text, self.codes, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        many = value if isinstance(value, list) else [value]
        return [label(str(code), self.codes) for code in many if code is not None]

    def filters(self, name: str, column: Any) -> tuple[Filter, ...]:
        return (Filter(name, self.label, "choice", lambda code: column.contains([code]), self.choices),)

    def choices(self) -> list[tuple[str, str]]:
        return vocabulary.choices(self.codes)

    def answer(self, **options: Any) -> answers.Field:
        return answers.List(answers.String(), **options, metadata=_code_of(self.codes))

    def sealed(self, value: Any) -> str | None:
        return json.dumps(value, separators=(",", ":")) if value else None

    def opened(self, text: str) -> Any:
        return json.loads(text)


@dataclass(frozen=True, kw_only=True)
class Choice(Field[str]):
    """One code of a list that belongs to the program: states, kinds, roles, with their words and tones."""

    choices: Mapping[str, Message]
    tones: Mapping[str, str] | None = None

    def check(self, **options: Any) -> answers.Field:
        return checks.ChoiceCheck(self.choices, **options)

    def fact(self, value: Any) -> Any:
        return self.words(value) if self.tones is None else self.cell(value)

    def cell(self, value: Any) -> Cell:
        if self.tones is None:
            return Cell("text", self.words(value))
        return Cell("badge", self.words(value), self.tones.get(value, "neutral"))

    def filters(self, name: str, column: Any) -> tuple[Filter, ...]:
        return (Filter(name, self.label, "choice", lambda code: column == code, self.named),)

    def named(self) -> list[tuple[str, str]]:
        return [(code, str(words)) for code, words in self.choices.items()]

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        return None if value is None else str(self.choices.get(str(value), value))

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return SelectField(
            text,
            choices=[*self.choices.items()],  # type: ignore[list-item]
            validate_choice=False,
            **options,
        )


@dataclass(frozen=True, kw_only=True)
class Day(Field[date]):
    """A day, not before 1990, and not in the future unless `future` allows it."""

    future: bool = False

    def check(self, **options: Any) -> answers.Field:
        return checks.DayCheck(future=self.future, **options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return forms.DayField(text, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        try:
            return day(date.fromisoformat(value) if isinstance(value, str) else value)
        except ValueError:
            return value

    def cell(self, value: Any) -> Cell:
        return Cell("day", value)

    def filters(self, name: str, column: Any) -> tuple[Filter, ...]:
        return (
            Filter(f"{name}_from", LazyString(_from, self.label), "day", lambda day: column >= day),
            Filter(f"{name}_to", LazyString(_until, self.label), "day", lambda day: column <= day),
        )

    def exported(self, value: Any) -> Exported:
        return value  # type: ignore[no-any-return]

    def answer(self, **options: Any) -> answers.Field:
        return answers.Date(**options)


@dataclass(frozen=True, kw_only=True)
class Moment(Field[datetime]):
    """A moment, written by the database or a service."""

    def column(self) -> dict[str, Any]:
        return {"type_": MomentType}

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        try:
            return moment(datetime.fromisoformat(value) if isinstance(value, str) else value)
        except ValueError:
            return value

    def cell(self, value: Any) -> Cell:
        return Cell("moment", value)

    def answer(self, **options: Any) -> answers.Field:
        return answers.DateTime(**options)


@dataclass(frozen=True, kw_only=True)
class Flag(Field[bool]):
    """Yes or no. `yes` and `no` are said in place of these words; `tones` of them make a badge."""

    yes: Message | None = None
    no: Message | None = None
    tones: tuple[str, str] | None = None

    def fact(self, value: Any) -> Any:
        return self.words(value) if self.tones is None else self.cell(value)

    def cell(self, value: Any) -> Cell:
        if self.tones is None:
            return super().cell(value)
        return Cell("badge", self.words(value), self.tones[0 if value else 1])

    def check(self, **options: Any) -> answers.Field:
        return checks.FlagCheck(**options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return BooleanField(text, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        if value is None:
            return None
        return str(self.yes or _("Yes")) if value else str(self.no or _("No"))

    def filters(self, name: str, column: Any) -> tuple[Filter, ...]:
        if self.yes is None:
            return (Filter(name, self.label, "flag", lambda wanted: column.is_(wanted)),)
        words = {"yes": self.yes, "no": self.no or self.yes}
        return (
            Filter(
                name, self.label, "choice", lambda code: column.is_(code == "yes"),
                lambda: [(code, str(text)) for code, text in words.items()],
            ),
        )  # fmt: skip

    def exported(self, value: Any) -> Exported:
        return "" if value is None else _("Yes") if value else _("No")

    def answer(self, **options: Any) -> answers.Field:
        return answers.Boolean(**options)


@dataclass(frozen=True, kw_only=True)
class Whole(Field[int]):
    """A whole number within limits."""

    low: int = 0
    high: int = 2**31 - 1

    def check(self, **options: Any) -> answers.Field:
        options.pop("allow_none", None)
        return checks.WholeCheck(self.low, self.high, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        return None if value is None else str(value)

    def exported(self, value: Any) -> Exported:
        return value  # type: ignore[no-any-return]

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return StringField(text, **options)

    def cell(self, value: Any) -> Cell:
        return Cell("number", value)

    def answer(self, **options: Any) -> answers.Field:
        return answers.Integer(**options)


@dataclass(frozen=True, kw_only=True)
class Link(Field[uuid.UUID]):
    """Another record. `shown`: the relation of the model whose record a page names; `to`: its table, for a key."""

    shown: str | None = None
    to: str | None = None

    def column(self) -> dict[str, Any]:
        return {"type_": Identifier}

    def check(self, **options: Any) -> answers.Field:
        return checks.IdCheck(**options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return SelectField(text, validate_choice=False, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        if value is None or not ID.fullmatch(str(value)):
            return value
        return names.get(str(value)) or _("a record without a name here")

    def answer(self, **options: Any) -> answers.Field:
        return answers.UUID(**options)


@dataclass(frozen=True, kw_only=True)
class ManyLinks(Field[list[uuid.UUID]]):
    """Several records of the register, which everybody reads. `shown`: the property of the model with their names."""

    shown: str

    def column(self) -> dict[str, Any]:
        return {"type_": ARRAY(Identifier), "default": list, "server_default": text("'{}'")}

    def check(self, **options: Any) -> answers.Field:
        return checks.IdsCheck(**options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return forms.LinksField(text, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        many = value if isinstance(value, list) else [value]
        return [names.get(str(id)) or _("a record without a name here") for id in many if id is not None]

    def answer(self, **options: Any) -> answers.Field:
        return answers.List(answers.UUID(), **options)


@dataclass(frozen=True, kw_only=True)
class Opaque(Field[Any]):
    """Bytes that say nothing to people: keys, digests, indexes. A change is told, a value never."""

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        return None


def _code_of(list_name: str) -> dict[str, str]:
    return {"description": f"a code of the vocabulary {list_name}"}


def _from(what: Message) -> str:
    return str(_("%(what)s from", what=what))


def _until(what: Message) -> str:
    return str(_("%(what)s until", what=what))
