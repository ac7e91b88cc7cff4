"""`make bench`: every figure in one run, as a table and in var/bench/results.json.

python -m tests.benchmarks.run [updates|ledgers|one-ledger|proofs|appends|verification|pages …]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from tests.benchmarks import checks, pages, trees, updates, writers
from tests.benchmarks.figures import Figure, Scale, keep, table
from tests.benchmarks.place import Place, home, opened


def measures(place: Place, scale: Scale = 1) -> Mapping[str, Callable[[], Sequence[Figure]]]:
    """The benchmarks by name, in the order in which they run."""
    ledgers = cache(partial(trees.Ledgers, place, scale))
    return {
        "updates": lambda: updates.measure(place, scale),
        "ledgers": lambda: writers.many_ledgers(place, scale),
        "one-ledger": lambda: writers.one_ledger(place, scale),
        "pages": lambda: pages.measure(place, scale),
        "proofs": lambda: trees.proofs(ledgers(), scale),
        "verification": lambda: checks.measure(ledgers(), scale),
        "appends": lambda: trees.appends(ledgers(), scale),
    }


def main(asked: Sequence[str], scale: Scale = 1) -> int:
    figures: list[Figure] = []
    with opened() as place:
        known = measures(place, scale)
        if unknown := set(asked) - set(known):
            print(f"not known: {', '.join(sorted(unknown))}; known: {', '.join(known)}", file=sys.stderr)
            return 2
        for name in asked or known:
            begun = time.monotonic()
            figures += known[name]()
            print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    keep(figures, home() / "results.json")
    print(table(figures))
    print(f"\nwritten to {home() / 'results.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
