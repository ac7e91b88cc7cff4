"""Liveness and readiness of the panel, for machines, without data and without secrets.

``/healthz``: this process answers. ``/readyz``: 200 or 503 with each check by name. An open critical alert does not
take the panel out of service, since people must sign in to deal with it: it is reported as a number. A missing time
stamp does not either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from itm_admin.assurance.scheduler_watch import watch
from itm_admin.foundation import key_check, tenancy
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.database import db, migration
from itm_admin.foundation.ledger_outage import ledger_trouble_since
from itm_admin.foundation.views import Page, route
from itm_admin.ledger import job_runs, waiting

Check = dict[str, Any]
_SECONDS = 5.0
_NO_LEDGER = "55000"
_PROBE = text("select itm.ledger_takes_entries()")


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
    """Each check by name: ``ok`` and the facts that a machine may know about it."""
    checks = {
        "database": _asked(_database),
        "schema": _asked(_schema),
        "ledger": _asked(_ledger),
        "keys": _asked(_keys),
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
    """An entry can be written and sealed, and is rolled back: probes leave nothing in the ledger."""
    since = ledger_trouble_since()
    return {"ok": False, "since": since} if since is not None else _lately("ledger", _write_and_seal)


def _keys() -> Check:
    return _lately("keys", _decrypt)


def _lately(name: str, check: Callable[[], Check]) -> Check:
    """Caches a check for seconds in this process: any number of public probes cost one query."""
    known: dict[str, tuple[float, Check]] = current_app.extensions.setdefault("itm_readiness", {})
    now = time.monotonic()
    if name not in known or now - known[name][0] > _SECONDS:
        known[name] = (now, _asked(check))
    return known[name][1]


def _write_and_seal() -> Check:
    try:
        with db.engine.connect() as connection:
            tenancy.apply(connection, tenancy.NOBODY)
            connection.execute(_PROBE)
            connection.rollback()
    except DBAPIError as fault:
        if getattr(fault.orig, "sqlstate", None) == _NO_LEDGER:
            return {"ok": True}  # an installation without institutions has no ledger to write to yet
        return {"ok": False, "reason": "no entry can be written"}
    return {"ok": True}


def _decrypt() -> Check:
    with db.engine.connect() as connection:
        ok = key_check.opens(connection, current_app.extensions["itm_keyring"])
        connection.rollback()
    return {"ok": True} if ok else {"ok": False, "reason": "the master key is another one"}


def _scheduler() -> Check:
    now = datetime.now(UTC)
    newest = job_runs.latest(db.session.connection(), now)
    late = watch().overdue(newest, now)
    last = max(newest.values(), default=None)
    return {"ok": bool(newest) and not late, "last_run": last.isoformat() if last else None, "late": sorted(late)}


def _alerts() -> Check:
    count = db.session.scalar(text("select itm.open_critical_alerts()"))
    return {"ok": count == 0, "open_critical": count}


def _signatures() -> Check:
    """No entry has waited for its checkpoint for more than three minutes."""
    late = waiting.overdue(db.session.connection())
    return {"ok": not late, "waiting": len(late)}


def _time_stamps() -> Check:
    """Fine if no authority is configured."""
    return {"ok": not db.session.scalar(text("select itm.is_unstamped()"))}
