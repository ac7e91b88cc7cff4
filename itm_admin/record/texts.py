"""Kinds of fields that people type: texts, names, addresses, numbers of documents, birth dates. Knows no area."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup
from marshmallow import fields as answers
from wtforms import EmailField, StringField, TextAreaField
from wtforms import Field as Control

from itm_admin.foundation import forms
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import day
from itm_admin.record import checks
from itm_admin.record.birth_date import BirthDate
from itm_admin.record.field import NO_NAMES, Field, Names


@dataclass(frozen=True, kw_only=True)
class Text(Field[str]):
    """A text of one line, or of several."""

    most: int = 200
    lines: bool = False
    language: str | None = None
    """Of the text, where it is not the page's: for those who hear it."""

    def fact(self, value: Any) -> Any:
        if self.language is None or not value:
            return value
        return Markup('<span lang="{}">{}</span>').format(self.language, value)

    def check(self, **options: Any) -> answers.Field:
        return checks.TextCheck(most=self.most, lines=self.lines, **options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        if protected:
            return (forms.ProtectedText if self.lines else forms.ProtectedLine)(text, **options)
        return (TextAreaField if self.lines else StringField)(text, **options)


@dataclass(frozen=True, kw_only=True)
class Name(Text):
    """A person's name, in the one form of all names."""

    def check(self, **options: Any) -> answers.Field:
        return checks.NameCheck(most=self.most, **options)


@dataclass(frozen=True, kw_only=True)
class Email(Text):
    most: int = 254

    def check(self, **options: Any) -> answers.Field:
        return checks.EmailCheck(most=self.most, **options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return super().control(text, protected=True, **options) if protected else EmailField(text, **options)


@dataclass(frozen=True, kw_only=True)
class Checked(Text):
    """A text of a form, as a number of a document: `form` gives the normal form, or None for what is refused."""

    most: int = 40
    form: Callable[[str], str | None]
    refusal: Message

    def check(self, **options: Any) -> answers.Field:
        return checks.FormCheck(self.form, self.refusal, most=self.most, **options)


@dataclass(frozen=True, kw_only=True)
class Birth(Field[str]):
    """A birth date as precisely as it is known."""

    def check(self, **options: Any) -> answers.Field:
        return checks.BirthCheck(most=40, **options)

    def control(self, text: Any, *, protected: bool = False, **options: Any) -> Control:
        return forms.BirthField(text, **options)

    def words(self, value: Any, names: Names = NO_NAMES) -> Any:
        """12.05.1999, 05.1999, 1999, or an estimate in words. What is none (of another version) stays as it is."""
        try:
            estimate = BirthDate.read(str(value)).estimate
        except ValueError:
            return value
        if estimate is not None:
            return str(_("about %(age)s (estimated on %(day)s)", age=estimate[0], day=day(estimate[1])))
        return ".".join(reversed(str(value).split("-")))
