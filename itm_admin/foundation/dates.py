"""Reads dates as people type them: 24.11.2026, 24/11/2026, 24112026, 24 Kasım 2026, 2026-11-24.

The day comes before the month. Names of months are read in Turkish and in English, whole or shortened, with or
without Turkish letters. Machines (the programming interface) send ISO 8601 and nothing else.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from babel.dates import format_date, get_month_names
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Message
from itm_admin.foundation.i18n import LANGUAGES, language
from itm_admin.foundation.turkish import turkish_lower

EXAMPLE = _l("For example 24.11.2026 or 24 November 2026")
BIRTH_EXAMPLE = _l("A day, a month or only a year: 12.05.1999, May 1999 or 1999; or an estimate: about 17")
NOT_A_DAY = _l("This is not a date. Write it like 24.11.2026 or 24 November 2026.")
NOT_A_BIRTH = _l(
    "This is not a date of birth. "
    "Write a day, a month or a year: 12.05.1999, May 1999 or 1999; or an estimate: about 17."
)

NOT_ISO = _l("Send the date in ISO form: 2026-11-24.")
"""A date as people type it, where a machine sends one."""

_BETWEEN = r"(?:\s*[./,-]\s*|\s+)"
_NAME = r"(?P<name>[^\W\d_]+)\.?"
_YEAR = r"(?P<year>\d{4})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_FORMS = tuple(
    re.compile(form, re.ASCII if "name" not in form else 0)
    for form in (
        rf"{_YEAR}-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}})",
        rf"{_DAY}{_BETWEEN}(?P<month>\d{{1,2}}){_BETWEEN}{_YEAR}",
        r"(?P<day>\d{2})(?P<month>\d{2})(?P<year>(?:19|20)\d{2})",
        r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})",
        rf"{_DAY}{_BETWEEN}{_NAME}{_BETWEEN}{_YEAR}",
        rf"{_NAME}{_BETWEEN}{_DAY}{_BETWEEN}{_YEAR}",
    )
)
_SHORT = (
    re.compile(rf"{_DAY}{_BETWEEN}(?P<month>\d{{1,2}}){_BETWEEN}(?P<short>\d{{2}})", re.ASCII),
    re.compile(rf"{_DAY}{_BETWEEN}{_NAME}{_BETWEEN}(?P<short>\d{{2}})"),
)
"""A year of two digits is one of the hundred that end in twenty years: enough for a day, and too little for a birth."""
_PARTIAL = (
    re.compile(_YEAR, re.ASCII),
    re.compile(rf"{_YEAR}-(?P<month>\d{{1,2}})", re.ASCII),
    re.compile(rf"(?P<month>\d{{1,2}}){_BETWEEN}{_YEAR}", re.ASCII),
    re.compile(rf"{_NAME}{_BETWEEN}{_YEAR}"),
)


class NotADate(ValueError):
    """The text is not a date; `message` gives the reason in the reader's language."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


def read_day(text: str) -> date:
    """Reads a day. Raises NotADate."""
    parts = _parts(text, _FORMS) or _parts(text, _SHORT)
    if parts is None:
        raise NotADate(NOT_A_DAY)
    year, month, day = parts
    return date(year, month or 1, day or 1)


def read_birth(text: str) -> str:
    """Reads a birth date as precisely as it was typed, in ISO 8601: 1999, 1999-05 or 1999-05-12. Raises NotADate."""
    parts = _parts(text, (*_FORMS, *_PARTIAL))
    if parts is None and _parts(text, _SHORT):
        raise NotADate(_l("Write the year of birth with four digits: 12.05.1999."))
    if parts is None:
        raise NotADate(NOT_A_BIRTH)
    year, month, day = parts
    return "-".join([f"{year:04}", *(f"{part:02}" for part in (month, day) if part is not None)])


def why_no_day(typed: Any) -> Message:
    """The message for a value that should be a day in ISO form."""
    return _why(read_day, typed, NOT_A_DAY)


def why_no_birth(typed: Any) -> Message:
    """As `why_no_day`, for a date of birth."""
    return _why(read_birth, typed, NOT_A_BIRTH)


def _why(read: Callable[[str], object], typed: Any, otherwise: Message) -> Message:
    if not isinstance(typed, str):
        return otherwise
    try:
        found = read(typed)
    except NotADate as error:
        return error.message
    return otherwise if str(found) == typed else NOT_ISO


def _parts(text: str, forms: tuple[re.Pattern[str], ...]) -> tuple[int, int | None, int | None] | None:
    plain = unicodedata.normalize("NFKC", text).strip().rstrip(".")
    for form in forms:
        found = form.fullmatch(plain)
        if found is None:
            continue
        named = found.groupdict()
        month = _month(named["name"]) if named.get("name") else _number(named.get("month"))
        if named.get("name") and month is None:
            continue
        return _real(_year(named), month, _number(named.get("day")))
    return None


def _year(named: Mapping[str, str]) -> int:
    if "year" in named:
        return int(named["year"])
    last = datetime.now(UTC).year + 20
    return last - (last - int(named["short"])) % 100


def _real(year: int, month: int | None, day: int | None) -> tuple[int, int | None, int | None]:
    if year < 1:
        raise NotADate(NOT_A_DAY)
    if month is not None and not 1 <= month <= 12:
        raise NotADate(_l("There is no month %(month)s: a year has twelve.", month=month))
    if month is not None and day is not None and not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise NotADate(_no_such_day(year, month, day))
    return year, month, day


def _no_such_day(year: int, month: int, day: int) -> str:
    """In the page's language at this moment: a name of a month cannot wait for it."""
    pattern = {"tr": "MMMM y", "en": "MMMM y"}[language()]
    named = format_date(date(year, month, 1), pattern, locale=language())
    return str(_("There is no day %(day)s in %(month)s.", day=day, month=named))


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _month(name: str) -> int | None:
    return _months().get(_plain(name))


@cache
def _months() -> dict[str, int]:
    """Each name of a month, whole and shortened, in every language of the panel, to its number."""
    names: dict[str, int] = {"sept": 9}
    for each in LANGUAGES:
        for width in ("wide", "abbreviated"):
            for number, name in get_month_names(width, locale=each).items():
                names[_plain(name)] = number
    return names


def _plain(name: str) -> str:
    """Without case and without the marks of Turkish letters: KASIM, kasım and Kasim are one name."""
    bare = unicodedata.normalize("NFD", turkish_lower(name.rstrip(".")).replace("ı", "i"))
    return "".join(sign for sign in bare if not unicodedata.combining(sign))
