"""Tables of job runs, alerts, requested verifications, and decisions about ledgers.

None of these rows is a person's record: their events are in the ledger. Two people's decisions about a ledger are
captured like a record.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import BigInteger, CheckConstraint, FetchedValue, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import Identifier, Moment, identifier_column


class JobRun(Model):
    """One due run of a job, claimed once by any number of schedulers."""

    __tablename__ = "job_run"
    __table_args__ = (CheckConstraint("outcome in ('running', 'success', 'failure')", name="job_run_outcome"),)

    job: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str] = mapped_column(server_default=text("'running'"), default="running")
    detail: Mapped[str | None]


class Alert(Model):
    """A trouble that auditors and the Presidency see on every page until somebody acknowledges it."""

    __tablename__ = "alert"
    __table_args__ = (
        Index(
            "alert_open_once",
            "kind",
            text("coalesce(subject, '')"),
            unique=True,
            postgresql_where=text("acknowledged_at is null"),
        ),
        CheckConstraint("severity in ('warning', 'critical')", name="alert_severity"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    kind: Mapped[str]
    severity: Mapped[str]
    holder: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    subject: Mapped[str | None]
    first_broken: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    raised_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    acknowledged_at: Mapped[datetime | None] = mapped_column(Moment)
    acknowledged_by: Mapped[uuid.UUID | None] = mapped_column(Identifier)


class VerificationRequest(Model):
    """A requested verification. Written by the panel, carried out by the scheduler's process.

    ``holder``: the institution of the ledger; None: every ledger. ``done`` of ``total`` entries are read.
    """

    __tablename__ = "verification_request"
    __table_args__ = (
        CheckConstraint("level in ('incremental', 'sample', 'full')", name="verification_request_level"),
        CheckConstraint("state in ('waiting', 'running', 'done', 'failed')", name="verification_request_state"),
        Index("verification_request_recent", text("requested_at desc")),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    holder: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    level: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    requested_by: Mapped[uuid.UUID] = mapped_column(Identifier)
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"), default="waiting")
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    seconds_left: Mapped[int | None]
    verdict: Mapped[str | None]


class LedgerDecision(Model):
    """A decision of two people of two institutions about a ledger; carried out by the scheduler's process.

    The database writes the proposer and the decider from the session (trigger `itm.decision_rules`). ``first_seq`` and
    ``last_seq`` name a segment to purge.
    """

    __tablename__ = "ledger_decision"
    __table_args__ = (
        CheckConstraint(
            "kind = 'generation' and reason in ('RESTORED', 'TAMPERED')"
            " or kind = 'recovery' and reason in ('FOLDER_LOST', 'KEY_LOST')"
            " or kind = 'purge' and reason = 'RETENTION'",
            name="ledger_decision_reason",
        ),
        CheckConstraint(
            "(kind = 'purge') = (first_seq is not null and last_seq is not null)"
            " and first_seq >= 0 and last_seq >= first_seq",
            name="ledger_decision_segment",
        ),
        CheckConstraint(
            "(decision is null) = (decided_by is null) and (decision is null) = (decided_at is null)"
            " and (decision is null) = (decider_institution_id is null)"
            " and decision in ('approved', 'rejected')",
            name="ledger_decision_decided",
        ),
        CheckConstraint(
            "decided_by <> proposed_by and decider_institution_id <> proposer_institution_id",
            name="ledger_decision_by_two",
        ),
        CheckConstraint(
            "(carried_out_at is null) = (outcome is null)"
            " and (outcome is null or coalesce(decision = 'approved', false) and outcome in ('done', 'failed'))",
            name="ledger_decision_outcome",
        ),
        Index(
            "ledger_decision_open_once",
            "institution_id",
            "kind",
            unique=True,
            postgresql_where=text("carried_out_at is null and decision is distinct from 'rejected'"),
        ),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    kind: Mapped[str]
    reason: Mapped[str]
    first_seq: Mapped[int | None] = mapped_column(BigInteger)
    last_seq: Mapped[int | None] = mapped_column(BigInteger)
    proposed_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    proposed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id"), server_default=FetchedValue())
    proposer_institution_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("institution.id"), server_default=FetchedValue()
    )
    decided_at: Mapped[datetime | None] = mapped_column(Moment, server_onupdate=FetchedValue())
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id"), server_onupdate=FetchedValue())
    decider_institution_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("institution.id"), server_onupdate=FetchedValue()
    )
    decision: Mapped[str | None]
    carried_out_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str | None]
