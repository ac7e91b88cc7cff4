"""Whether the panel is alive, and whether it is fit to work: told to machines, without data and without secrets.

``/healthz``: this process answers. ``/readyz``: 200 or 503 with each check by name. An open critical alert
does not take the panel out of service, since people must come in to deal with it: it is told as a number. Nor
does a time stamp that cannot be had.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from itm_admin.assurance import runs, waiting
from itm_admin.assurance.watch import watch
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import db, migration
from itm_admin.foundation.trouble import ledger_trouble_since
from itm_admin.foundation.views import Page, route

Check = dict[str, Any]


class HealthView(Page):
    """For load balancers and monitoring. Public, and shows no data."""

    subject = "Health"
    route_base = ""
    is_api = True

    @route("/healthz", act="show", public=True, quiet=True)
    def alive(self) -> Response:
        return jsonify(status="alive")

    @route("/readyz", act="show", public=True, quiet=True)
    def ready(self) -> tuple[Response, int]:
        checks = readiness()
        told = ("alerts", "time_stamps")
        fit = all(check["ok"] for name, check in checks.items() if name not in told)
        status = "unfit" if not fit else "ready" if all(checks[name]["ok"] for name in told) else "attention"
        return jsonify(status=status, checks=checks), 200 if fit else 503


def readiness() -> dict[str, Check]:
    """Each check by name: ``ok`` and what a machine may know about it."""
    checks = {
        "database": _asked(_database),
        "schema": _asked(_schema),
        "ledger": _ledger(),
        "scheduler": _asked(_scheduler),
        "alerts": _asked(_alerts),
        "time_stamps": _asked(_time_stamps),
        "signatures": _asked(_signatures),
    }
    db.session.rollback()
    return checks


def _asked(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except SQLAlchemyError:
        db.session.rollback()
        return {"ok": False, "reason": "the database does not answer"}


def _database() -> Check:
    db.session.execute(text("select 1"))
    return {"ok": True}


def _schema() -> Check:
    try:
        migration.check_version(db.engine)
    except Refusal:
        return {"ok": False, "reason": "not the schema of this program"}
    return {"ok": True}


def _ledger() -> Check:
    since = ledger_trouble_since()
    return {"ok": True} if since is None else {"ok": False, "since": since}


def _scheduler() -> Check:
    now = datetime.now(UTC)
    newest = runs.latest(db.session.connection(), now)
    late = watch().overdue(newest, now)
    last = max(newest.values(), default=None)
    return {"ok": bool(newest) and not late, "last_run": last.isoformat() if last else None, "late": sorted(late)}


def _alerts() -> Check:
    count = db.session.scalar(text("select itm.open_critical_alerts()"))
    return {"ok": count == 0, "open_critical": count}


def _signatures() -> Check:
    """No entry waits for its checkpoint for longer than three minutes."""
    late = waiting.overdue(db.session.connection())
    return {"ok": not late, "waiting": len(late)}


def _time_stamps() -> Check:
    """Nothing is wrong where none are asked for."""
    return {"ok": not db.session.scalar(text("select itm.is_unstamped()"))}
