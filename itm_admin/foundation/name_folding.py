"""Folds names and numbers to one form, so that people find ŞAHİN by sahin, Shahin or şahin.

The forms feed the blind index only: nobody reads them and they are never stored. They are coarse on purpose (people
look at a false match, and never see a missed one), but vowels stay: Fatma and Fatima remain two names.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

_SINGLE = {
    # Latin letters that have no decomposition
    "ı": "i", "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ə": "e", "ŋ": "n",
    "ħ": "h",
    # Cyrillic, as passports are transliterated (ICAO Doc 9303 part 3, section 6), with the letters of
    # Ukrainian, Belarusian, Kazakh, Kyrgyz, Tajik and Uzbek
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "i",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "iu",
    "я": "ia", "є": "ie", "і": "i", "ї": "i", "ґ": "g", "ў": "u", "ә": "a", "ғ": "gh", "қ": "q", "ң": "n",
    "ө": "o", "ұ": "u", "ү": "u", "һ": "h", "ҳ": "h", "ҷ": "j", "ӣ": "i", "ӯ": "u",
}  # fmt: skip
"""Letter → Latin. Any other letter, unless it is a decomposable Latin one, keeps its own form."""

_ARABIC = str.maketrans({
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ئ": "ي", "ؤ": "و", "ة": "ه", "ۀ": "ه", "ە": "ه",
    "ک": "ك", "ګ": "گ", "ـ": None, "ء": None,
})  # fmt: skip
"""Arabic script is folded within itself. It does not write short vowels, so no Latin spelling can be told from
it: محمد is found by محمد, Muhammed by Muhammed. Who knows both spellings enters both (given name, in brackets)."""

_SPELLINGS: tuple[tuple[str, str], ...] = (
    # One sound, written as in Turkish, English, French, German, Russian passports or Arabic transliterations
    ("shch", "s"), ("tsch", "c"), ("sch", "s"), ("tch", "c"), ("dzh", "c"), ("sh", "s"), ("ch", "c"), ("zh", "c"),
    ("dj", "c"), ("j", "c"), ("kh", "h"), ("gh", "g"), ("ph", "f"), ("th", "t"), ("dh", "d"), ("ck", "k"),
    ("q", "k"), ("w", "v"), ("ou", "u"), ("oo", "u"), ("ee", "i"), ("y", "i"),
)  # fmt: skip

APOSTROPHES = "\u00b4\u0060\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u2032\uff07"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_ONE_SIGN = str.maketrans({**dict.fromkeys(APOSTROPHES, "'"), **dict.fromkeys(DASHES, "-")})
UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b\u200d-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
"""Controls, soft hyphens, joiners, marks of direction, fillers, selectors, tags: what nobody sees in a name."""
_LETTERS = (
    "\u0620-\u063f\u0641-\u065f\u066e-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06ff\u0750-\u077f\u0870-\u0887\u08a0-\u08c9"
)
NON_JOINER = "\u200c"
"""Keeps two Arabic-script letters apart, as Persian and Kurdish spelling asks; seen nowhere else."""
_BESIDE = f"[{_LETTERS}{NON_JOINER}]"
_STRAY = re.compile(f"(?<!{_BESIDE}){NON_JOINER}+|{NON_JOINER}+(?!{_BESIDE})|{NON_JOINER}+(?={NON_JOINER})")
_SPACES = re.compile("[\x09-\x0d\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_WORDS = re.compile(r"[^\W\d_]+")
_TWICE = re.compile(r"(.)\1+")
_HARDENED = {"d": "t", "b": "p"}
"""Turkish hardens a final d and b: Ahmed and Ahmet, Receb and Recep are one name."""


def clean_name(name: str) -> str:
    """A name's form for storing and searching: one form for names that look the same.

    Form C, without invisible characters, with one apostrophe, one dash and one space. In the database `itm.clean_name`.
    """
    text = unicodedata.normalize("NFC", name).translate(_ONE_SIGN)
    return _SPACES.sub(" ", _STRAY.sub("", UNSEEN.sub("", text))).strip(" ")


_MARKS = re.compile("[\u0300-\u036f]")
_SMALL = {
    **{chr(point): chr(point).lower() for point in (*range(65, 91), *range(0x391, 0x3AA), *range(0x400, 0x430))},
    "ı": "i", "ς": "σ", "Ø": "o", "ø": "o", "Đ": "d", "đ": "d", "Ł": "l", "ł": "l", "Ħ": "h", "ħ": "h", "Ə": "ə",
    "Ŋ": "ŋ", **dict.fromkeys("\u3002\u00b7\u2027\u30fb", "."),
}  # fmt: skip
_AS_TWO = {"ß": "ss", "ẞ": "ss", "Æ": "ae", "æ": "ae", "Œ": "oe", "œ": "oe", "Þ": "th", "þ": "th"}
_FOLDS = str.maketrans({**_SMALL, **_AS_TWO})


def folded(text: str) -> str:
    """One form for letters that people write alike: without marks and case, and İ, I, ı and i are one letter.

    In the database `itm.tr_fold`; a table of pairs and a test compare the two.
    """
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).translate(_FOLDS)


def name_key(name: str) -> str:
    """The form by which names are told apart: in sign-ins, searches, unique columns and passwords.

    In the database `itm.name_key`.
    """
    cleaned = clean_name(unicodedata.normalize("NFKC", clean_name(name)))
    return folded(cleaned).replace(NON_JOINER, "")


def name_parts(name: str) -> frozenset[str]:
    """The parts of a name in the index's form; empty if there is no letter in it."""
    return frozenset(part for part in map(_spelling, _words(name)) if part)


