"""Charts as SVG, drawn by us: bars, columns, tiles and strips, each with a title, a summary and a table.

Promise: the table holds everything that the chart shows, and colour alone carries no meaning. No inline styles (the
content security policy forbids them): shapes carry classes of panel.css. Pure geometry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flask_babel import gettext as _

from itm_admin.foundation.formats import number

STEPS = 5
FEW = 9
"""The number of columns up to which labels have full size."""
_WIDE = 480
_CHARACTER = 7.6
"""Pixels that a character of 14 px takes, roughly."""


@dataclass(frozen=True)
class Shape:
    """A rectangle, a text or a line (`width` to the right, `height` down), in the chart's pixels."""

    kind: str
    x: float
    y: float
    width: float = 0
    height: float = 0
    css: str = ""
    text: str = ""


@dataclass(frozen=True)
class ChartRow:
    """One row of a chart's table; `url` is its first cell's link."""

    cells: tuple[str, ...]
    url: str | None = None


@dataclass(frozen=True)
class Picture:
    """A chart for `pictures.picture` in templates/_pictures.html.

    `numeric`: all columns after the first are numbers.
    """

    name: str
    title: str
    said: str
    width: int
    height: int
    shapes: Sequence[Shape]
    head: tuple[str, ...]
    rows: Sequence[ChartRow]
    numeric: bool = True
    listed_when_narrow: bool = False
    """Too wide for a telephone: there its table replaces it."""


@dataclass(frozen=True)
class Count:
    """One value of a chart: label, number, and link."""

    label: str
    value: int
    url: str | None = None


@dataclass(frozen=True)
class StripCell:
    """One cell of a strip: a sign and a tone for the chart, words for the table."""

    sign: str
    tone: str
    words: str


def bars(name: str, title: str, counts: Sequence[Count], head: tuple[str, str]) -> Picture:
    """Horizontal bars in the given order, with the label above each: for long labels."""
    most = max((count.value for count in counts), default=0)
    shapes: list[Shape] = []
    for place, count in enumerate(counts):
        top = place * 40
        length = max(2.0, (_WIDE - 60) * count.value / most) if count.value else 0.0
        shapes += [
            Shape("text", 0, top + 14, css="label", text=_shortened(count.label, _WIDE)),
            Shape("rect", 0, top + 20, length, 12, "bar-fill"),
            Shape("text", length + 8, top + 31, css="value", text=number(count.value)),
        ]
    return Picture(name, title, _summary(counts), _WIDE, max(40 * len(counts), 1), shapes, head, _rows(counts))


def columns(
    name: str, title: str, counts: Sequence[Count], head: tuple[str, ...], behind: Mapping[str, int] | None = None
) -> Picture:
    """Upright columns from left to right: for a time series.

    `behind`: label → another value on the same scale, drawn as a line with marks; the caller's table holds it too.
    """
    behind = behind or {}
    most, high = max((*behind.values(), *(count.value for count in counts)), default=0), 140
    step = _WIDE / max(len(counts), 6)
    shapes: list[Shape] = []
    for place, count in enumerate(counts):
        middle = step * (place + 0.5)
        tall = max(2.0, high * count.value / most) if count.value else 0.0
        if tall or not behind:
            shapes += [
                Shape("rect", middle - step * 0.35, 20 + high - tall, step * 0.7, tall, "bar-fill"),
                Shape("text", middle, 14 + high - tall, css="value middle", text=number(count.value)),
            ]
        size = "label" if len(counts) <= FEW else "small"
        shapes.append(Shape("text", middle, high + 38, css=f"{size} middle", text=count.label))
    base = Shape("rect", 0, high + 20, _WIDE, 1, "axis")
    line = _line([(step * (place + 0.5), behind.get(count.label)) for place, count in enumerate(counts)], high, most)
    shown = (*line, *shapes, base)
    return Picture(name, title, _summary(counts), _WIDE, high + 46, shown, head, _rows(counts))


