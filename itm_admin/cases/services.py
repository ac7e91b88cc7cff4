"""Cases as a kind of record, and the acts that are a case's alone: close, reopen, lower, assign.

Each function checks who is at work, acts on the models and flushes; none commits. Data is raw input and is
judged by the schemas here for every caller. People of a case: see person_services.py; finding: lookup.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, func, select

from itm_admin.accounts.models import Account
from itm_admin.cases import ages, lookup
from itm_admin.cases.models import OPEN_STATUSES, Case, CaseAssignment
from itm_admin.cases.permissions import CLOSED_CIRCLE, can_be_assigned, is_assigned, require_work_on
from itm_admin.cases.schemas import API_COLUMNS, AssignInput, CloseInput, LowerInput
from itm_admin.foundation import vocabulary
from itm_admin.foundation.database_errors import CLOSED, HELD
from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Invalid, Locked, Message, NotFound
from itm_admin.institutions.models import Institution
from itm_admin.record import protected_values
from itm_admin.record.checks import today
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.lookup import Id, identifier
from itm_admin.record.permissions import Actor, require, require_management
from itm_admin.record.places import unit_for
from itm_admin.record.schema import load
from itm_admin.record.versions import expect

SENSITIVITY = {"OPEN": 0, "INTERNAL": 1, "CONFIDENTIAL": 2, "SPECIAL": 3}


class Cases(RecordInterface[Case]):
    """Cases as a kind of record: who sees one, who works on it, whether it is closed."""

    def get(self, session: AnySession, id: Id, *, or_deleted: bool = False, lock: bool = False) -> Case:
        return lookup.get_case(session, id, or_deleted=or_deleted, lock=lock)

    def query(self, *, deleted: bool = False) -> Select[Any]:
        return lookup.list_cases(deleted=deleted)

    def query_to_export(self) -> Select[Any]:
        return lookup.list_cases().options(lookup.people_of_cases())

    def named_by(self, record: Case, columns: Sequence[str]) -> Iterable[uuid.UUID]:
        return (person.id for person in record.living_people) if "pseudonyms" in columns else ()

    def guard(self, session: AnySession, actor: Actor, parent: Any, record: Case | None) -> None:
        if record is not None:
            require_work_on(session, record, actor)

    def why_locked(self, record: Any) -> Message | None:
        return CLOSED if record is not None and record.closed_on is not None else None

    def place(self, session: AnySession, actor: Actor, values: Mapping[str, Any]) -> uuid.UUID:
        return unit_for(session, actor, actor.context.create, values.get("unit_id"), values.get("province"))

    def pre_add(self, session: AnySession, record: Case, values: Mapping[str, Any], parent: Any) -> None:
        if values.get("status") not in (None, OPEN_STATUSES[0]):
            raise Invalid({"status": vocabulary.NOT_A_CHOICE})
        record.unit_id, record.lead_institution_id = places(session, values)

    def pre_update(self, session: AnySession, record: Case, values: Mapping[str, Any], parent: Any) -> None:
        actor = require("edit", "Case")
        if values.get("unit_id") not in (None, record.unit_id):
            unit_for(session, actor, actor.context.create, values["unit_id"])
        if values.get("lead_institution_id") not in (None, record.lead_institution_id):
            _lead_institution(session, actor, values["lead_institution_id"])
        _refuse_lowering(record, values)
        if values.get("confidentiality") in CLOSED_CIRCLE and not is_assigned(session, record, actor.account):
            _add_assignment(session, record, actor.account)  # the person who closes the circle stays inside it

    def add_inside(
        self, session: AnySession, keyring: Keyring, parent: Any, data: Mapping[str, Any], columns: Any
    ) -> Case:
        """Its maker is assigned to it. Everybody else who opens a case waits for the end of this transaction: the
        database gives the institution's next reference."""
        case = super().add_inside(session, keyring, parent, data, columns)
        _add_assignment(session, case, require("add", "Case").account)
        return case

    def edit_found(
        self, session: AnySession, keyring: Keyring, record: Case, parent: Any, data: Mapping[str, Any], version: int,
        columns: Any,
    ) -> Case:  # fmt: skip
        """The ages of the persons in it follow the day on which it was opened."""
        opened_on = record.opened_on
        case = super().edit_found(session, keyring, record, parent, data, version, columns)
        if case.opened_on != opened_on:
            ages.follow_case(session, keyring.of_institution(session), case)
        return case


CASES = Cases(Case)


def open_case(session: AnySession, keyring: Keyring, data: Mapping[str, Any]) -> Case:
    """A new case (CaseInput) in the named unit, the province's or the actor's own."""
    return CASES.add(session, keyring, None, data, API_COLUMNS)


def change_case(session: AnySession, keyring: Keyring, case_id: Id, data: Mapping[str, Any], version: int) -> Case:
    """Changes the named fields (CaseInput, partial). Conflict if `version` is not the newest; Locked if closed."""
    return CASES.edit(session, keyring, case_id, data, version, API_COLUMNS)


