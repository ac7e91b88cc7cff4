"""Finding cases and persons: what the person at work may see, and nothing that tells the rest exists.

Row-level security decides which rows there are; a foreign, a missing and a malformed id are the same
NotFound. Each statement loads what its screen shows, so that no row asks the database again.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload, with_expression
from sqlalchemy.sql.base import ExecutableOption

from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person
from itm_admin.cases.schemas import SearchInput
from itm_admin.foundation import blind_index, tenancy
from itm_admin.foundation.encryption import AnySession, InstitutionKeys, Keyring
from itm_admin.foundation.errors import Invalid, NotFound
from itm_admin.foundation.roles import may
from itm_admin.record import limits
from itm_admin.record.lookup import get_visible
from itm_admin.record.permissions import require
from itm_admin.record.schema import load

MOST_FOUND = 100


def get_case(session: AnySession, case_id: uuid.UUID | str, *, or_deleted: bool = False, lock: bool = False) -> Case:
    """A visible case with its unit, lead institution and live assignments (with accounts). NotFound.

    `or_deleted` finds a deleted one too, for those who may restore it; `lock` keeps others from saving it
    until the transaction ends.
    """
    options = (
        joinedload(Case.unit),
        joinedload(Case.lead_institution),
        selectinload(Case.assignments.and_(CaseAssignment.ended_at.is_(None))).joinedload(CaseAssignment.account),
    )
    return get_visible(session, Case, case_id, "Case", or_deleted, lock, options)


def find_case(session: AnySession, case_id: uuid.UUID | None) -> Case | None:
    """A visible, live case; None for any other."""
    if case_id is None:
        return None
    return session.scalar(select(Case).where(Case.id == case_id, Case.deleted_at.is_(None)))


def case_called(session: AnySession, reference: str | None) -> uuid.UUID | None:
    """The visible, live case with this reference."""
    wanted = (reference or "").strip().upper()
    return session.scalar(select(Case.id).where(Case.reference == wanted, Case.deleted_at.is_(None)))


def get_person(
    session: AnySession, person_id: uuid.UUID | str, *, or_deleted: bool = False, lock: bool = False
) -> Person:
    """A visible person with the links to visible cases. NotFound; as `get_case`."""
    options = (selectinload(Person.links.and_(CasePerson.deleted_at.is_(None))).joinedload(CasePerson.case),)
    return get_visible(session, Person, person_id, "Person", or_deleted, lock, options)


def get_link(session: AnySession, link_id: uuid.UUID | str, *, lock: bool = False) -> CasePerson:
    """A visible, live link of a live case and a live person, with both and with the profile. NotFound."""
    options = (joinedload(CasePerson.case), joinedload(CasePerson.person), joinedload(CasePerson.profile))
    link = get_visible(session, CasePerson, link_id, "Person", False, lock, options)
    if link.case is None or link.person is None or link.case.deleted_at or link.person.deleted_at:
        raise NotFound
    return link


def people_of(session: AnySession, case: Case) -> list[CasePerson]:
    """The live people of a case, each link with its person and its victim's profile; victims first."""
    statement = (
        select(CasePerson)
        .join(CasePerson.person)
        .options(contains_eager(CasePerson.person), joinedload(CasePerson.profile))
        .where(CasePerson.case_id == case.id, CasePerson.deleted_at.is_(None), Person.deleted_at.is_(None))
        .order_by(CasePerson.role != "VICTIM", CasePerson.created_at, CasePerson.id)
    )
    return list(session.scalars(statement, execution_options={"populate_existing": True}))


def assignments_of(session: AnySession, case: Case) -> list[CaseAssignment]:
    """Every assignment of a case, ended ones too, each with its account; oldest first."""
    statement = (
        select(CaseAssignment)
        .options(joinedload(CaseAssignment.account))
        .where(CaseAssignment.case_id == case.id)
        .order_by(CaseAssignment.assigned_at, CaseAssignment.id)
    )
    return list(session.scalars(statement))


def list_cases(*, deleted: bool = False) -> Select[Case]:
    """Visible cases with unit, number of people and live assignments, for a listing to narrow and order."""
    people = (
        select(func.count())
        .select_from(CasePerson)
        .where(CasePerson.case_id == Case.id, CasePerson.deleted_at.is_(None))
        .correlate(Case)
        .scalar_subquery()
    )
    return (
        select(Case)
        .where(Case.deleted_at.is_not(None) if deleted else Case.deleted_at.is_(None), *_only_assigned(Case.id))
        .options(
            joinedload(Case.unit),
            selectinload(Case.assignments.and_(CaseAssignment.ended_at.is_(None))).joinedload(CaseAssignment.account),
            with_expression(Case.people_count, people),
        )
    )


