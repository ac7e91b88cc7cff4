"""Takes a figure: alternating turns, many times, and the median of the turns' ratios.

The machine is shared. The two sides of a comparison run in short alternating turns, so that a disturbance hits both;
each pair of turns gives a ratio, and the figure is their median.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Turns:
    """Seconds of each turn, by what was done in it; turn i of each was taken beside turn i of the others."""

    seconds: Mapping[str, tuple[float, ...]]

    def ratio(self, slower: str, faster: str) -> float:
        """The rate of the first over the rate of the second: the median of all pairs of turns."""
        pairs = zip(self.seconds[slower], self.seconds[faster], strict=True)
        return statistics.median(other / own for own, other in pairs)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def in_turn(turns: int, work: Mapping[str, Callable[[], object]], warm_up: int = 1) -> Turns:
    """Does each of them once a turn, in an order that is turned round each time."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    names = list(work)
    gc.collect()
    gc.disable()  # or whose turn it is when it runs would pay for all
    try:
        for turn in range(warm_up + turns):
            for name in names:
                begun = time.perf_counter()
                work[name]()
                if turn >= warm_up:
                    taken[name].append(time.perf_counter() - begun)
            names.reverse()
    finally:
        gc.enable()
    return Turns({name: tuple(each) for name, each in taken.items()})
