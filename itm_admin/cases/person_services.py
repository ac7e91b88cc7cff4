"""The acts on the persons of a case: add, link, change, unlink, delete, and the victim's profile.

As in services.py: checked here, flushed, never committed. A person belongs to the institution and is worked
on through a case; an account that works on none of a person's cases may not change the person.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from itm_admin.cases import ages, duplicates, lookup, person_index
from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person, VictimProfile
from itm_admin.cases.permissions import is_assigned, require_circle, require_work_on
from itm_admin.cases.profiles import PROFILES
from itm_admin.cases.references import add_with_pseudonym
from itm_admin.cases.schemas import (
    PROFILE_COLUMNS,
    LinkInput,
    NewPersonInput,
    PersonInput,
    UnlinkInput,
)
from itm_admin.foundation.audited_reads import Look
from itm_admin.foundation.database_errors import CLOSED
from itm_admin.foundation.encryption import AnySession, InstitutionKeys, Key, Keyring
from itm_admin.foundation.errors import Denied, Invalid, Locked, Message
from itm_admin.foundation.roles import may
from itm_admin.record import protected_values
from itm_admin.record.birth_date import BirthDate
from itm_admin.record.lookup import Id
from itm_admin.record.permissions import Actor, require, require_management
from itm_admin.record.schema import load
from itm_admin.record.versions import expect

_PLAIN = ("gender", "citizenships", "language")
_NEVER_EMPTY = frozenset({"gender"})
MOVE, DELETE, ERASE = "MOVE", "DELETE", "ERASE"


def add_person_to_case(
    session: AnySession, keyring: Keyring, case_id: Id, data: Mapping[str, Any], *, notice: bool = False
) -> CasePerson:
    """A new person in a case, in a role (NewPersonInput). Returns the link, with its person loaded.

    `notice`: PossibleMatch if it may be somebody who is known already, unless `somebody_else` says that it is not.
    """
    actor = require("add", "Person")
    case = _open_case(session, case_id, actor)
    values = load(NewPersonInput, data)
    keys = keyring.of_institution(session)
    if not values.pop("somebody_else", False) and notice:
        duplicates.refuse(session, keys, values)
    person = Person(id=uuid.uuid4(), institution_id=actor.institution, unit_id=case.unit_id, index_terms=[])
    _write(keys, protected_values.new_key(keys, person), person, values, [case.opened_on])
    if person.is_child:
        stay_inside(session, case, actor)
    add_with_pseudonym(session, person, actor.code)
    return _add_link(session, keys, case, person, values["role"])


def link_person(session: AnySession, keyring: Keyring, case_id: Id, data: Mapping[str, Any]) -> CasePerson:
    """A person who is known already, in one more case (LinkInput). NotFound if the person is not visible.

    Denied for a person of special sensitivity to those outside the circle: else one could let oneself in.
    """
    actor = require("add", "Person")
    case = _open_case(session, case_id, actor)
    values = load(LinkInput, data)
    person = lookup.get_person(session, values["person_id"])
    protected_values.refuse_erased(person)
    require_circle(session, person)
    there = select(CasePerson.id).where(
        CasePerson.case_id == case.id,
        CasePerson.person_id == person.id,
        CasePerson.role == values["role"],
        CasePerson.deleted_at.is_(None),
    )
    if session.scalar(there) is not None:
        raise Invalid({"role": _l("This person is in the case in this role already.")})
    keys = keyring.of_institution(session)
    link = _add_link(session, keys, case, person, values["role"])
    ages.follow(session, keys, person)
    return link


AFTER_BIRTH: list[Callable[[AnySession, InstitutionKeys, Person], None]] = []
"""Work of areas above, in the same transaction, once a person's birth date has changed."""
ALL_CLOSED: Message = _l("All cases of this person are closed. Reopen one first.")


def why_locked(person: Person) -> Message | None:
    """Why nobody may change the person now; None: it is open."""
    cases = _cases_of(person)
    if cases and all(case.closed_on is not None for case in cases):
        return ALL_CLOSED
    return None


def _cases_of(person: Person) -> list[Case]:
    return [link.case for link in person.links if link.case is not None and link.case.deleted_at is None]


def change_person(
    session: AnySession,
    keyring: Keyring,
    person_id: Id,
    data: Mapping[str, Any],
    version: int,
    *,
    notice: bool = False,
) -> Person:
    """Changes the named fields (PersonInput, partial): absent = unchanged, null = cleared; as `change_case`.

    Locked while all the person's cases are closed; PossibleMatch as `add_person_to_case`.
    """
    actor = require("edit", "Person")
    person = lookup.get_person(session, person_id, lock=True)
    require_work_with(session, person, actor)
    protected_values.refuse_erased(person)
    if (reason := why_locked(person)) is not None:
        raise Locked(reason)
    expect(person, version)
    values = load(PersonInput, data, partial=True)
    keys = keyring.of_institution(session)
    key = protected_values.record_key(keys, person)
    if not values.pop("somebody_else", False) and notice:
        duplicates.refuse(session, keys, values, duplicates.stored_values(keys, person), person.id)
    was_child = person.is_child
    _write(keys, key, person, values, list(ages.days_of(session, person).values()))
    if person.is_child and not was_child:
        stay_inside(session, next(case for case in _cases_of(person) if case.closed_on is None), actor)
    session.flush()
    if "birth_date" in values:
        ages.follow(session, keys, person)
        for follow in AFTER_BIRTH:
            follow(session, keys, person)
    return person


