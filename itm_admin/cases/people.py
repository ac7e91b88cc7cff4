"""What people do with the persons of a case: add, link, change, unlink, delete, and the victim's profile.

As in services.py: checked here, flushed, never committed. A person belongs to the institution and is worked
on through a case; whoever may work on none of a person's cases may not change the person.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from itm_admin.cases import lookup, personal_data
from itm_admin.cases.acting import Actor, require, require_management, require_work_on
from itm_admin.cases.birth import BirthDate, age_band, is_child
from itm_admin.cases.fields import today
from itm_admin.cases.models import Case, CasePerson, Person, VictimProfile
from itm_admin.cases.numbering import add_with_pseudonym
from itm_admin.cases.schemas import (
    DeleteInput,
    LinkInput,
    NewPersonInput,
    PersonInput,
    VictimProfileInput,
    load,
)
from itm_admin.cases.services import Id, expect
from itm_admin.foundation.encryption import AnySession, InstitutionKeys, Key, Keyring
from itm_admin.foundation.errors import Denied, Invalid, Locked, NotFound

VICTIM = "VICTIM"
_PLAIN = ("gender", "citizenships", "language")
_PROFILE = (
    "trafficking_status", "status_decision_maker", "recruitment_methods", "control_methods", "age_when_trafficked",
    "relation_to_trafficker",
)  # fmt: skip
_NEVER_EMPTY = frozenset({"gender", "trafficking_status"})
_ADULT, _CHILD = 2, 3
"""Sensitivity of persons: confidential, and special for children (DOMAIN, sharing rule 6)."""


def add_person_to_case(session: AnySession, keyring: Keyring, case_id: Id, data: Mapping[str, Any]) -> CasePerson:
    """A new person in a case, in a role (NewPersonInput). Returns the link, with its person loaded."""
    actor = require("add", "Person")
    case = _open_case(session, case_id, actor)
    values = load(NewPersonInput, data)
    keys = keyring.of_institution(session)
    person = Person(id=uuid.uuid4(), institution_id=actor.institution, unit_id=case.unit_id, index_terms=[])
    _write(keys, personal_data.new_key(keys, person), person, values, case.opened_on)
    add_with_pseudonym(session, person, actor.code)
    return _add_link(session, case, person, values["role"])


def link_person(session: AnySession, case_id: Id, data: Mapping[str, Any]) -> CasePerson:
    """A person who is known already, in one more case (LinkInput). NotFound if the person is not visible."""
    actor = require("add", "Person")
    case = _open_case(session, case_id, actor)
    values = load(LinkInput, data)
    person = lookup.get_person(session, values["person_id"])
    personal_data.refuse_erased(person)
    there = select(CasePerson.id).where(
        CasePerson.case_id == case.id,
        CasePerson.person_id == person.id,
        CasePerson.role == values["role"],
        CasePerson.deleted_at.is_(None),
    )
    if session.scalar(there) is not None:
        raise Invalid({"role": _l("This person is in the case in this role already.")})
    return _add_link(session, case, person, values["role"])


def change_person(
    session: AnySession, keyring: Keyring, person_id: Id, data: Mapping[str, Any], version: int
) -> Person:
    """Changes the named fields (PersonInput, partial): absent = unchanged, null = cleared; as `change_case`."""
    actor = require("edit", "Person")
    person = lookup.get_person(session, person_id, lock=True)
    cases = [link.case for link in person.links if link.case is not None and link.case.deleted_at is None]
    _require_work_on_one(session, cases, actor)
    personal_data.refuse_erased(person)
    expect(person, version)
    values = load(PersonInput, data, partial=True)
    keys = keyring.of_institution(session)
    reference = min((case.opened_on for case in cases), default=today())
    _write(keys, personal_data.record_key(keys, person), person, values, reference)
    session.flush()
    return person


def unlink_person(session: AnySession, link_id: Id, data: Mapping[str, Any]) -> CasePerson:
    """Takes a person out of a case, for a reason (DeleteInput); by a manager of the case's unit."""
    actor = require("delete", "Person")
    link = lookup.get_link(session, link_id, lock=True)
    require_management(link.unit_id, actor)
    link.deletion_reason = load(DeleteInput, data)["reason"]
    link.deleted_at = func.now()
    session.flush()
    return link


