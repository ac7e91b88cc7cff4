"""The acts on a case: open, change, close, assign, delete, restore.

Each function checks who is at work, acts on the models and flushes; none commits. Data is raw input and is
judged by the schemas here for every caller. People of a case: see person_services.py; finding: lookup.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.orm import attributes

from itm_admin.accounts.models import Account
from itm_admin.cases import ages, lookup
from itm_admin.cases.models import Case, CaseAssignment
from itm_admin.cases.permissions import CLOSED_CIRCLE, can_be_assigned, is_assigned, require_work_on
from itm_admin.cases.schemas import AssignInput, CaseInput, CloseInput, LowerInput
from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Invalid, Locked, Message, NotFound
from itm_admin.institutions.models import Institution
from itm_admin.record import protected_values
from itm_admin.record.checks import today
from itm_admin.record.kind import kind_of
from itm_admin.record.lookup import Id, identifier
from itm_admin.record.permissions import Actor, require, require_management
from itm_admin.record.places import unit_for
from itm_admin.record.schema import DeleteInput, load
from itm_admin.record.versions import expect

SENSITIVITY = {"OPEN": 0, "INTERNAL": 1, "CONFIDENTIAL": 2, "SPECIAL": 3}
_PLAIN = (
    "opened_on", "province", "referral_source", "exploitation_types", "industry", "confidentiality", "shared",
    "unit_id", "lead_institution_id", "status",
)  # fmt: skip


def open_case(session: AnySession, keyring: Keyring, data: Mapping[str, Any]) -> Case:
    """A new case (CaseInput) in the named unit or the actor's own. Its maker is assigned to it.

    The database gives it the institution's next reference, and everybody else who opens a case waits for its end.
    """
    actor = require("add", "Case")
    values = load(CaseInput, data)
    unit, lead = places(session, values)
    case = Case(id=uuid.uuid4(), institution_id=actor.institution, unit_id=unit, lead_institution_id=lead)
    case.status = "Active"
    for name in _PLAIN:
        if values.get(name) is not None and name not in ("unit_id", "lead_institution_id"):
            setattr(case, name, values[name])
    protected_values.put(protected_values.new_key(keyring.of_institution(session), case), case, values)
    session.add(case)
    session.flush()
    _add_assignment(session, case, actor.account)
    return case


def places(session: AnySession, values: Mapping[str, Any]) -> tuple[uuid.UUID, uuid.UUID]:
    """The unit and the lead institution of a case that is to be opened. NotFound for one that the actor may not use."""
    actor = require("add", "Case")
    return (
        unit_for(session, actor, actor.context.create, values.get("unit_id"), values.get("province")),
        _lead_institution(session, actor, values.get("lead_institution_id")),
    )


CLOSED = _l("This case is closed. Reopen it first.")


def why_locked(case: Case) -> Message | None:
    """Why nobody may change the case now; None: it is open."""
    return CLOSED if case.closed_on is not None else None


def change_case(session: AnySession, keyring: Keyring, case_id: Id, data: Mapping[str, Any], version: int) -> Case:
    """Changes the named fields (CaseInput, partial). Conflict if `version` is not the newest; Locked if closed."""
    actor = require("edit", "Case")
    case = lookup.get_case(session, case_id, lock=True)
    require_work_on(session, case, actor)
    expect(case, version)
    if case.closed_on is not None:
        raise Locked(CLOSED)
    values = load(CaseInput, data, partial=True)
    if values.get("unit_id") not in (None, case.unit_id):
        unit_for(session, actor, actor.context.create, values["unit_id"])
    if values.get("lead_institution_id") not in (None, case.lead_institution_id):
        _lead_institution(session, actor, values["lead_institution_id"])
    _refuse_lowering(case, values)
    if values.get("confidentiality") in CLOSED_CIRCLE and not is_assigned(session, case, actor.account):
        _add_assignment(session, case, actor.account)  # the person who closes the circle stays inside it
    for name in _PLAIN:
        if name in values and (values[name] is not None or name == "industry"):
            setattr(case, name, values[name])
    if any(name in values for name in kind_of(Case).protected):
        protected_values.put(protected_values.key_to_write(keyring.of_institution(session), case), case, values)
    day_changed = attributes.get_history(case, "opened_on").has_changes()
    session.flush()
    if day_changed:
        ages.follow_case(session, keyring.of_institution(session), case)
    return case


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


def delete_case(session: AnySession, case_id: Id, data: Mapping[str, Any], version: int | None = None) -> Case:
    """Hides a case, for a reason (DeleteInput); by a manager of its unit. Nothing is destroyed."""
    actor = require("delete", "Case")
    case = lookup.get_case(session, case_id, lock=True)
    require_management(case.unit_id, actor)
    if version is not None:
        expect(case, version)
    case.deletion_reason = load(DeleteInput, data)["reason"]
    case.deleted_at = func.now()
    session.flush()
    return case


def restore_case(session: AnySession, case_id: Id) -> Case:
    """Brings a deleted case back; by a manager of its unit. NotFound if it is not deleted."""
    actor = require("restore", "Case")
    case = lookup.get_case(session, case_id, or_deleted=True, lock=True)
    require_management(case.unit_id, actor)
    if case.deleted_at is None:
        raise NotFound
    case.deleted_at = case.deletion_reason = None
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
