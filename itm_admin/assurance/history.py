"""Access history: reads and changes of a record, by person, time and reason, from the ledger's sealed entries.

Inside an institution the record itself must be visible to the reader; an auditor asks by number and learns no
identity. Row-level security narrows the entries to those of the reader's roles.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import or_, select

from itm_admin.accounts.models import Account, Invitation, RoleGrant
from itm_admin.assurance.ledger_queries import AnySession
from itm_admin.assurance.paging import Of, about
from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person, VictimProfile
from itm_admin.foundation.errors import NotFound

RECORDS: Mapping[str, tuple[type, str]] = {
    "case": (Case, "Case"),
    "person": (Person, "Person"),
    "case_person": (CasePerson, "Person"),
    "victim_profile": (VictimProfile, "Person"),
    "account": (Account, "Account"),
}
"""Kinds of records with a history page: their model, and the subject of the roles' table that governs it."""


def subject_of(kind: str) -> str:
    """The subject whose act "history" opens this kind. NotFound for a kind without a history."""
    if kind not in RECORDS:
        raise NotFound
    return RECORDS[kind][1]


def of_visible_record(session: AnySession, kind: str, id: uuid.UUID) -> Of:
    """Entries about a record and its parts. Raises NotFound unless the reader sees the record itself."""
    model = RECORDS[kind][0]
    if session.scalar(select(model.id).where(model.id == id)) is None:  # type: ignore[attr-defined]
        raise NotFound
    ids = [str(id), *(str(part) for part in _parts(session, kind, id))]
    return about(ids)


def _parts(session: AnySession, kind: str, id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Rows that are part of the record and have ids of their own."""
    links = select(CasePerson.id).where(or_(CasePerson.case_id == id, CasePerson.person_id == id))
    profiles = select(VictimProfile.id).where(VictimProfile.case_person_id.in_(links))
    if kind == "case":
        assigned = select(CaseAssignment.id).where(CaseAssignment.case_id == id)
        return session.scalars(links.union_all(profiles, assigned)).all()
    if kind == "person":
        return session.scalars(links.union_all(profiles)).all()
    if kind == "case_person":
        return session.scalars(select(VictimProfile.id).where(VictimProfile.case_person_id == id)).all()
    if kind == "account":
        grants = select(RoleGrant.id).where(RoleGrant.account_id == id)
        invitations = select(Invitation.id).where(Invitation.account_id == id)
        return session.scalars(grants.union_all(invitations)).all()
    return ()
