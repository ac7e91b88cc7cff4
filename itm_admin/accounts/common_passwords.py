"""Passwords of twelve letters and more that are guessed first: `common_passwords.txt`, made from facts.

The facts are the words of `password_words.txt`, the rows and columns of the two Turkish keyboards, the calendar, and
the passwords of twelve letters and more among the leaked ones that the package zxcvbn counts (MIT licence). Renew the
file with `python -m itm_admin.accounts.common_passwords`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

from itm_admin.foundation.name_folding import name_key

SHORTEST, LONGEST = 12, 24
WORDS = Path(__file__).with_name("password_words.txt")
LIST = Path(__file__).with_name("common_passwords.txt")

Q = ("1234567890", "qwertyuıopğü", "asdfghjklşi", "zxcvbnmöç")
F = ("1234567890", "fgğıodrnhpqw", "uieaütkmlyş", "jövcçzsb")
"""The rows of the two Turkish keyboards."""
_TAILS = (
    "123456", "1234567", "12345678", "123456789", "1234567890", "123123", "112233", "654321", "111111", "000000",
    "123321", "1234", "12345", "2023", "2024", "2025", "2026", "1923", "1453", "1071", "1881", "1905", "1907", "1903",
    "1967", "1919", "1990", "1985", "2000", "3434", "0606", "3535", "1907fb", "1905gs", "34", "06", "35", "123", "321",
    "00", "01", "11", "1", "12", "61", "123abc", "abc123", "qwe123", "2023!", "123!", "1234!", "!!", "..", "...",
)  # fmt: skip
"""The ends that people put behind a word."""
_HOLIDAYS = ("29ekim1923", "23nisan1920", "19mayis1919", "30agustos1922", "10kasim1938", "15temmuz2016", "29mayis1453")
_LEET = (str.maketrans("aeios", "43105"), str.maketrans("aios", "@10$"), str.maketrans("aio", "@10"))
_MANY = 24
"""The tails that each group's words are tried with: the first of them that make the word long enough."""


def words() -> dict[str, list[str]]:
    """The groups of words, folded, the likeliest first."""
    groups: dict[str, list[str]] = {}
    group: list[str] = []
    for line in WORDS.read_text("utf-8").splitlines():
        if line.startswith("["):
            group = groups.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            group.extend(name_key(word) for word in line.split())
    return {name: list(dict.fromkeys(group)) for name, group in groups.items()}


def common() -> list[str]:
    """The file's passwords, folded, the likeliest first."""
    return LIST.read_text("utf-8").split()


def made() -> list[str]:
    """The passwords that the facts give, folded, each once, the likeliest first."""
    every = (*_leaked(), *_walks(), *_repeated(), *_of_words(), *_of_days(), *_disguised())
    return list(dict.fromkeys(each for each in map(name_key, every) if SHORTEST <= len(each) <= LONGEST))


def _leaked() -> Iterator[str]:
    from zxcvbn.matching import RANKED_DICTIONARIES

    return (word for word in RANKED_DICTIONARIES["passwords"] if len(word) >= SHORTEST)


def _walks() -> Iterator[str]:
    """Along the rows, down the columns, and to and fro between two rows."""
    for rows in (Q, F):
        columns = ["".join(row[place] for row in rows if place < len(row)) for place in range(10)]
        for lines in (rows, columns, [line[::-1] for line in columns], [row[::-1] for row in rows]):
            joined = "".join(lines)
            yield from (joined[start : start + length] for length in (12, 13, 14, 16) for start in range(20))
            yield from (line * 2 for line in lines)
            yield from (f"{one}{other}" for one, other in pairwise(lines))
        for upper, lower in pairwise(rows):
            pairs = "".join(one + other for one, other in zip(upper, lower, strict=False))
            yield from (pairs[:length] for length in (12, 14, 16, 18))
            yield from (f"{upper[:size]}{lower[:size]}" for size in range(6, 11))
            yield from (f"{upper[:size]}{digits}" for size in range(6, 12) for digits in ("123456", "12345678", "1234"))


def _repeated() -> Iterator[str]:
    yield from ("abcçdefgğhıi", "abcçdefgğhıijk", "abcdefghijkl", "abcdefghijklm", "aaaaaabbbbbb")
    yield from (word * times for word in _short() for times in (2, 3, 4) if SHORTEST <= len(word) * times <= 16)


def _short() -> list[str]:
    groups = words()
    return [
        *groups["usual"][:200],
        *groups["teams"],
        *groups["places"][:40],
        *groups["names"][:60],
        "abc",
        "asd",
        "qwe",
    ]


def _of_words() -> Iterator[str]:
    for group in words().values():
        for word in group[:150]:
            long_enough = [tail for tail in _TAILS if SHORTEST <= len(word) + len(tail) <= 18]
            yield from (word + tail for tail in long_enough[: _MANY // 2])


def _of_days() -> Iterator[str]:
    yield from _HOLIDAYS
    yield from (day + tail for day, tail in product(_HOLIDAYS, ("", "!", "..", "tr", "turk", "23", "1923")))
    days = words()["days"][:19]
    yield from (
        f"{day}{year}{tail}" for day, year in product(days, range(2023, 2028)) for tail in ("", "!", "..", "123")
    )
    yield from (f"{day:02}{month:02}{year}{day:02}{month:02}" for day, month, year in ((1, 1, 1990), (29, 10, 1923)))


def _disguised() -> Iterator[str]:
    """Words whose letters are written as digits and signs."""
    for word, letters in product(_short()[:120], _LEET):
        leet = word.translate(letters)
        if leet != word:
            yield from (leet + tail for tail in ("1234", "123456", "2024!") if len(leet + tail) >= SHORTEST)


def main() -> None:
    LIST.write_text("\n".join(made()) + "\n", "utf-8")


if __name__ == "__main__":
    main()
