"""Read auditing: the entries for a response are committed before the response is sent.

A view announces the records that it will show (`record_read`); when its response is ready, the entries are appended and
committed, and only then it is sent. If the ledger cannot be written the response is 503 without data. A view that
announces nothing is recorded as a read of its subject, and every further record id in a response is added, and that of
each record whose name was written into it (`named`): the ledger names all that was sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask, Response, current_app, g, has_request_context, request
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from audit import store
from itm_admin.foundation import tenancy
from itm_admin.foundation.access import Access
from itm_admin.foundation.database import db
from itm_admin.foundation.database_errors import domain_error
from itm_admin.foundation.errors import DomainError, LedgerUnavailable, Locked
from itm_admin.foundation.ledger_outage import ledger_failed, ledger_works
from itm_admin.foundation.record_ids import ids_in

MOST_SUBJECTS = 1000
_READABLE = ("text/html", "application/json", "application/problem+json", "text/csv")


@dataclass(frozen=True)
class Look:
    """One read entry: an action of the vocabulary `audit_event` on a record or a list of them."""

    action: str
    kind: str
    id: str | None = None
    subjects: tuple[str, ...] = ()
    purpose: str | None = None
    outcome: str = "success"
    detail: Mapping[str, Any] | None = field(default=None)
    to_presidency: bool = False
    words: str | None = None
    """The reason in words: stored beside the ledger, in the same transaction; the entry names the row."""


def record_read(
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
    """Queues the entry for the records that this response will show. ``subjects``: the ids in a list."""
    look = Look(action, kind, str(id) if id else None, tuple(map(str, subjects)), purpose, outcome, detail, words=words)
    _queue().append(look)


def named(*ids: uuid.UUID | str | None) -> None:
    """Adds records to this request's entries whose names its page shows: called where a name is made of a record."""
    if has_request_context():
        g.setdefault("named", {}).update((str(id), None) for id in ids if id)


def queue(looks: Sequence[Look]) -> None:
    """Queues the entries for a refused form's page."""
    if looks:
        _queue().extend(looks)


def name_answer(request_id: str) -> None:
    """For an earlier request's page that is shown again: this request's entries name that request."""
    looks = _queue()
    looks[:] = [replace(look, detail={**(look.detail or {}), "request": request_id}) for look in looks]


def forget_looks() -> None:
    """Drops the queue: an error page will be shown instead."""
    _queue().clear()
    g.pop("named", None)


def install(app: Flask) -> None:
    """Call it before any other after_request registration, so that it runs as the last of them."""
    app.after_request(_publish)


def append_now(looks: Sequence[Look]) -> None:
    """Appends and commits these entries, and nothing else. Raises LedgerUnavailable if that fails.

    Locked if a record was erased meanwhile: then no reason in words is stored, and nothing is shown.
    """
    session_ = db.session
    try:
        if not tenancy.only_read(session_()):
            session_.rollback()
        _append(session_.connection(), looks)
        session_.commit()
    except SQLAlchemyError as fault:
        session_.rollback()
        if isinstance(error := domain_error(fault), Locked):
            raise error from None
        ledger_failed(fault)
        raise LedgerUnavailable from None
    ledger_works()


def append_queued(connection: Connection) -> None:
    """Appends the queue in the transaction of `connection`: for work outside a request."""
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
    """The look with the id of the row that holds its words."""
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
    """Splits a list that is too long for one entry."""
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
    """The queue, a default entry if it is empty, and entries for further ids in the response."""
    access: Access | None = g.get("access")
    looks = list(_queue())
    if not access or not g.get("actor") or access.quiet:
        return looks
    wrote = bool(g.get("wrote"))
    if not looks and not wrote and (response.status_code < 300 or g.get("committed")):
        looks = [Look("record.read", access.kind, _asked(), detail={"page": request.endpoint})]
    told = {id for look in looks for id in (look.id, *look.subjects)} | (_written() if wrote else set())
    # A redirect shows nothing of what was sent, and its page is an entry itself; a failure gives back what was sent and
    # nothing else: no second wait for the ledger
    if (wrote and response.status_code >= 300) or g.get("failed"):
        told |= _sent()
    more = tuple(id for id in _ids_in(response) if id not in told) if not g.get("refused") else ()
    if more and not looks:
        return [Look("record.read", access.kind, subjects=more, detail={"page": request.endpoint})]
    if more:
        looks[0] = replace(looks[0], subjects=(*looks[0].subjects, *more))
    return looks


def _ids_in(response: Response) -> list[str]:
    """Ids of records in a response's text and headers and of those that it names, once each.

    A stream announces its own. One's own name is on every page: each entry says who looked. A redirect shows no page.
    """
    names = {} if 300 <= response.status_code < 400 else g.get("named", {})
    shown = [id for id in names if id != str(g.actor.id)]
    texts = [response.headers.get("Location", "")]
    if not response.is_streamed and not response.direct_passthrough:
        texts.append(response.get_data(as_text=True) if response.mimetype in _READABLE else "")
    return list(dict.fromkeys([*(id for each in texts for id in ids_in(each)), *shown]))


def _asked() -> str | None:
    """The record in the address."""
    return next((str(value) for value in (request.view_args or {}).values() if isinstance(value, uuid.UUID)), None)


def _sent() -> set[str]:
    """Ids in the request: after a change the response may redirect to them."""
    return set(ids_in(" ".join((request.path, *(str(value) for _name, value in request.form.items(multi=True))))))


def _written() -> set[str]:
    """Rows whose own events were committed with the change."""
    found: set[str] = g.get("written") or set()
    return found
