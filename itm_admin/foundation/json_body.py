"""Reads a request's JSON object strictly (RFC 8259, RFC 7493).

Refused are: a repeated name, which programs read differently; NaN and Infinity, which are not JSON; a lone surrogate,
which is not text; a number beyond 64 bits, which most readers change.
"""

from __future__ import annotations

import json
import math
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Invalid

_LARGEST = 2**63 - 1


def body(*, may_be_empty: bool = False) -> dict[str, Any]:
    """The object. Raises Invalid for anything else; an empty body gives an empty object if that is allowed."""
    content = request.get_data()
    if not content and may_be_empty:
        return {}
    if not request.is_json:
        raise Invalid
    try:
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_int=_whole,
            parse_float=_real,
        )
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # refuses a lone surrogate
    except (ValueError, RecursionError):
        raise Invalid from None
    if not isinstance(found, dict):
        raise Invalid
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Invalid({"": _l("A field is named twice.")})
    return found


def _no_number(_text: str) -> Any:
    raise Invalid({"": _l("This is not a number.")})


def _whole(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) > _LARGEST:
        raise Invalid({"": _l("This number is too large.")})
    return number


def _real(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise Invalid({"": _l("This number is too large.")})
    return number