def delete_person(session: AnySession, person_id: Id, data: Mapping[str, Any], version: int | None = None) -> Person:
    """Hides a person everywhere, for a reason (DeleteInput); by a manager. Nothing is destroyed."""
    actor = require("delete", "Person")
    person = lookup.get_person(session, person_id, lock=True)
    require_management(person.unit_id, actor)
    personal_data.refuse_erased(person)
    if version is not None:
        expect(person, version)
    person.deletion_reason = load(DeleteInput, data)["reason"]
    person.deleted_at = func.now()
    session.flush()
    return person


def restore_person(session: AnySession, person_id: Id) -> Person:
    """Brings a deleted person back; by a manager. NotFound if the person is not deleted."""
    actor = require("restore", "Person")
    person = lookup.get_person(session, person_id, or_deleted=True, lock=True)
    require_management(person.unit_id, actor)
    personal_data.refuse_erased(person)
    if person.deleted_at is None:
        raise NotFound
    person.deleted_at = person.deletion_reason = None
    session.flush()
    return person


def set_profile(
    session: AnySession, keyring: Keyring, link_id: Id, data: Mapping[str, Any], version: int | None = None
) -> VictimProfile:
    """Writes a victim's profile in a case (VictimProfileInput): whole the first time, then partial with a version.

    Invalid if the person is not a victim there; Conflict if the profile exists and `version` is not its newest.
    """
    link = lookup.get_link(session, link_id, lock=True)
    profile = lookup.profile_of(session, link)
    actor = require("add" if profile is None else "edit", "VictimProfile")
    require_work_on(session, link.case, actor)
    personal_data.refuse_erased(link.person)
    if link.case.closed_on is not None:
        raise Locked(_l("This case is closed. Reopen it first."))
    if link.role != VICTIM:
        raise Invalid({"": _l("Only a victim has a profile.")})
    if profile is not None:
        expect(profile, version or 0)
    values = load(VictimProfileInput, data, partial=profile is not None)
    if profile is None:
        profile = VictimProfile(id=uuid.uuid4(), institution_id=link.institution_id, unit_id=link.unit_id)
        profile.case_person_id, profile.sensitivity = link.id, _CHILD
        session.add(profile)
    with session.no_autoflush:
        _put_plain(profile, _PROFILE, values)
        personal_data.put(personal_data.record_key(keyring.of_institution(session), link.person), profile, values)
    session.flush()
    return profile


def _open_case(session: AnySession, case_id: Id, actor: Actor) -> Case:
    case = lookup.get_case(session, case_id)
    require_work_on(session, case, actor)
    if case.closed_on is not None:
        raise Locked(_l("This case is closed. Reopen it first."))
    return case


def _require_work_on_one(session: AnySession, cases: list[Case], actor: Actor) -> None:
    for case in cases:
        try:
            return require_work_on(session, case, actor)
        except Denied:
            continue
    raise Denied


def _add_link(session: AnySession, case: Case, person: Person, role: str) -> CasePerson:
    link = CasePerson(institution_id=case.institution_id, unit_id=case.unit_id, case_id=case.id, person_id=person.id)
    link.role, link.sensitivity = role, person.sensitivity
    session.add(link)
    session.flush()
    session.refresh(link, ["case", "person", "profile"])
    return link


def _put_plain(record: Any, names: tuple[str, ...], values: Mapping[str, Any]) -> None:
    for name in names:
        if name in values and not (values[name] is None and name in _NEVER_EMPTY):
            setattr(record, name, values[name])


def _write(keys: InstitutionKeys, key: Key, person: Person, values: Mapping[str, Any], reference: date) -> None:
    """The fields, and what follows from them: the index, the age band, whether it is a child."""
    _put_plain(person, _PLAIN, values)
    if personal_data.put(key, person, values):
        personal_data.index(keys, key, person)
    if "birth_date" in values:
        born = BirthDate.read(values["birth_date"]) if values["birth_date"] else None
        person.birth_precision = born.precision if born else None
        person.age_band, person.is_child = age_band(born, reference), is_child(born, reference)
    person.sensitivity = _CHILD if person.is_child else _ADULT
