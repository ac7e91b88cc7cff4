"""The text of an API key's secret: a mark that leak scanners find, 32 random bytes, and check digits.

`itm_`, 43 digits of base 62, then 6 of the CRC-32 of all before them: a scanner tells a key from chance without asking
anybody. Knows no key and no database.
"""

from __future__ import annotations

import re
import secrets
import zlib

PREFIX = "itm_"
SECRET_BYTES = 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH, _CHECK = 43, 6
PATTERN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_LENGTH + _CHECK}}}", re.ASCII)
"""For scanners of source code and logs."""


def new() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def written(secret: bytes) -> str:
    """The text that its person takes away."""
    body = PREFIX + _in_digits(int.from_bytes(secret, "big"), _LENGTH)
    return body + _in_digits(zlib.crc32(body.encode("ascii")), _CHECK)


def read(text: str) -> bytes | None:
    """The secret; None for a text that is no key: another form, or check digits that do not fit."""
    if PATTERN.fullmatch(text) is None:
        return None
    number = 0
    for digit in text[len(PREFIX) : -_CHECK]:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    if number >= 1 << (8 * SECRET_BYTES):
        return None
    secret = number.to_bytes(SECRET_BYTES, "big")
    return secret if written(secret) == text else None


def _in_digits(number: int, length: int) -> str:
    found = ""
    for _place in range(length):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found
