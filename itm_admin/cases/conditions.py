"""Conditions on cases: one text for a list's filter and for the number that leads to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import g
from sqlalchemy import ColumnElement, exists, select

from itm_admin.accounts.models import Account
from itm_admin.cases.models import Case, CaseAssignment, CasePerson, VictimProfile
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.turkish import turkish_order
from itm_admin.record.checks import today

QUIET_DAYS = 30


def is_open(wanted: bool = True) -> ColumnElement[bool]:
    return Case.closed_on.is_(None) if wanted else Case.closed_on.is_not(None)


def assigned(wanted: bool = True) -> ColumnElement[bool]:
    return _turned(_assignment(), wanted)


def mine(wanted: bool = True) -> ColumnElement[bool]:
    return _turned(_assignment(CaseAssignment.account_id == tenancy.current().account), wanted)


def assigned_to(account: Any) -> ColumnElement[bool]:
    return _assignment(CaseAssignment.account_id == account)


def assigned_people() -> list[tuple[str, str]]:
    """Id and name of everybody who is assigned to a case that the reader sees. Read once in a request."""
    if "assigned_people" not in g:
        g.assigned_people = _assigned_people()
    found: list[tuple[str, str]] = g.assigned_people
    return found


def _assigned_people() -> list[tuple[str, str]]:
    working = select(CaseAssignment.account_id).where(CaseAssignment.ended_at.is_(None))
    rows = db.session.execute(
        select(Account.id, Account.first_name + " " + Account.last_name)
        .where(Account.id.in_(working), Account.institution_id == tenancy.current().institution)
        .order_by(turkish_order(Account.first_name), turkish_order(Account.last_name), Account.id)
    )
    return [(str(id), name) for id, name in rows]


def empty(wanted: bool = True) -> ColumnElement[bool]:
    return _turned(~exists().where(CasePerson.case_id == Case.id, CasePerson.deleted_at.is_(None)), wanted)


def without_profile(wanted: bool = True) -> ColumnElement[bool]:
    """A victim in it has no profile."""
    victim = exists().where(
        CasePerson.case_id == Case.id,
        CasePerson.deleted_at.is_(None),
        CasePerson.role == "VICTIM",
        ~exists().where(VictimProfile.case_person_id == CasePerson.id),
    )
    return _turned(victim, wanted)


def quiet(wanted: bool = True) -> ColumnElement[bool]:
    return _turned(Case.updated_at < today() - timedelta(days=QUIET_DAYS), wanted)


def _assignment(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(CaseAssignment.case_id == Case.id, CaseAssignment.ended_at.is_(None), *more)


def _turned(condition: ColumnElement[bool], wanted: bool) -> ColumnElement[bool]:
    return condition if wanted else ~condition