def stay_inside(session: AnySession, case: Case, actor: Actor) -> None:
    """Assigns the person who closes a circle by entering a child, and so stays inside it."""
    if is_assigned(session, case, actor.account) or session.scalar(select(func.itm.holds_special(case.id))):
        return
    if may(actor.context.roles, "assign", "Case"):
        session.add(CaseAssignment(institution_id=case.institution_id, case_id=case.id, account_id=actor.account))
        session.flush()


def unlink_person(session: AnySession, keyring: Keyring, link_id: Id, data: Mapping[str, Any]) -> CasePerson:
    """Takes a person out of a case, for a reason (UnlinkInput); by a manager of the case's unit.

    From the last case it is said where to: another case of the institution, or the person is deleted. Invalid
    otherwise. Who is to be erased is deleted here and erased on the page or by the call for that.
    """
    actor = require("delete", "Person")
    link = lookup.get_link(session, link_id, lock=True)
    require_management(link.case.unit_id, actor)
    refuse_closed(link.case)
    values, person = load(UnlinkInput, data), link.person
    keys = keyring.of_institution(session)
    last = len(ages.days_of(session, person)) == 1
    then = values.get("then")
    if last and then is None:
        raise Invalid({"then": _l("This is the person's last case: say what happens to the person.")})
    if then == MOVE:
        protected_values.refuse_erased(person)
        _move(session, keys, link, values.get("case_id"))
    link.deletion_reason, link.deleted_at = values["reason"], func.now()
    if last and then in (DELETE, ERASE):
        person.deletion_reason, person.deleted_at = values["reason"], func.now()
    session.flush()
    ages.follow_inside(session, keys, person)
    return link


def _move(session: AnySession, keys: InstitutionKeys, link: CasePerson, wanted: uuid.UUID | None) -> None:
    """The same person in the same role in another open case of the institution."""
    target = lookup.find_case(session, wanted)
    if target is None or target.id == link.case_id or target.closed_on is not None:
        raise Invalid({"case_id": _l("Choose another open case of your institution.")})
    _add_link(session, keys, target, link.person, link.role)


def why_closed(case: Case | None) -> Message | None:
    """Why nobody comes into this case or leaves it, by its name; None: it is open."""
    if case is None or case.closed_on is None:
        return None
    told: Message = _l("The case %(reference)s is closed. Reopen it first.", reference=case.reference)
    return told


def refuse_closed(case: Case | None) -> None:
    """Locked for a closed case. The refusal names it, so the look at it is told."""
    if case is not None and (reason := why_closed(case)) is not None:
        refusal = Locked(reason)
        refusal.looks = (Look("record.read", "case", str(case.id)),)
        raise refusal


def keep_in_a_case(session: AnySession, person: Person) -> None:
    """Nobody alive is in no case: who was deleted when leaving the last one returns to it. Locked if it is closed."""
    if ages.days_of(session, person):
        return
    last = (CasePerson.deleted_at.desc(), CasePerson.id)
    mine = select(CasePerson).where(CasePerson.person_id == person.id).order_by(*last).limit(1)
    link = session.scalar(mine.options(joinedload(CasePerson.case)))
    if link is not None:
        refuse_closed(link.case)
        link.deleted_at = link.deletion_reason = None
        session.flush()


def set_profile(
    session: AnySession, keyring: Keyring, link_id: Id, data: Mapping[str, Any], version: int | None = None
) -> VictimProfile:
    """Writes a victim's profile in a case (VictimProfileInput): whole the first time, then partial with a version.

    Invalid if the person is not a victim there; Conflict if the profile exists and `version` is not its newest.
    """
    return PROFILES.put_inside(session, keyring, link_id, data, version, PROFILE_COLUMNS)


def _open_case(session: AnySession, case_id: Id, actor: Actor) -> Case:
    case = lookup.get_case(session, case_id, lock=True)  # who closes it waits, or is waited for
    require_work_on(session, case, actor)
    if case.closed_on is not None:
        raise Locked(CLOSED)
    return case


def require_work_with(session: AnySession, person: Person, actor: Actor) -> None:
    """Denied to those who work on none of the person's cases, and for a child to those outside the circle."""
    _require_work_on_one(session, _cases_of(person), actor)
    require_circle(session, person)


def _require_work_on_one(session: AnySession, cases: list[Case], actor: Actor) -> None:
    for case in cases:
        try:
            return require_work_on(session, case, actor)
        except Denied:
            continue
    raise Denied


def _add_link(session: AnySession, keys: InstitutionKeys, case: Case, person: Person, role: str) -> CasePerson:
    link = CasePerson(institution_id=case.institution_id, unit_id=case.unit_id, case_id=case.id, person_id=person.id)
    link.role = role
    ages.set_link(link, ages.birth_of(keys, person), case.opened_on)
    session.add(link)
    session.flush()
    session.refresh(link, ["case", "person", "profile"])
    return link


def _put_plain(record: Any, names: tuple[str, ...], values: Mapping[str, Any]) -> None:
    for name in names:
        if name in values and not (values[name] is None and name in _NEVER_EMPTY):
            setattr(record, name, values[name])


def _write(keys: InstitutionKeys, key: Key, person: Person, values: Mapping[str, Any], days: list[date]) -> None:
    """The fields, and what follows from them: the index, the age band, whether it is a child."""
    _put_plain(person, _PLAIN, values)
    if protected_values.put(key, person, values):
        person_index.index(keys, key, person)
    if "birth_date" in values:
        born = BirthDate.read(values["birth_date"]) if values["birth_date"] else None
        ages.set_person(person, born, days)
