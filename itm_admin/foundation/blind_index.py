"""The blind index: keyed digests by which a person is found without any value being readable.

Terms of one institution say nothing to another, nor to a reader of the database without the master key. A
term is the first 16 bytes of HMAC-SHA-256 under a key of the institution for each kind of value.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping

from itm_admin.foundation.encryption import InstitutionKeys
from itm_admin.foundation.identity_numbers import phone_number
from itm_admin.foundation.names import digits, document_number, email_address, name_parts

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
    key = keys.derive(f"index/{kind}/v1")
    forms = {form for form in KINDS[kind](value) if form}
    return sorted(hmac.digest(key, form.encode("utf-8"), "sha256")[:TERM_BYTES] for form in forms)


def digest(keys: InstitutionKeys, typed: Iterable[str]) -> str:
    """A keyed digest of typed search text for the ledger: equal searches look equal, and say nothing else."""
    key = keys.derive("index/search/v1")
    text = "\x00".join(typed).encode("utf-8", "surrogatepass")
    return hmac.digest(key, text, "sha256")[:TERM_BYTES].hex()