def index_parts(name: str) -> frozenset[str]:
    """The terms of a stored name: its parts, and neighbours joined, since Ayşe Nur is Ayşenur."""
    words = _words(name)
    joined = [_spelling("".join(pair)) for pair in pairwise(words)]
    return name_parts(name) | {part for part in joined if part}


def readings(name: str) -> list[frozenset[str]]:
    """The readings of a typed name: its words apart, and neighbours joined. One of them must fit as a whole."""
    words = _words(name)[:MOST_WORDS]
    ways: list[list[str]] = [[]]
    for number in range(len(words)):
        apart = [[*way, words[number]] for way in ways]
        joined = [[*way[:-1], way[-1] + words[number]] for way in ways if way and way[-1] == words[number - 1]]
        ways = apart + joined
    parts = (frozenset(filter(None, map(_spelling, way))) for way in ways)
    return list(dict.fromkeys(filter(None, parts)))


MOST_WORDS = 8
"""The most words of a typed name for which all readings are tried: at most 34."""


def _words(name: str) -> list[str]:
    return _WORDS.findall(_plain(name))


def _plain(name: str) -> str:
    """Lower-case Latin without marks: İ, I, ı and i are one letter; Cyrillic is transliterated."""
    cleaned = clean_name(unicodedata.normalize("NFKC", clean_name(name))).replace("'", "").replace(NON_JOINER, "")
    folded = cleaned.replace("İ", "i").casefold()
    letters = (_SINGLE[letter] if letter in _SINGLE else _unmarked(letter) for letter in folded)
    return "".join(letters).translate(_ARABIC)


def _unmarked(letter: str) -> str:
    plain = (part for part in unicodedata.normalize("NFD", letter) if not unicodedata.combining(part))
    return "".join(_SINGLE.get(part, part) for part in plain)


def _spelling(part: str) -> str:
    """One of several spellings; repeated until nothing changes, so that the form of a form is itself."""
    before = None
    while part != before:
        before = part
        # An initial x is the h of Uzbek and Azerbaijani (Xadicha), elsewhere it is ks (Aleksandr)
        part = ("h" + part[1:] if part.startswith("x") else part).replace("x", "ks")
        for spelling, one in _SPELLINGS:
            part = part.replace(spelling, one)
        part = _TWICE.sub(r"\1", part)
        if len(part) > 1:
            part = part[:-1] + _HARDENED.get(part[-1], part[-1])
    return part


def ascii_digits(text: str) -> str:
    """The text with the digits of every script as 0–9 (Arabic-Indic ones among them)."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def digits(text: str) -> str:
    """The digits alone."""
    return "".join(sign for sign in ascii_digits(text) if sign.isdecimal())


def document_number(text: str) -> str:
    """A passport's number: capital letters and digits, without spaces, dots and strokes."""
    plain = unicodedata.normalize("NFKC", ascii_digits(text)).replace("ı", "i").replace("İ", "I").upper()
    return re.sub(r"[\s.\-/‐‑–]", "", plain)


def email_address(text: str) -> str:
    """An address in lower case. Turkish I cannot be distinguished, so ı and i are one."""
    return unicodedata.normalize("NFC", text).strip().replace("İ", "i").lower().replace("ı", "i")
