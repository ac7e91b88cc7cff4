"""The blind index: keyed digests that find a person without any readable value.

An institution's terms are meaningless to another one, and to a reader of the database without the master key. A term is
the first 16 bytes of HMAC-SHA-256 under a key for each institution and kind of value.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping

from itm_admin.foundation.encryption import InstitutionKeys
from itm_admin.foundation.identity_numbers import phone_number
from itm_admin.foundation.name_folding import digits, document_number, email_address, index_parts, name_parts, readings

TERM_BYTES = 16


def _one(form: Callable[[str], str]) -> Callable[[str], Iterable[str]]:
    return lambda value: [form(value)]


KINDS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "name": name_parts,
    "tckn": _one(digits),
    "ykn": _one(digits),
    "passport": _one(document_number),
    "phone": _one(lambda value: phone_number(value) or digits(value)),
    "email": _one(email_address),
}
"""Kind of value → its normal forms."""


def terms(keys: InstitutionKeys, kind: str, value: str | None) -> list[bytes]:
    """The terms of one value, sorted; none for an empty value."""
    if not value:
        return []
    key = keys.index_key(kind)
    forms = {form for form in KINDS[kind](value) if form}
    return sorted(_term(key, form) for form in forms)


def name_terms(keys: InstitutionKeys, name: str | None) -> list[bytes]:
    """The terms that find a stored name: its parts, and neighbours joined."""
    key = keys.index_key("name")
    return sorted(_term(key, part) for part in index_parts(name or ""))


def readings_of(keys: InstitutionKeys, name: str) -> list[list[bytes]]:
    """For a typed name: the terms of each reading. A person who has all terms of one reading fits."""
    key = keys.index_key("name")
    return [sorted(_term(key, part) for part in way) for way in readings(name)]


def _term(key: bytes, form: str) -> bytes:
    return hmac.digest(key, form.encode("utf-8"), "sha256")[:TERM_BYTES]


def digest(keys: InstitutionKeys, typed: Iterable[str]) -> str:
    """A keyed digest of search text for the ledger: equal searches are equal, and nothing else is revealed."""
    key = keys.index_key("search")
    text = "\x00".join(typed).encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, "sha256")[:TERM_BYTES].hex()
