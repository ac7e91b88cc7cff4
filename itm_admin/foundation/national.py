"""Published national figures, with the source of each (national_figures.csv), exactly as published.

Sources contradict each other in places; nothing is corrected or added up here. Knows no database.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("national_figures.csv")


@dataclass(frozen=True)
class Figure:
    """One published number of a year, or of a span of years ("2019-2023")."""

    year: str
    indicator: str
    value: int
    source: str
    """Names of the publications, as people cite them."""
    address: str
    """The places where they were read; on no page."""
    note: str


@cache
def figures() -> tuple[Figure, ...]:
    with _FILE.open(encoding="utf-8", newline="") as lines:
        return tuple(Figure(**{**line, "value": int(line["value"])}) for line in csv.DictReader(lines))  # type: ignore[arg-type]


def by_year(indicator: str = "victims_identified") -> Mapping[int, Figure]:
    """Year → the figure of a single year, in the years' order."""
    return {int(each.year): each for each in figures() if each.indicator == indicator and each.year.isdecimal()}
