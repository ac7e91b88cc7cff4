"""Values that follow from a birth date: the age in each case, and whether the person is a child.

An age belongs to the day on which a case was opened, so it stands on the person's link to the case; the person
shows the earliest one. A service that changes a birth date, an opening day or a link calls `follow` in the same
transaction. The database refuses it otherwise, and derives the sensitivity: 3 for a child, 2 for an
adult (itm.derived).
"""

from __future__ import annotations

from datetime import date
from typing import cast

from sqlalchemy import Boolean, func, select
from sqlalchemy import cast as cast_
from sqlalchemy.orm import Session

from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.permissions import SPECIAL, is_in_circle
from itm_admin.foundation.encryption import AnySession, InstitutionKeys
from itm_admin.foundation.records import Identifier
from itm_admin.record import protected_values
from itm_admin.record.birth_date import BirthDate, age_band, is_child


def birth_of(keys: InstitutionKeys, person: Person) -> BirthDate | None:
    """The stored birth date."""
    if person.birth_date_enc is None:
        return None
    values = protected_values.opened(protected_values.record_key(keys, person), person)
    return BirthDate.read(cast("str", values["birth_date"]))


def set_person(person: Person, born: BirthDate | None, days: list[date]) -> bool:
    """Derives what the person shows, from the earliest of the cases' days. Tells whether anything changed."""
    before = (person.age_band, person.is_child, person.birth_precision)
    person.birth_precision = born.precision if born else None
    if days:
        person.age_band, person.is_child = age_band(born, min(days)), is_child(born, min(days))
    return before != (person.age_band, person.is_child, person.birth_precision)


def set_link(link: CasePerson, born: BirthDate | None, day: date) -> None:
    """Derives what a new link shows."""
    link.age_band, link.is_child = age_band(born, day), is_child(born, day)


def days_of(session: AnySession, person: Person) -> dict[str, date]:
    """The opening day of each case that the person is in, by link; the actor need not see the case."""
    found = func.itm.age_days(person.id).table_valued("link", "opened_on")
    return {str(row.link): row.opened_on for row in session.execute(select(found))}


def follow(session: AnySession, keys: InstitutionKeys, person: Person) -> bool:
    """Works everything out anew, flushed. An erased person stays as they were. Tells whether anything changed."""
    if person.erased_at is not None:
        return False
    session.flush()
    born, days = birth_of(keys, person), days_of(session, person)
    changed = set_person(person, born, list(days.values()))
    session.flush()
    for link, day in days.items():
        age = (cast_(link, Identifier), age_band(born, day), cast_(is_child(born, day), Boolean))
        written = session.scalar(select(func.itm.write_age(*age)))
        changed = bool(written) or changed
    return changed


def follow_inside(session: AnySession, keys: InstitutionKeys, person: Person) -> None:
    """As `follow`; for a child and an actor outside the child's circle, the nightly upkeep follows instead."""
    if person.sensitivity < SPECIAL or is_in_circle(session, person):
        follow(session, keys, person)


def follow_case(session: Session | AnySession, keys: InstitutionKeys, case: Case) -> None:
    """After the case's day changed: everybody in it."""
    statement = (
        select(Person)
        .join(CasePerson, CasePerson.person_id == Person.id)
        .where(CasePerson.case_id == case.id, CasePerson.deleted_at.is_(None))
        .distinct()
    )
    for person in session.scalars(statement):
        follow_inside(session, keys, person)