def people_of_cases() -> ExecutableOption:
    """Loads the persons in each case of a statement."""
    links = selectinload(Case.people.and_(CasePerson.deleted_at.is_(None)))
    return links.joinedload(CasePerson.person.and_(Person.deleted_at.is_(None)))


def _only_assigned(case_id: Any) -> list[ColumnElement[bool]]:
    """For those whose roles reach no unit: what row-level security leaves them anyway, for an index to find."""
    context = tenancy.current()
    if context.unit or context.manage:
        return []
    mine = select(CaseAssignment.case_id).where(
        CaseAssignment.account_id == context.account, CaseAssignment.ended_at.is_(None)
    )
    return [case_id.in_(mine)]


def list_persons(*, deleted: bool = False) -> Select[Person]:
    """Visible persons with their live links and cases; `deleted`: those who, or whose cases, were deleted or erased."""
    narrow = _only_assigned(Case.id)
    link = select(CasePerson.id).where(
        CasePerson.person_id == Person.id,
        CasePerson.deleted_at.is_(None),
        CasePerson.case_id == Case.id,
        Case.deleted_at.is_(None),
        *narrow,
    )
    # With OFFSET it is looked up for each row that is shown, and not for all persons beforehand.
    in_a_case = exists(link if narrow else link.offset(0))
    gone = or_(Person.deleted_at.is_not(None), Person.erased_at.is_not(None))
    live = and_(Person.deleted_at.is_(None), Person.erased_at.is_(None), in_a_case)
    return everybody().where(or_(gone, ~in_a_case) if deleted else live)


def everybody() -> Select[Person]:
    """All persons that row-level security shows: managers find each of whom something is stored."""
    links = selectinload(Person.links.and_(CasePerson.deleted_at.is_(None))).joinedload(CasePerson.case)
    return select(Person).options(links)


@dataclass(frozen=True)
class Found:
    """The result of a search: persons, newest first; a keyed digest of what was typed, for the ledger."""

    persons: list[Person]
    digest: str
    more: bool
    """True if there are more than are shown."""


def find_persons(session: AnySession, keyring: Keyring, data: Mapping[str, Any], most: int = 50) -> Found:
    """Visible persons who fit everything given (SearchInput), by the blind index.

    Invalid if nothing is given that could be searched for. No typed value reaches the database or a log.
    """
    actor = require("search", "Person")
    typed = load(SearchInput, data)
    keys = keyring.of_institution(session)
    statement = everybody() if may(actor.context.roles, "restore", "Person") else list_persons()
    given = {name: typed[name] for name in ("name", "number", "email") if typed.get(name)}
    if not given:
        raise Invalid({"": _l("Give at least one thing to search for.")})
    conditions = [_condition(keys, name, value) for name, value in given.items()]
    limits.heed(session, "record.search")
    statement = statement.where(*conditions)
    most = max(1, min(most, MOST_FOUND))
    rows = session.scalars(statement.order_by(Person.created_at.desc(), Person.id.desc()).limit(most + 1)).all()
    digest = blind_index.digest(keys, [f"{name}={value}" for name, value in given.items()])
    return Found(list(rows[:most]), digest, len(rows) > most)


def _condition(keys: InstitutionKeys, name: str, value: str) -> Any:
    if name == "number":
        kinds = ("tckn", "ykn", "passport", "phone")
        alternatives = [blind_index.terms(each, kind, value) for each in keys.for_lookups() for kind in kinds]
        fitting = [Person.index_terms.contains(terms) for terms in alternatives if terms]
    else:
        if name == "name" and any(sign.isdigit() for sign in value):
            raise Invalid({name: _l("No name has digits. Write a number into the field for numbers below.")})
        fitting = [
            Person.index_terms.contains(terms)
            for each in keys.for_lookups()
            for terms in (
                blind_index.readings_of(each, value) if name == "name" else [blind_index.terms(each, name, value)]
            )
            if terms
        ]
    if not fitting:
        raise Invalid({name: _l("There is nothing in this to search for.")})
    return or_(*fitting)
