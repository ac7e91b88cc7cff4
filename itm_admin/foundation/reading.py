"""Looks are recorded before they are shown.

A view says what it is about to show (`looked_at`); once its answer is ready, the entries are appended and
committed, and only then the answer leaves. If the ledger cannot be written the answer is 503 and no data.
A view that said nothing is recorded all the same, as a read of its subject.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask, Response, current_app, g, request
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit import store
from itm_admin.foundation import tenancy
from itm_admin.foundation.access import Access
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import DomainError, LedgerUnavailable
from itm_admin.foundation.trouble import ledger_failed, ledger_works

MOST_SUBJECTS = 1000


@dataclass(frozen=True)
class Look:
    """One entry to be appended: an action of the vocabulary `audit_event` on a record or a list of them."""

    action: str
    kind: str
    id: str | None = None
    subjects: tuple[str, ...] = ()
    purpose: str | None = None
    outcome: str = "success"
    detail: Mapping[str, Any] | None = field(default=None)
    to_presidency: bool = False
    words: str | None = None
    """Why, in words: kept beside the ledger, in the same transaction; the entry names the row."""


def looked_at(
    action: str,
    kind: str,
    id: uuid.UUID | str | None = None,
    *,
    subjects: Sequence[uuid.UUID | str] = (),
    purpose: str | None = None,
    outcome: str = "success",
    detail: Mapping[str, Any] | None = None,
    words: str | None = None,
) -> None:
    """Queues the entry for what this request is about to show. ``subjects`` are the ids shown by a list."""
    look = Look(action, kind, str(id) if id else None, tuple(map(str, subjects)), purpose, outcome, detail, words=words)
    _queue().append(look)


def queue(looks: Sequence[Look]) -> None:
    """Queues what a refused form is about to show."""
    if looks:
        _queue().extend(looks)


def forget_looks() -> None:
    """Nothing of what was queued will be shown: an error page takes its place."""
    _queue().clear()


def install(app: Flask) -> None:
    """Registered before every other after_request function, so that it runs as the last of them."""
    app.after_request(_publish)


def append_now(looks: Sequence[Look]) -> None:
    """Appends and commits, and nothing else with it. LedgerUnavailable if that fails."""
    session_ = db.session
    try:
        if not tenancy.only_read(session_()):
            session_.rollback()
        _append(session_.connection(), looks)
        session_.commit()
    except SQLAlchemyError as fault:
        session_.rollback()
        ledger_failed(fault)
        raise LedgerUnavailable from None
    ledger_works()


def append_queued(connection: Connection) -> None:
    """Appends what was queued to the transaction of `connection`: for work outside a request."""
    _append(connection, _queue())
    forget_looks()


def _append(connection: Connection, looks: Sequence[Look]) -> None:
    for look in looks:
        for part in _parts(_noted(connection, look)):
            store.append(
                connection,
                action=part.action,
                outcome=part.outcome,
                kind=part.kind,
                id=part.id,
                subjects=part.subjects,
                purpose=part.purpose,
                detail=part.detail,
                to_presidency=part.to_presidency,
            )


_NOTE = text(
    "insert into access_note (institution_id, account_id, kind, record, purpose, words)"
    " values (:institution, :account, :kind, :record, :purpose, :words) returning id"
)


def _noted(connection: Connection, look: Look) -> Look:
    """The look, with the row that keeps its words named in it."""
    if look.words is None:
        return look
    context = tenancy.current()
    values = {"institution": context.institution, "account": context.account, "kind": look.kind, "record": look.id}
    note = connection.execute(_NOTE, {**values, "purpose": look.purpose, "words": look.words}).scalar_one()
    return replace(look, words=None, detail={**(look.detail or {}), "note": str(note)})


def _queue() -> list[Look]:
    if "looks" not in g:
        g.looks = []
    return g.looks  # type: ignore[no-any-return]


def _parts(look: Look) -> list[Look]:
    """A list longer than one entry may hold becomes several."""
    if len(look.subjects) <= MOST_SUBJECTS:
        return [look]
    steps = range(0, len(look.subjects), MOST_SUBJECTS)
    return [Look(**{**look.__dict__, "subjects": look.subjects[start : start + MOST_SUBJECTS]}) for start in steps]


def _publish(response: Response) -> Response:
    looks = _due(response)
    if not looks:
        return response
    try:
        append_now(looks)
    except DomainError as error:
        return current_app.extensions["itm_problem_page"](error)  # type: ignore[no-any-return]
    return response


def _due(response: Response) -> list[Look]:
    access: Access | None = g.get("access")
    if g.get("wrote"):
        return []  # the change's own entry was committed with it, and the answer holds no data
    looks = list(_queue())
    if not looks and access and g.get("actor") and not access.quiet and response.status_code < 300:
        looks = [Look("record.read", access.subject.lower(), detail={"page": request.endpoint})]
    return looks
