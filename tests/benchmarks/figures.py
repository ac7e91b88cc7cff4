"""The results of a run of the benchmarks: figures with aims and comparisons, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

Scale = float
"""1 for a whole run; the harness's own test asks for a small part of the sizes and turns."""


@dataclass(frozen=True)
class Figure:
    """One line. ``least`` or ``most`` is the aim; ``beside`` is what was measured in the same run, for comparison."""

    name: str
    value: float
    unit: str = "ratio"
    least: float | None = None
    most: float | None = None
    beside: Mapping[str, float] = field(default_factory=dict)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def met(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def aim(self) -> str:
        if self.least is None and self.most is None:
            return "–"
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


Measure = Callable[[], Sequence[Figure]]


def table(figures: Sequence[Figure]) -> str:
    """For people: one line a figure, what stands beside it under it."""
    lines = [f"{'figure':<78} {'value':>10} {'aim':>8}  met  load"]
    for each in figures:
        met = "–" if each.aim == "–" else "yes" if each.met else "NO"
        lines.append(f"{each.name:<78} {_number(each.value):>10} {each.aim:>8}  {met:<4} {each.load:.1f}   {each.unit}")
        lines += [f"    {name:<74} {_number(value):>10}" for name, value in each.beside.items()]
    return "\n".join(lines)


def keep(figures: Sequence[Figure], path: Path) -> None:
    """Writes the run's results, in place of the last run's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "figures": [{**asdict(each), "met": each.met} for each in figures],
    }
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"