def _line(points: Sequence[tuple[float, int | None]], high: int, most: int) -> list[Shape]:
    """A line through the points that have a value, each with a mark and its number."""
    known = [(x, 20 + high - high * value / most, value) for x, value in points if value is not None and most]
    shapes = [
        Shape("line", x, y, next_x - x, next_y - y, "behind")
        for (x, y, _value), (next_x, next_y, _next) in pairwise(known)
    ]
    for place, (x, y, value) in enumerate(known):
        around = [each[2] for each in (*known[max(place - 1, 0) : place], *known[place + 1 : place + 2])]
        below = bool(around) and value <= min(around)  # the line itself is above it
        shapes += [
            Shape("rect", x - 3, y - 3, 6, 6, "behind"),
            Shape("text", x, y + 16 if below else y - 8, css="value-behind small middle", text=number(value)),
        ]
    return shapes


def tiles(
    name: str, title: str, places: Mapping[str, tuple[int, int]], counts: Mapping[str, Count], head: tuple[str, str],
    sign: Callable[[str], str],
) -> Picture:  # fmt: skip
    """One square for each place at its (column, row); darker for more, with the number in it."""
    side = 44
    most = max((count.value for count in counts.values()), default=0)
    shapes: list[Shape] = []
    for code, (column, line) in places.items():
        value = counts[code].value if code in counts else 0
        left, top = column * side, line * side
        step = f"step-{-(-value * (STEPS - 1) // most) if value else 0}"
        shapes += [
            Shape("rect", left + 1, top + 1, side - 2, side - 2, f"tile {step}"),
            Shape("text", left + 5, top + 13, css=f"small {step}", text=sign(code)),
        ]
        if value:
            shapes.append(Shape("text", left + side / 2, top + 34, css=f"value middle {step}", text=number(value)))
    wide = (max(column for column, _line in places.values()) + 1) * side
    tall = (max(line for _column, line in places.values()) + 1) * side
    ranked = sorted((count for count in counts.values() if count.value), key=lambda count: -count.value)
    return Picture(name, title, _summary(ranked), wide, tall, shapes, head, _rows(ranked), listed_when_narrow=True)


def strip(
    name: str, title: str, said: str, lines: Sequence[tuple[str, Sequence[StripCell]]], moments: Sequence[str],
    head: str,
) -> Picture:  # fmt: skip
    """Lines of cells side by side, the oldest on the left; every third cell has its time below."""
    cell, tall = 26, 30
    start = int(max(len(label) for label, _marks in lines) * _CHARACTER) + 12
    shapes: list[Shape] = []
    for line, (label, marks) in enumerate(lines):
        top = line * tall
        shapes.append(Shape("text", 0, top + 19, css="label", text=label))
        for place, mark in enumerate(marks):
            left = start + place * cell
            shapes += [
                Shape("rect", left + 1, top + 1, cell - 2, tall - 2, f"mark tone-{mark.tone}"),
                Shape("text", left + cell / 2, top + 20, css=f"sign middle tone-{mark.tone}", text=mark.sign),
            ]
    below = len(lines) * tall + 16
    shapes += [
        Shape("text", start + (place + 0.5) * cell, below, css="small middle", text=moment)
        for place, moment in enumerate(moments)
        if place % 3 == 0
    ]
    rows = [
        ChartRow((moment, *(marks[place].words for _label, marks in lines)))
        for place, moment in reversed(list(enumerate(moments)))
    ]
    width = start + len(moments) * cell
    heads = (head, *(label for label, _marks in lines))
    return Picture(name, title, said, width, below + 6, shapes, heads, rows, numeric=False, listed_when_narrow=True)


def _rows(counts: Sequence[Count]) -> list[ChartRow]:
    return [ChartRow((count.label, number(count.value)), count.url) for count in counts]


def _summary(counts: Sequence[Count]) -> str:
    """The text for readers who do not see the chart."""
    if not any(count.value for count in counts):
        return str(_("Nothing to show."))
    largest = max(counts, key=lambda count: count.value)
    return str(
        _(
            "%(total)s in all; the most, %(most)s, under “%(label)s”.",
            total=number(sum(count.value for count in counts)),
            most=number(largest.value),
            label=largest.label,
        )
    )


def _shortened(text: str, width: float) -> str:
    room = int(width / _CHARACTER)
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"
