"""Controlled vocabularies: codes with Turkish and English labels, and the check of codes.

Lists come from ``vocabularies.json`` and ``provinces.json``; countries and languages from Unicode CLDR
through Babel. Records store codes only, so a label may be improved without touching a record.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babel import Locale
from flask_babel import get_locale
from flask_babel import lazy_gettext as _
from sqlalchemy import ARRAY, Integer, String, bindparam, func

from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.turkish import turkish_lower, turkish_sort_key, turkish_upper

__all__ = [
    "LANGUAGES",
    "NOT_A_CHOICE",
    "InstitutionEntry",
    "check",
    "check_all",
    "choices",
    "codes",
    "institutions",
    "label",
    "names",
    "turkish_lower",
    "turkish_sort_key",
    "turkish_upper",
]

LANGUAGES = ("tr", "en")
NOT_A_CHOICE = _("This is not one of the choices.")
_HERE = Path(__file__).parent
_NOT_COUNTRIES = frozenset("AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ".split())
"""Two-letter codes in CLDR that are reserved, regions or pseudo-locales, and no ISO 3166-1 country."""
_WITHOUT_COUNTRY = {"XXA": ("Vatansız", "Stateless"), "XXX": ("Bilinmiyor", "Unknown")}
"""ICAO Doc 9303 part 3, section 5: the codes that travel documents use in place of a nationality."""
_LAST = frozenset({"Other", "OTHER", "Unknown", "UNK", "XXA", "XXX"})
"""Codes that end a list regardless of their labels."""


@dataclass(frozen=True)
class _List:
    labels: Mapping[str, tuple[str, str]]
    """code → (Turkish, English), in the list's own order."""
    sorted: bool


@dataclass(frozen=True)
class InstitutionEntry:
    """One line of the institutions' register, with the basis for listing it (see the file's ``note``)."""

    code: str
    name_tr: str
    name_en: str
    kind: str
    basis: str
    note: str


def names() -> tuple[str, ...]:
    """The names of all lists."""
    return tuple(_lists())


def codes(list_name: str) -> tuple[str, ...]:
    """The codes of a list, in its own order. KeyError for an unknown list, which is a programming error."""
    return tuple(_lists()[list_name].labels)


def label(list_name: str, code: str | None, language: str | None = None) -> str:
    """The label of a code; an unknown code (of an older or newer version) as stored."""
    pair = _lists()[list_name].labels.get(code or "")
    return pair[_column(language)] if pair else code or ""


def choices(list_name: str, language: str | None = None) -> list[tuple[str, str]]:
    """(code, label) for a form. Lists without an order of their own are alphabetical, "other" last."""
    return list(_choices(list_name, _column(language)))


def shown_order(column: Any, list_name: str) -> Any:
    """A column of codes for sorting as the page does: by label in the page's language, or in the list's order."""
    ordered = bindparam(
        list_name, callable_=lambda: [code for code, _label in choices(list_name)], type_=ARRAY(String), unique=True
    )
    return func.array_position(ordered, column, type_=Integer)


def check(list_name: str, code: str | None, field: str | None = None) -> str:
    """The code. Raises Invalid under ``field`` (or the list's name) if the list does not have it."""
    if code is None or code not in _lists()[list_name].labels:
        raise Invalid({field or list_name: NOT_A_CHOICE})
    return code


def check_all(list_name: str, chosen: Iterable[str], field: str | None = None) -> list[str]:
    """Each code once, in the list's own order. Raises Invalid if one is not in it."""
    wanted = {check(list_name, code, field) for code in chosen}
    return [code for code in codes(list_name) if code in wanted]


@cache
def institutions() -> tuple[InstitutionEntry, ...]:
    """The institutions that a new installation starts with."""
    with (_HERE / "institutions.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(InstitutionEntry(**line) for line in csv.DictReader(lines))


def _column(language: str | None) -> int:
    if language is None:
        locale = get_locale()
        language = locale.language if locale else LANGUAGES[0]
    return 1 if language.startswith("en") else 0


@cache
def _choices(list_name: str, column: int) -> tuple[tuple[str, str], ...]:
    entries = _lists()[list_name]
    pairs = [(code, pair[column]) for code, pair in entries.labels.items()]
    if entries.sorted:
        key = _english_sort_key if column else turkish_sort_key
        pairs.sort(key=lambda pair: (pair[0] in _LAST, key(pair[1])))
    return tuple(pairs)


def _english_sort_key(text: str) -> tuple[str, str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter)), text


@cache
def _lists() -> Mapping[str, _List]:
    document = json.loads((_HERE / "vocabularies.json").read_text(encoding="utf-8"))
    found = {name: _List(_labels(entry), entry["order"] == "label") for name, entry in document["lists"].items()}
    provinces = json.loads((_HERE / "provinces.json").read_text(encoding="utf-8"))
    found["province"] = _List(_labels(provinces), True)
    turkish, english = Locale("tr"), Locale("en")
    countries = {
        code: (turkish.territories[code], english.territories[code])
        for code in sorted(english.territories)
        if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
    }
    found["country"] = _List(MappingProxyType(countries), True)
    found["citizenship"] = _List(MappingProxyType(countries | _WITHOUT_COUNTRY), True)
    spoken = {
        code: (turkish.languages[code], english.languages[code])
        for code in sorted(english.languages)
        if len(code) == 2 and code in turkish.languages
    }
    found["language"] = _List(MappingProxyType(spoken), True)
    return MappingProxyType(found)


def _labels(entry: Mapping[str, list[dict[str, str]]]) -> Mapping[str, tuple[str, str]]:
    return MappingProxyType({value["code"]: (value["tr"], value["en"]) for value in entry["values"]})
