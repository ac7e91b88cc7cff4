"""The number of guesses that a password takes: the matching of zxcvbn, with our words, list and keyboards.

Its own front door is not used: it puts a person's names into a table that all threads share, and its search for
digits as letters takes seconds for some inputs. Here digits and signs are read as letters in two ways, and the text is
bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from zxcvbn import matching
from zxcvbn.scoring import most_guessable_match_sequence

from itm_admin.accounts import common_passwords
from itm_admin.foundation.name_folding import ascii_digits, name_key

BOUND = 72
"""Letters that are looked at: no password that is weak so far is saved by what follows."""

_AS_LETTERS = (str.maketrans("@4831!|0$5+7(<692", "aabeiiiossttccggz"), str.maketrans("@4831!|0$5+7", "aabellloss+l"))
_REPEATED = re.compile(r"(.+?)\1+", re.DOTALL)
Match = dict[str, Any]


def guesses(text: str, own: Iterable[str] = ()) -> float:
    """The number of guesses that the text takes, `own` being the words that are tried first."""
    folded = name_key(ascii_digits(text))[:BOUND]
    letters = "".join(letter for letter in folded if not _separates(letter))
    mine = dict.fromkeys(own, 1)
    return min(_guesses(reading, mine) for reading in dict.fromkeys((folded, letters)))


def _separates(letter: str) -> bool:
    """True for what people put between words; a picture is a letter of its own."""
    return unicodedata.category(letter)[0] in "PZ" or (letter.isascii() and not letter.isalnum())


def _guesses(text: str, own: Mapping[str, int]) -> float:
    if not text:
        return 1
    found = most_guessable_match_sequence(text, list(_matches(text, own)), _exclude_additive=True)
    return float(found["guesses"])


def _matches(text: str, own: Mapping[str, int]) -> Iterator[Match]:
    lists = {"known": _known(), "own": own}
    for reading in dict.fromkeys((text, *(text.translate(letters) for letters in _AS_LETTERS))):
        for match in (*matching.dictionary_match(reading, lists), *matching.reverse_dictionary_match(reading, lists)):
            if len(match["token"]) > 1:
                yield match
    yield from matching.spatial_match(text, _keyboards())
    yield from matching.sequence_match(text)
    yield from matching.regex_match(text)
    yield from matching.date_match(text)
    for repeat in _REPEATED.finditer(text):
        base, whole = repeat.group(1), repeat.group()
        yield {
            "pattern": "repeat", "i": repeat.start(), "j": repeat.end() - 1, "token": whole, "base_token": base,
            "base_guesses": int(_guesses(base, own)), "repeat_count": len(whole) // len(base),
        }  # fmt: skip


@cache
def _known() -> dict[str, int]:
    """Word → the number of guesses until it is tried: our words and list, and those of zxcvbn."""
    ranks: dict[str, int] = {}
    years = [str(year) for year in (*range(2030, 1899, -1), 1453, 1071, 1299, 1881)]
    provinces = [f"{number:02}" for number in (34, 6, 35, *range(1, 82))]
    ours = (*common_passwords.words().values(), years, provinces, common_passwords.common())
    for words in (*ours, *matching.FREQUENCY_LISTS.values()):
        for rank, word in enumerate(words, 1):
            ranks[word] = min(rank, ranks.get(word, rank))
    return ranks


@cache
def _keyboards() -> dict[str, dict[str, list[str]]]:
    """Neighbours of each folded letter, on the two Turkish keyboards and the block of digits.

    Not under zxcvbn's own names: those it takes for keyboards with shifted keys.
    """
    return {
        "turkish_q": _neighbours(common_passwords.Q),
        "turkish_f": _neighbours(common_passwords.F),
        "digits": matching.GRAPHS["keypad"],
    }


def _neighbours(rows: tuple[str, ...]) -> dict[str, list[str]]:
    places = {(y, x): name_key(key) for y, row in enumerate(rows) for x, key in enumerate(row)}
    around = ((0, -1), (-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1))
    found: dict[str, list[str]] = {}
    for (y, x), key in places.items():
        found.setdefault(key, []).extend(places.get((y + down, x + right), "") for down, right in around)
    return found
