"""The 81 provinces as squares, roughly where they lie: west is left, north is up.

Laid out by us from the provinces' centres, one square each. The number is the licence plate's, as everybody
in Türkiye knows it, and the end of the code of ISO 3166-2:TR.
"""

from __future__ import annotations

_GRID = """
22 39 .. .. .. .. .. 67 74 .. 57 .. .. .. .. .. .. ..
.. 59 34 41 54 81 78 37 .. 55 .. 52 28 61 53 08 75 ..
17 .. 16 77 11 14 .. 18 19 05 60 .. 29 69 .. .. 36 ..
.. 10 .. 43 26 .. 06 71 66 .. 58 .. 24 62 25 .. 04 76
35 45 .. 64 03 .. .. 40 50 38 .. 44 23 12 49 13 65 ..
.. 09 20 15 32 .. 42 68 51 .. 46 02 .. 21 72 56 .. 30
.. .. 48 .. 07 .. 70 .. 33 01 80 27 63 .. 47 .. 73 ..
.. .. .. .. .. .. .. .. .. .. 31 79 .. .. .. .. .. ..
"""

PLACES = {
    f"TR-{number}": (column, line)
    for line, numbers in enumerate(_GRID.split("\n")[1:-1])
    for column, number in enumerate(numbers.split())
    if number != ".."
}
"""Code → (column, row), from the north-west corner."""
