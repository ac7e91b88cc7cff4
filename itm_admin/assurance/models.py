"""Runs of scheduled jobs and the alerts they raise."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import CheckConstraint, Index, text
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
    first_broken: Mapped[int | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    raised_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    acknowledged_at: Mapped[datetime | None] = mapped_column(Moment)
    acknowledged_by: Mapped[uuid.UUID | None] = mapped_column(Identifier)
