"""Formats dates, times, numbers, codes and hidden values for people, in the page's language.

Times are Türkiye's. A hidden value is a mark that never held the value. Machines get ISO 8601 elsewhere.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import gettext as _
from markupsafe import Markup

from itm_admin.foundation import vocabulary
from itm_admin.foundation.i18n import LANGUAGES, TIMEZONE, language

_DAY = {"tr": "dd.MM.yyyy", "en": "d MMM yyyy"}
_MOMENT = {"tr": "dd.MM.yyyy HH:mm", "en": "d MMM yyyy, HH:mm"}
_HERE = ZoneInfo(TIMEZONE)
_DOTS = "••••"


class Hidden:
    """The mark of a protected value: four dots for the eye, a word for screen readers and exports."""

    def __html__(self) -> str:
        return Markup(
            '<span class="masked"><span aria-hidden="true">{}</span><span class="visually-hidden">{}</span></span>'
        ).format(_DOTS, str(self))

    def __str__(self) -> str:
        return str(_("Hidden"))


HIDDEN = Hidden()


def day(value: date | None) -> str:
    """24.11.2026, or 24 Nov 2026. A moment is shown as its day in Türkiye. Nothing gives ''."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = _in_istanbul(value).date()
    return format_date(value, _DAY[language()], locale=language())


def moment(value: datetime | None, seconds: bool = False) -> str:
    """24.11.2026 14:05, or 24 Nov 2026, 14:05, in Türkiye's time. A moment without a zone is UTC."""
    if value is None:
        return ""
    pattern = _MOMENT[language()] + (":ss" if seconds else "")
    return format_datetime(_in_istanbul(value), pattern, tzinfo=_HERE, locale=language())


def number(value: float | Decimal | None) -> str:
    """1.234,5 in Turkish, 1,234.5 in English."""
    return "" if value is None else format_decimal(value, locale=language())


def label(code: str | None, list_name: str) -> str:
    """A code's label in the page's language; as a filter: `code|label('case_status')`."""
    return vocabulary.label(list_name, code, language())


def install(app: Flask) -> None:
    """Gives the templates these filters, and `hidden`, the mark of a protected value."""
    app.jinja_env.filters.update(day=day, moment=moment, number=number, label=label)
    app.jinja_env.globals.update(hidden=HIDDEN, languages=LANGUAGES)


def _in_istanbul(value: datetime) -> datetime:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(_HERE)
