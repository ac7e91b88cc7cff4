"""Runs of scheduled jobs, the alerts they raise, and verifications that people ask for.

None of these rows is a record of anybody: what happened to them is in the ledger, as events of their own.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.foundation.records import Identifier, Moment, identifier_column


class JobRun(Model):
    """One due run of a job, claimed once whatever the number of schedulers."""

    __tablename__ = "job_run"
    __table_args__ = (CheckConstraint("outcome in ('running', 'success', 'failure')", name="job_run_outcome"),)

    job: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str] = mapped_column(server_default=text("'running'"), default="running")
    detail: Mapped[str | None]


class Alert(Model):
    """Something that auditors and the Presidency must see on every page until somebody has dealt with it."""

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
    """Somebody asked for a verification now. Written by the panel, worked off by the scheduler's process.

    ``holder`` is the institution whose ledger is meant; none: every ledger. ``done`` of ``total`` entries are read.
    """

    __tablename__ = "verification_request"
    __table_args__ = (
        CheckConstraint("level in ('incremental', 'full')", name="verification_request_level"),
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
    verdict: Mapped[str | None]
