"""Requests for verifications: written here, carried out by the scheduler (ledger/verification_jobs.py).

The web server holds no role that could give a verdict. A request is an event in the requester's ledger, in the same
transaction; an equal request that still waits is not repeated.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, text

from audit import store
from itm_admin.assurance import ledger_queries
from itm_admin.assurance.ledger_queries import AnyRow, AnySession, find_ledger
from itm_admin.assurance.models import VerificationRequest
from itm_admin.assurance.schemas import VerificationInput
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Denied, NotFound
from itm_admin.institutions.models import Institution
from itm_admin.ledger.job_runs import Scalar
from itm_admin.record.schema import load

UNFINISHED = ("waiting", "running")
# The columns that the panel may write; the scheduler writes the others
_ASK = text(
    "INSERT INTO verification_request (holder, level, requested_by) VALUES (:holder, :level, :account) RETURNING id"
)


def ask(session: AnySession, data: Mapping[str, Any]) -> uuid.UUID:
    """Requests a verification (VerificationInput) of one ledger, or of all (national auditors). Gives the request's id.

    Raises NotFound for a ledger that this person does not see.
    """
    context = tenancy.current()
    values = load(VerificationInput, data)
    level, ledger = values["level"], values.get("ledger")
    if context.account is None or (ledger is None and not context.national):
        raise Denied
    holder = find_ledger(session, ledger).holder if ledger else None
    waiting = session.scalars(
        select(VerificationRequest.id).where(
            VerificationRequest.state.in_(UNFINISHED),
            VerificationRequest.level == level,
            VerificationRequest.holder.is_not_distinct_from(holder),
        )
    ).first()
    if waiting:
        return waiting
    asked: uuid.UUID = session.execute(
        _ASK, {"holder": holder, "level": level, "account": context.account}
    ).scalar_one()
    detail: dict[str, Scalar] = {"job": f"ledger.verify.{level}", "request": str(asked), "asked": True}
    store.append(session.connection(), "job.run", kind="ledger", id=str(ledger) if ledger else None, detail=detail)
    return asked


def results(session: AnySession, asked: VerificationRequest) -> list[AnyRow]:
    """Verdicts of the run that answered a request, those that are not intact first."""
    if asked.started_at is None or asked.state != "done":
        return []
    run = ledger_queries.verification.c
    statement = (
        select(ledger_queries.verification, ledger_queries.ledger.c.code, Institution.name_tr, Institution.name_en)
        .join(ledger_queries.ledger, ledger_queries.ledger.c.id == run.ledger_id)
        .outerjoin(Institution, Institution.id == ledger_queries.ledger.c.holder)
        .where(run.level == asked.level, run.recorded_at.between(asked.started_at, asked.finished_at))
        .order_by(run.verdict == "intact", ledger_queries.ledger.c.code, run.id)
    )
    if asked.holder is not None:
        statement = statement.where(ledger_queries.ledger.c.holder == asked.holder)
    return list(session.execute(statement))


def find(session: AnySession, id: uuid.UUID) -> VerificationRequest:
    """The request. Raises NotFound if there is none, or not for this person."""
    found = session.scalars(select(VerificationRequest).where(VerificationRequest.id == id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def recent(session: AnySession, most: int = 10) -> Sequence[VerificationRequest]:
    newest = (VerificationRequest.requested_at.desc(), VerificationRequest.id)
    return session.scalars(select(VerificationRequest).order_by(*newest).limit(most)).all()


def progress(request: VerificationRequest) -> dict[str, Any]:
    """Its progress for a machine: numbers and codes only."""
    share = request.done / request.total if request.total else 0.0
    return {
        "state": request.state,
        "done": request.done,
        "total": request.total,
        "percent": 100 if request.state == "done" else int(100 * share),
        "seconds_left": request.seconds_left if request.state == "running" else None,
        "verdict": request.verdict,
    }
