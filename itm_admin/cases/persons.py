"""Persons as a kind of record: what pages and programming interface do with one, by this area's services."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, inspect
from sqlalchemy.orm import object_session

from itm_admin.cases import lookup, person_services
from itm_admin.cases.models import Person
from itm_admin.cases.schemas import PersonInput
from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Message
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.lookup import Id
from itm_admin.record.permissions import Actor
from itm_admin.record.schema import Input


class Persons(RecordInterface[Person]):
    """Seen through cases; changed with a look for duplicates, the blind index and the age that follow from it."""

    def get(self, session: AnySession, id: Id, *, or_deleted: bool = False, lock: bool = False) -> Person:
        return lookup.get_person(session, id, or_deleted=or_deleted, lock=lock)

    def query(self, *, deleted: bool = False) -> Select[Any]:
        return lookup.list_persons(deleted=deleted)

    def named_by(self, record: Person, columns: Sequence[str]) -> Iterable[uuid.UUID]:
        named = record.links if "case_references" in columns else ()
        return (link.case.id for link in named if link.case is not None)

    def schema(self, columns: Sequence[str], name: str | None = None) -> type[Input]:
        return PersonInput

    def guard(self, session: AnySession, actor: Actor, parent: Any, record: Person | None) -> None:
        """Of a part of a person too: by those who work on one of the person's cases, and of a child in its circle."""
        if record is not None:
            person_services.require_work_with(session, _with_links(record), actor)

    def why_locked(self, record: Any) -> Message | None:
        return person_services.why_locked(_with_links(record))

    def edit(
        self, session: AnySession, keyring: Keyring, id: Id, data: Mapping[str, Any], version: int, columns: Any
    ) -> Person:
        return person_services.change_person(session, keyring, id, data, version, notice=True)

    def restore(self, session: AnySession, id: Id) -> Person:
        person = super().restore(session, id)
        person_services.keep_in_a_case(session, person)
        return person


def _with_links(person: Person) -> Person:
    """The person with the links to their cases, which a part's statement does not load."""
    session = object_session(person)
    if "links" in inspect(person).unloaded and session is not None:
        return lookup.get_person(session, person.id, or_deleted=True)
    return person


PERSONS = Persons(Person)
