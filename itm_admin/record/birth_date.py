"""Birth dates as precisely as they are known, and what may be told from them without showing them.

A date is kept as ISO 8601 text of its precision: 1999, 1999-05 or 1999-05-12. Where nobody knows a date, an age is
estimated, and kept with the day on which it was: ~17@2026-11-20, about 17 on that day, give or take a year. Where the
precision leaves two ages open the younger one counts, so that nobody who may be a child is treated as an adult (Council
of Europe Convention on Action against Trafficking in Human Beings, art. 10 (3)).
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from itm_admin.foundation import vocabulary

ADULT_AT = 18
OLDEST = 120
UNKNOWN_BAND = "UNK"
_FORM = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_PRECISIONS = ("year", "month", "day")
_ESTIMATE = re.compile(r"~([0-9]{1,3})@([0-9]{4}-[0-9]{2}-[0-9]{2})")
_TYPED = re.compile(
    r"(?:~|≈|yaklaşık|yaklasik|about|around|ca\.?)\s*([0-9]{1,3})(?:\s*(?:@|\(|,|;)?\s*([0-9.\-/]{8,10})\)?)?", re.I
)
MARGIN = 1
"""Years by which an estimated age may be wrong."""


@dataclass(frozen=True, repr=False)
class BirthDate:
    """A day, a month or a year, or an estimated age on a day. Its repr does not show it."""

    year: int
    month: int | None = None
    day: int | None = None
    estimate: tuple[int, date] | None = None
    """The age and the day on which it was estimated; the year is then that of the middle."""

    @classmethod
    def read(cls, text: str) -> Self:
        """ValueError for anything but a real date in one of the three forms, or an estimate."""
        if (guess := _ESTIMATE.fullmatch(text)) is not None:
            age, on = int(guess[1]), date.fromisoformat(guess[2])
            return cls(on.year - age, estimate=(age, on))
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError("YYYY, YYYY-MM or YYYY-MM-DD")
        month, day = (None if part is None else int(part) for part in form.groups()[1:])
        year = int(form[1])
        date(year, 1 if month is None else month, 1 if day is None else day)
        return cls(year, month, day)

    @property
    def precision(self) -> str:
        """year, month, day or estimate."""
        if self.estimate:
            return "estimate"
        return _PRECISIONS[(self.month is not None) + (self.day is not None)]

    @property
    def earliest(self) -> date:
        if self.estimate:
            age, on = self.estimate
            return _years_before(on, age + MARGIN + 1)
        return date(self.year, self.month or 1, self.day or 1)

    @property
    def latest(self) -> date:
        if self.estimate:
            age, on = self.estimate
            return _years_before(on, max(age - MARGIN, 0))
        month = self.month or 12
        return date(self.year, month, self.day or calendar.monthrange(self.year, month)[1])

    def youngest_age(self, on: date) -> int:
        """The completed years that the person has at least, on a day; 0 before the birth."""
        born = self.latest
        return max(0, on.year - born.year - ((on.month, on.day) < (born.month, born.day)))

    def __str__(self) -> str:
        if self.estimate:
            return f"~{self.estimate[0]}@{self.estimate[1].isoformat()}"
        parts = (f"{self.year:04}", *(f"{part:02}" for part in (self.month, self.day) if part is not None))
        return "-".join(parts)

    def __repr__(self) -> str:
        return f"<BirthDate to the {self.precision}>"


def estimated(text: str, on: date) -> str | None:
    """The stored form of an estimate as people type it: about 17, yaklaşık 17, ~17, with a day or that of today."""
    typed = _TYPED.fullmatch(text.strip())
    if typed is None:
        return None
    if typed[2]:
        parts = re.split(r"[.\-/]", typed[2])
        if len(parts) != 3:
            return None
        year, month, day = parts if len(parts[0]) == 4 else reversed(parts)
        try:
            on = date(int(year), int(month), int(day))
        except ValueError:
            return None
    return f"~{int(typed[1])}@{on.isoformat()}"


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year - years, day=28)


def age_band(birth: BirthDate | None, on: date) -> str:
    """The code of the vocabulary `age_band` on a day; UNK if no birth date is known."""
    if birth is None:
        return UNKNOWN_BAND
    age = birth.youngest_age(on)
    return next(code for code, low, high in _bands() if low <= age <= high)


def is_child(birth: BirthDate | None, on: date) -> bool | None:
    """True if the person is, or may be, under 18 on a day; None if no birth date is known."""
    return None if birth is None else birth.youngest_age(on) < ADULT_AT


def _bands() -> list[tuple[str, int, int]]:
    bands = []
    for code in vocabulary.codes("age_band"):
        if code != UNKNOWN_BAND:
            low, _, high = code.removesuffix("+").partition("-")
            bands.append((code, int(low), int(high) if high else 999))
    return bands
