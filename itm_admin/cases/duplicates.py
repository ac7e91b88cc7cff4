"""Persons who may be the same, noticed before somebody is entered twice.

The same identity number or passport, or the same name with the same birth date, among those whom the actor may see.
A match is a look at that person and an entry of the ledger; the actor opens the record, or says that it is somebody
else. Matching across institutions is another matter.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import or_, select

from itm_admin.cases import ages
from itm_admin.cases.models import Person
from itm_admin.foundation import blind_index
from itm_admin.foundation.audited_reads import Look, record_read
from itm_admin.foundation.encryption import AnySession, InstitutionKeys
from itm_admin.foundation.errors import CannotDecrypt, Invalid
from itm_admin.record import limits, protected_values
from itm_admin.record.birth_date import BirthDate

FIELD = "somebody_else"
_NUMBERS = ("tckn", "ykn", "passport")
_NAMES = ("given_name", "family_name")
MOST = 20


class PossibleMatch(Invalid):
    """The person may be known already. `found` are the records, which the refusal shows."""

    code = "possible_match"

    def __init__(self, found: Sequence[Person], digest: str) -> None:
        self.found = [(person.id, person.pseudonym) for person in found]
        names = ", ".join(person.pseudonym for person in found)
        message = _l("Possible match: %(names)s. Open that record, or say that it is somebody else.", names=names)
        super().__init__({FIELD: message}, message)
        ids = tuple(str(person.id) for person in found)
        self.looks = (Look("record.search", "person", subjects=ids, detail={"searched": digest, "page": "match"}),)


def refuse(
    session: AnySession,
    keys: InstitutionKeys,
    values: Mapping[str, Any],
    stored: Mapping[str, Any] | None = None,
    but: uuid.UUID | None = None,
) -> None:
    """PossibleMatch if what is to be stored (`values` over `stored`) is somebody whom the actor can see already.

    Asked only where one of the telling values is new; each asking counts as a search.
    """
    before = stored or {}
    telling = [name for name in (*_NUMBERS, *_NAMES, "birth_date") if values.get(name)]
    telling = [name for name in telling if values[name] != before.get(name)]
    if not telling:
        return
    known = {**before, **values}
    numbers = [
        blind_index.terms(each, name, known.get(name))
        for each in keys.for_lookups()
        for name in _NUMBERS
        if name in telling
    ]
    name = " ".join(filter(None, (known.get(part) for part in _NAMES)))
    ways = [Person.index_terms.contains(terms) for terms in numbers if terms]
    readings = [terms for each in keys.for_lookups() for terms in blind_index.readings_of(each, name)]
    named = [Person.index_terms.contains(terms) for terms in readings]
    if not known.get("birth_date"):
        named = []
    if not ways and not named:
        return
    limits.heed(session, "record.search")
    found = _fitting(session, ways, but) if ways else []
    if named:
        same = _fitting(session, named, but)
        found += [person for person in same if person not in found and _born(keys, person) == known["birth_date"]]
    told = (f"{each}={known.get(each)}" for each in (*_NUMBERS, *_NAMES, "birth_date"))
    digest = blind_index.digest(keys, told)
    if found:
        raise PossibleMatch(found[:MOST], digest)
    record_read("record.search", "person", detail={"searched": digest, "page": "match"})


def _fitting(session: AnySession, ways: Sequence[Any], but: uuid.UUID | None) -> list[Person]:
    statement = select(Person).where(or_(*ways), Person.deleted_at.is_(None), Person.erased_at.is_(None))
    if but is not None:
        statement = statement.where(Person.id != but)
    return list(session.scalars(statement.order_by(Person.created_at.desc(), Person.id).limit(MOST)))


def _born(keys: InstitutionKeys, person: Person) -> str | None:
    try:
        born: BirthDate | None = ages.birth_of(keys, person)
    except CannotDecrypt:
        return None
    return str(born) if born else None


def stored_values(keys: InstitutionKeys, person: Person) -> dict[str, Any]:
    """The stored identifying values, to compare with. Never for a page."""
    try:
        return dict(protected_values.opened(protected_values.record_key(keys, person), person))
    except CannotDecrypt:
        return {}
