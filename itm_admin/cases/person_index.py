"""The blind index, by which persons are found: terms of their protected values, written anew with each change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

from itm_admin.cases.models import Person
from itm_admin.foundation import blind_index
from itm_admin.foundation.encryption import InstitutionKeys, Key
from itm_admin.record.protected_values import opened

_INDEXED = {
    "given_name": "name",
    "family_name": "name",
    "tckn": "tckn",
    "ykn": "ykn",
    "passport": "passport",
    "phone": "phone",
    "email": "email",
}


def index(keys: InstitutionKeys, key: Key, person: Person) -> None:
    """Writes the person's blind index anew from all its fields.

    One random term is in it, so that the column changes with every write: the ledger names changed columns.
    """
    terms = _terms(keys, key, person)
    person.index_terms = sorted({*terms, os.urandom(blind_index.TERM_BYTES)}) if terms else []


def is_indexed(keys: InstitutionKeys, key: Key, person: Person) -> bool:
    """True if the index holds every term of this program's form, and besides them at most the random one."""
    stored = {bytes(term) for term in person.index_terms or ()}
    terms = _terms(keys, key, person)
    return terms <= stored and len(stored - terms) <= 1


def _terms(keys: InstitutionKeys, key: Key, person: Person) -> set[bytes]:
    return terms_of(keys, cast("Mapping[str, str | None]", opened(key, person)))


def terms_of(keys: InstitutionKeys, plain: Mapping[str, str | None]) -> set[bytes]:
    """The terms of a person's fields in plain text, without the random one."""
    terms = {term for name, kind in _INDEXED.items() for term in blind_index.terms(keys, kind, plain.get(name))}
    for name in ("given_name", "family_name"):
        terms.update(blind_index.name_terms(keys, plain.get(name)))
    return terms