def places(session: AnySession, values: Mapping[str, Any]) -> tuple[uuid.UUID, uuid.UUID]:
    """The unit and the lead institution of a case that is to be opened. NotFound for one that the actor may not use."""
    actor = require("add", "Case")
    return (
        CASES.place(session, actor, values),
        _lead_institution(session, actor, values.get("lead_institution_id")),
    )


def lower_confidentiality(session: AnySession, case_id: Id, data: Mapping[str, Any], version: int) -> Case:
    """Lets more people into a case, for a reason (LowerInput); by a manager of its unit."""
    actor = require("lower", "Case")
    case = lookup.get_case(session, case_id, lock=True)
    require_management(case.unit_id, actor)
    expect(case, version)
    values = load(LowerInput, data)
    if SENSITIVITY[values["confidentiality"]] >= SENSITIVITY[case.confidentiality]:
        raise Invalid({"confidentiality": _l("This is not lower than it is now.")})
    case.confidentiality, case.lowering_reason = values["confidentiality"], values["reason"]
    session.flush()
    return case


def lower_than(present: str) -> list[str]:
    """The degrees of confidentiality below this one."""
    return [degree for degree, rank in SENSITIVITY.items() if rank < SENSITIVITY[present]]


def _refuse_lowering(case: Case, values: Mapping[str, Any]) -> None:
    wanted = values.get("confidentiality")
    if wanted is not None and SENSITIVITY[wanted] < SENSITIVITY[case.confidentiality]:
        raise Invalid(
            {"confidentiality": _l("Only a manager lowers the confidentiality, for a reason, from the case's page.")}
        )


def close_case(session: AnySession, keyring: Keyring, case_id: Id, data: Mapping[str, Any], version: int) -> Case:
    """Closes with a reason and an optional note, which is sealed (CloseInput). Locked if it is closed already."""
    actor = require("close", "Case")
    case = lookup.get_case(session, case_id, lock=True)
    require_work_on(session, case, actor)
    expect(case, version)
    values = load(CloseInput, data)
    if case.closed_on is not None:
        raise Locked(_l("This case is closed already."))
    closed_on = values.get("closed_on") or today()
    if closed_on < case.opened_on:
        raise Invalid({"closed_on": _l("A case is not closed before it was opened.")})
    case.closed_on = closed_on
    case.closure_reason = values["reason"]
    case.status = "ClosedReferred" if values["reason"] == "REFERRED" else "Closed"
    if values.get("note"):
        if case.closure_note_enc is not None and protected_values.is_held(case):
            raise Locked(fields={"note": HELD})  # the form's own name for it
        key = protected_values.key_to_write(keyring.of_institution(session), case)
        protected_values.put(key, case, {"closure_note": values["note"]})
    session.flush()
    return case


def reopen_case(session: AnySession, case_id: Id, version: int) -> Case:
    """Opens a closed case again; the note of its closing stays. Locked if it is open."""
    actor = require("close", "Case")
    case = lookup.get_case(session, case_id, lock=True)
    require_work_on(session, case, actor)
    expect(case, version)
    if case.closed_on is None:
        raise Locked(_l("This case is open."))
    case.closed_on = case.closure_reason = None
    case.status = "Active"
    session.flush()
    return case


def assign(session: AnySession, case_id: Id, data: Mapping[str, Any]) -> CaseAssignment:
    """Puts an active account of the institution on the case (AssignInput)."""
    actor = require("assign", "Case")
    case = lookup.get_case(session, case_id)
    require_work_on(session, case, actor)
    account = load(AssignInput, data)["account_id"]
    colleague = select(Account.id).where(
        Account.id == account, Account.institution_id == actor.institution, Account.active
    )
    if session.scalar(colleague) is None:
        raise NotFound
    if not can_be_assigned(session, account):
        raise Invalid({"account_id": _l("This person's roles do not include work on cases.")})
    if is_assigned(session, case, account):
        raise Invalid({"account_id": _l("This person is assigned to the case already.")})
    return _add_assignment(session, case, account)


def unassign(session: AnySession, case_id: Id, account_id: Id) -> CaseAssignment:
    """Takes an account off the case. NotFound if it is not on it."""
    actor = require("assign", "Case")
    case = lookup.get_case(session, case_id)
    require_work_on(session, case, actor)
    assignment: CaseAssignment | None = session.scalar(
        select(CaseAssignment).where(
            CaseAssignment.case_id == case.id,
            CaseAssignment.account_id == identifier(account_id),
            CaseAssignment.ended_at.is_(None),
        )
    )
    if assignment is None:
        raise NotFound
    assignment.ended_at = func.now()
    session.flush()
    return assignment


def _add_assignment(session: AnySession, case: Case, account: uuid.UUID) -> CaseAssignment:
    assignment = CaseAssignment(institution_id=case.institution_id, case_id=case.id, account_id=account)
    session.add(assignment)
    session.flush()
    return assignment


def _lead_institution(session: AnySession, actor: Actor, wanted: uuid.UUID | None) -> uuid.UUID:
    """The wanted institution of the register, or the actor's own."""
    if wanted is None or wanted == actor.institution:
        return actor.institution
    if session.scalar(select(Institution.id).where(Institution.id == wanted)) is None:
        raise NotFound
    return wanted
