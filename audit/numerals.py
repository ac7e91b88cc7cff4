"""Limits for numbers in JSON, the same in both verifiers, so that each refuses what the other refuses.

A literal has at most 1,000 characters. A whole number is at most 2**53 - 1 in any spelling, and never -0. Times in
seconds end with the year 9999.
"""

from __future__ import annotations

import json
from typing import Any

MAX_NUMBER = 2**53 - 1
MAX_LITERAL = 1_000
MAX_TIME = 253_402_300_799


def decoder() -> json.JSONDecoder:
    """Refuses NaN, Infinity and literals that are too long; keeps the sign of -0, as JavaScript does."""
    return json.JSONDecoder(parse_constant=_refused, parse_int=_integer, parse_float=_real)


def whole(said: Any) -> int:
    """0 to 2**53 - 1, also spelled 0.0 or 1e3, which JavaScript cannot tell apart. Raises ValueError."""
    if type(said) not in (int, float) or not 0 <= said <= MAX_NUMBER or said != int(said) or str(said) == "-0.0":
        raise ValueError("not a whole number")
    return int(said)


def _integer(literal: str) -> int | float:
    if len(literal) > MAX_LITERAL:
        raise ValueError("too long a number")
    return -0.0 if literal == "-0" else int(literal)


def _real(literal: str) -> float:
    if len(literal) > MAX_LITERAL:
        raise ValueError("too long a number")
    return float(literal)


def _refused(name: str) -> Any:
    raise ValueError(name)
