"""Two people's decisions about a ledger: proposed by the Presidency's supervisor, decided by a national auditor.

Promise: nobody decides alone, and nothing is carried out without the approval of a second person from another
institution; the database enforces both (30_rules.sql, the table's checks). The panel only records: the scheduler's
process carries out approved decisions (ledger/approved_decisions.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, cast

from flask_babel import lazy_gettext as _l
from sqlalchemy import Row, Select, select, text
from sqlalchemy.orm import Session, aliased, scoped_session

from itm_admin.accounts.models import Account
from itm_admin.assurance.models import LedgerDecision
from itm_admin.assurance.schemas import ProposalInput
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Denied, Invalid, Message, NotFound
from itm_admin.foundation.vocabulary import NOT_A_CHOICE
from itm_admin.institutions.models import Institution
from itm_admin.ledger.approved_decisions import Kind
from itm_admin.record.schema import load

AnySession = Session | scoped_session[Session]

REASONS: Mapping[str, tuple[Kind, Message]] = {
    "RESTORED": ("generation", _l("The database was restored from a backup")),
    "TAMPERED": ("generation", _l("Tampering was found and is acknowledged")),
    "FOLDER_LOST": ("recovery", _l("The folder of checkpoints outside the database is lost")),
    "KEY_LOST": ("recovery", _l("The file with the key that signs checkpoints is lost")),
    "RETENTION": ("purge", _l("The retention time of the content is over")),
}
"""Reason → the kind of the decision."""

KINDS: Mapping[str, Message] = {
    "generation": _l("Open the ledger's next generation"),
    "recovery": _l("Begin anew what is held outside the database"),
    "purge": _l("Destroy content of the ledger"),
}


# The columns that the panel may write; the database writes the others.
_PROPOSE = text(
    "INSERT INTO ledger_decision (id, institution_id, kind, reason, first_seq, last_seq)"
    " VALUES (:id, :institution, :kind, :reason, :first, :last)"
)


def propose(session: AnySession, data: Mapping[str, Any]) -> LedgerDecision:
    """Proposes a decision (ProposalInput). Invalid for a wrong segment, or while another of its kind waits."""
    if not tenancy.current().approves:
        raise Denied
    values = load(ProposalInput, data)
    institution, reason = values["institution"], values["reason"]
    first_seq, last_seq = values.get("first_seq"), values.get("last_seq")
    kind = REASONS[reason][0]
    home = session.scalars(select(Institution).where(Institution.id == institution)).one_or_none()
    if home is None:
        raise Invalid({"institution": NOT_A_CHOICE})
    if kind == "recovery" and home.kind != "presidency":
        raise Invalid({"institution": _l("What is held outside is one for all ledgers: choose the Presidency.")})
    if kind == "purge" and not (first_seq is not None and last_seq is not None and 0 <= first_seq <= last_seq):
        raise Invalid({"last_seq": _l("Name the first and the last entry of the segment.")})
    if waiting(session, institution, kind):
        raise Invalid({"": _l("Another decision of this kind about this ledger is not ended yet.")})
    segment = (first_seq, last_seq) if kind == "purge" else (None, None)
    made = uuid.uuid4()
    values = {"id": made, "institution": institution, "kind": kind, "reason": reason}
    session.execute(_PROPOSE, {**values, "first": segment[0], "last": segment[1]})
    return find(session, made)


def decide(session: AnySession, id: uuid.UUID, *, approve: bool) -> LedgerDecision:
    """Approves or rejects, once. Raises Denied for the proposer and for people of the proposer's institution."""
    context = tenancy.current()
    if not context.national:
        raise Denied
    found = find(session, id, lock=True)
    if context.account == found.proposed_by or context.institution == found.proposer_institution_id:
        raise Denied(_l("Who proposed it, or is of the same institution, cannot decide it."))
    if found.decision is not None:
        raise Invalid({"": _l("This was decided already.")})
    found.decision = "approved" if approve else "rejected"
    session.flush()
    return found


def find(session: AnySession, id: uuid.UUID, *, lock: bool = False) -> LedgerDecision:
    """The decision. Raises NotFound if there is none, or not for this person."""
    wanted = select(LedgerDecision).where(LedgerDecision.id == id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise NotFound
    return found


def waiting(session: AnySession, institution: uuid.UUID, kind: str) -> bool:
    """True if a decision of this kind about this ledger is open: proposed, or approved and not carried out."""
    return (
        session.scalars(
            select(LedgerDecision.id).where(
                LedgerDecision.institution_id == institution,
                LedgerDecision.kind == kind,
                LedgerDecision.carried_out_at.is_(None),
                LedgerDecision.decision.is_distinct_from("rejected"),
            )
        ).first()
        is not None
    )


def shown(session: AnySession, id: uuid.UUID) -> Row[Any]:
    """One decision with the ledger's code and both people."""
    return session.execute(statement().where(LedgerDecision.id == id)).one()


def statement() -> Select[Any]:
    """Decisions with the ledger's code and both people."""
    proposer, decider = aliased(Account), aliased(Account)
    wanted = (
        select(LedgerDecision, Institution.code, proposer, decider)
        .join(Institution, Institution.id == LedgerDecision.institution_id)
        .outerjoin(proposer, proposer.id == LedgerDecision.proposed_by)
        .outerjoin(decider, decider.id == LedgerDecision.decided_by)
    )
    return cast(Select[Any], wanted)
