"""Turkish letters: case and alphabetical order.

Python's own ``lower`` and ``upper`` turn I into i and i into I, which are two different letters each in
Turkish; its sort puts ç after z. PostgreSQL here is built without ICU, so the order is our own as well.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import LargeBinary, String, bindparam, case, func

from itm_admin.foundation.i18n import language
from itm_admin.foundation.name_folding import NON_JOINER, clean_name, folded

_ALPHABET = "abcçdefgğhıijklmnoöpqrsştuüvwxyz"
"""The 29 letters, with q, w and x at the places where dictionaries and name lists put them."""

_PLACE = {letter: place for place, letter in enumerate(_ALPHABET)}
_DIGIT, _LETTER, _OTHER = 1, 2, 3
SortKey = tuple[tuple[tuple[int, int], ...], str, str]


def turkish_lower(text: str) -> str:
    """Lower case in which I gives ı and İ gives i."""
    return unicodedata.normalize("NFC", text).replace("İ", "i").replace("I", "ı").lower()


def turkish_upper(text: str) -> str:
    """Upper case in which i gives İ and ı gives I."""
    return unicodedata.normalize("NFC", text).replace("i", "İ").replace("ı", "I").upper()


def turkish_sort_key(text: str) -> SortKey:
    """Order of the Turkish alphabet: spaces and punctuation, digits, letters, other scripts.

    Marks that are not letters of the alphabet (â, é) and case only decide between equal texts.
    """
    lowered = turkish_lower(text)
    return tuple(_weight(letter) for letter in lowered), lowered, text


def turkish_order(column: Any) -> Any:
    """A column of names, for sorting in the database as `turkish_sort_key` sorts here."""
    return func.itm.tr_key(column, type_=LargeBinary)


def shown_order(turkish: Any, english: Any) -> Any:
    """Two columns of one name, for sorting by the one that the page shows, in its language's order."""
    in_english = bindparam("language", callable_=language, type_=String, unique=True) == "en"
    plain = func.convert_to(func.itm.tr_fold(english), "UTF8", type_=LargeBinary)
    return case((in_english, plain), else_=turkish_order(turkish))


def turkish_contains(column: Any, text: str) -> Any:
    """True where the column contains this text, ignoring case and marks: `isik` and `IŞIK` find Işık."""
    wanted = _escaped(folded(clean_name(text)).replace(NON_JOINER, ""))
    held = func.replace(func.itm.tr_fold(column), NON_JOINER, "", type_=String)
    return held.contains(wanted, escape="/")


def _escaped(text: str) -> str:
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


def _weight(letter: str) -> tuple[int, int]:
    if letter not in _PLACE:
        letter = unicodedata.normalize("NFD", letter)[0]
    if letter in _PLACE:
        return _LETTER, _PLACE[letter]
    if letter.isdigit():
        return _DIGIT, ord(letter)
    return (_OTHER, ord(letter)) if letter.isalpha() else (0, ord(letter))
