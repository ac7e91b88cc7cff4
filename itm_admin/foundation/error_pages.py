"""Turns errors into a page or a JSON problem (RFC 9457), here and nowhere else.

An error page shows no data and no internal text; it carries the request's id, under which the log has the place of the
fault (never a value). A refusal of a signed-in person is an entry in that person's own ledger, the same for a foreign
record and for one that does not exist.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from collections.abc import Mapping

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request, session, url_for
from flask.globals import request_ctx
from flask_babel import lazy_gettext as _l
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from itm_admin.foundation import tenancy
from itm_admin.foundation.access import METHODS_THAT_CHANGE, Access, allowed, sent_key
from itm_admin.foundation.audited_reads import Look, append_now, forget_looks
from itm_admin.foundation.database import db
from itm_admin.foundation.database_errors import domain_error
from itm_admin.foundation.errors import (
    Conflict,
    Denied,
    DomainError,
    Erased,
    Invalid,
    LedgerUnavailable,
    Locked,
    Message,
    NotFound,
    TooMany,
    Unauthenticated,
    Unavailable,
    Uncertain,
    VersionMissing,
)
from itm_admin.foundation.forgery import FIELD, is_of_an_account
from itm_admin.foundation.i18n import say_language
from itm_admin.foundation.list_parts import PAGE_SIZES
from itm_admin.foundation.lists import WithoutSearch
from itm_admin.foundation.log_trace import trace
from itm_admin.foundation.once import Reused
from itm_admin.foundation.problem import problem_document
from itm_admin.foundation.record_ids import ID

log = logging.getLogger("itm")


class Stale(DomainError):
    """The form's page belongs to another person's session, or is older than a week."""

    code = "stale_form"
    said = _l(
        "This form belongs to an earlier session or to somebody else. Open its page again and repeat your change."
    )


STATUS: Mapping[type[DomainError], int] = {
    Unauthenticated: 401,
    NotFound: 404,
    Denied: 403,
    Reused: 422,
    Invalid: 400,
    Stale: 400,
    Conflict: 409,
    VersionMissing: 428,
    Locked: 423,
    TooMany: 429,
    LedgerUnavailable: 503,
    Unavailable: 503,
}
TITLES: Mapping[int, Message] = {
    400: _l("This request cannot be understood"),
    401: _l("Please sign in"),
    403: _l("Not permitted"),
    404: _l("Not found"),
    405: _l("This cannot be done here"),
    409: _l("Somebody else was faster"),
    412: _l("Somebody else was faster"),
    413: _l("Too large"),
    415: _l("Not this kind of content"),
    422: _l("Some values are not correct"),
    423: _l("Locked at the moment"),
    428: _l("Which version?"),
    429: _l("Too often"),
    500: _l("Something went wrong"),
    503: _l("Not available at the moment"),
}
WHAT_TO_DO: Mapping[int, Message] = {
    400: _l("Go back, check what was entered and try again. A link from elsewhere may be damaged."),
    401: _l("Your session has ended or has not begun."),
    403: _l("Your role does not include this. Your institution's manager can tell who may do it."),
    404: _l("The record does not exist, or it is not open to you. Start from the list and look for it there."),
    405: _l("Use the buttons of the page instead of its address."),
    409: _l("Open the record again to see the newest version, then repeat your change."),
    412: _l("Open the record again to see the newest version, then repeat your change."),
    413: _l("Send less at once."),
    415: _l("Send JSON."),
    422: _l("Check the values and try again."),
    423: _l("The record is not open for this change. Its page shows in what state it is."),
    428: _l("Name the version that you change: row_version, or the header If-Match."),
    429: _l("Wait a while, then try again."),
    500: _l("Nothing was stored. Try again; if it happens again, tell your administrator the number below."),
    503: _l("Nothing was stored and no data is shown. Try again in a minute."),
}


def install(app: Flask) -> None:
    """Registers the handlers. No other code turns an error into a response."""
    app.extensions["itm_problem_page"] = _domain
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(CSRFError, lambda _error: answer(400, Stale(Stale.said)))
    app.register_error_handler(HTTPException, _http)
    for kind in (DBAPIError, PoolTimeout, StaleDataError):
        app.register_error_handler(kind, _database)
    app.register_error_handler(Exception, _unexpected)
    app.logger.addFilter(_unseen)


def refused(outcome: str = "denied") -> None:
    """Appends the refusal to the actor's ledger, in a transaction of its own."""
    access: Access | None = g.get("access")
    forget_looks()
    g.refused = True
    if g.get("actor") is None or access is None:
        return
    if tenancy.current().institution is None:  # refused before a scope was bound
        _bind_own_ledger()
    detail = {"act": access.act}
    append_now([Look(_tried(access), access.kind, _target(), _chosen(), outcome=outcome, detail=detail)])


def failed() -> None:
    """Records a failure if the form itself is the answer: its looks are recorded as usual."""
    refused("failure")
    g.refused = False


def _tried(access: Access) -> str:
    """The refused action: a change only if the method would have changed something."""
    if request.method in METHODS_THAT_CHANGE:
        return _ACTION.get(access.act) or _CHANGE.get(access.act, "record.update")
    return _ACTION.get(access.act, "record.read")


_CHANGE = {
    "add": "record.create",
    "delete": "record.delete",
    "erase": "record.delete",
    "restore": "record.restore",
    "close": "record.close",
}
_ACTION = {
    "list": "record.list",
    "search": "record.search",
    "reveal": "record.reveal",
    "export": "record.export",
    "assign": "record.assign",
}


def _bind_own_ledger() -> None:
    from itm_admin.foundation.access import bind_request

    bind_request(g.actor.context(g.actor.scopes[0] if g.actor.scopes else ""))


def _target() -> str | None:
    """The id in the address; other text as a keyed digest, since it may be anything."""
    values = list((request.view_args or {}).values())
    if not values:
        return None
    named = next((value for value in values if isinstance(value, uuid.UUID)), None)
    if named is not None:
        return str(named)
    key = str(current_app.config["SECRET_KEY"]).encode()
    return "digest:" + hmac.new(key, str(values[0]).encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def _chosen() -> tuple[str, ...]:
    """The ids of an act on several records; none of a body that cannot be read, which is refused as well."""
    try:
        sent = [text.partition(":")[0] for text in request.form.getlist("chosen")[: PAGE_SIZES[-1] + 1]]
    except HTTPException:
        return ()
    return tuple(dict.fromkeys(id for id in sent if ID.fullmatch(id)))


def _domain(error: DomainError) -> Response:
    db.session.rollback()
    if isinstance(error, Unauthenticated) and g.get("actor") is not None:
        return _session_over()
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if status == 409 and g.get("matching"):
        status = 412  # RFC 9110: the condition of the request (If-Match) does not hold
    if isinstance(error, NotFound | Denied) or (
        isinstance(error, Conflict | Locked | Invalid) and (_target() or _chosen())
    ):
        try:
            refused("denied" if isinstance(error, NotFound | Denied) else "failure")
        except LedgerUnavailable as worse:
            return answer(503, worse)
    if error.looks:
        forget_looks()
        try:
            append_now(error.looks)
        except LedgerUnavailable as worse:
            return answer(503, worse)
    if status == 500:
        _note(error)
    return answer(status, error)


def _session_over() -> Response:
    """The session ended while the request was at work: nobody is at work any more, and what was typed is kept."""
    g.actor = None
    forget_looks()
    tenancy.bind(tenancy.NOBODY)
    return answer(401) if _wants_json() else make_response(current_app.extensions["itm_ask_to_sign_in"]())


def _http(error: HTTPException) -> Response:
    if isinstance(error, WithoutSearch):
        return make_response(error.get_response())
    if error.response is not None and error.code is not None and error.code < 400:
        return make_response(error.response)  # a redirect to the canonical address
    status = error.code or 500
    if status == 404 and g.get("access") is None and request.url_rule is not None:
        _log_undeclared()
    if status in (403, 404) and g.get("access") is not None:
        return _domain(NotFound() if status == 404 else Denied())
    response = answer(status if status in TITLES else 400 if status < 500 else 500)
    if error.code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    return response


def _database(fault: SQLAlchemyError) -> Response:
    db.session.rollback()
    error = domain_error(fault)
    _note(fault)
    return _domain(error)


def _unexpected(fault: Exception) -> Response:
    db.session.rollback()
    _note(fault)
    return answer(500)


def answer(status: int, error: DomainError | None = None) -> Response:
    """The page or problem document for a status; drops queued looks, since nothing of them is shown."""
    forget_looks()
    g.failed, g.problem = status >= 500, True
    title, advice = TITLES[status], WHAT_TO_DO[status]
    if isinstance(error, Erased):
        title, advice = error.title, error.advice
    if g.get("wrote"):
        advice = _l("Your change was stored, but its page could not be shown. Look for it before you repeat it.")
    elif isinstance(error, Uncertain):
        advice = error.message
    elif status == 404 and g.get("actor") is None:
        advice = _l("Check that the address is whole. A link can be made anew by who gave it to you.")
    if _wants_json() or request_ctx.url_adapter is None:  # under a foreign host name no page has addresses
        response = say_language(jsonify(problem_document(status, title, advice, error)))
        response.mimetype = "application/problem+json"
    else:
        told = str(error) if error and type(error).default is not error.message else None
        messages = map(str, error.fields.values() if isinstance(error, Invalid) else ())
        fields = [message for message in dict.fromkeys(messages) if message != told]
        response = make_response(
            render_template(
                "error.html",
                status=status,
                heading=title,
                advice=advice,
                told=told,
                fields=fields,
                back=_way_back(status),
                known=g.get("actor") is not None,
                again=_sent() if status == 503 and not g.get("wrote") else [],
            )
        )
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    if g.failed:
        session.modified = False  # send no cookie: the session's changes are dropped
    if status == 503:
        response.headers["Retry-After"] = "30"
    if status == 401 and sent_key() is not None:
        response.headers["WWW-Authenticate"] = 'Bearer realm="itm", error="invalid_token"'
    if isinstance(error, TooMany) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _sent() -> list[tuple[str, str]]:
    """The form that could not be carried out, to be sent once more by its author; never a password.

    It goes back to where it came from and nowhere else: what was typed stays in this page. Its key makes sure that it
    is carried out once, also where it was stored after all.
    """
    pairs = list(request.form.items(multi=True)) if request.method == "POST" and g.get("actor") else []
    secret = any(name.startswith(("password", "current", "again")) for name, _text in pairs)
    return [] if secret or request.files or not is_of_an_account(request.form.get(FIELD)) else pairs


def _way_back(status: int) -> str | None:
    """The page of the request's record, unless the refusal must not reveal who may see it."""
    access: Access | None = g.get("access")
    if status not in (400, 409, 422, 423, 429) or access is None or request.endpoint is None:
        return None
    view = getattr(current_app.view_functions[request.endpoint], "__self__", None)
    page = getattr(view, "shown", f"{request.endpoint.partition('.')[0]}.show")
    rule = next(iter(current_app.url_map.iter_rules(page)), None) if page in current_app.view_functions else None
    if rule is None or page == request.endpoint or not allowed(page, g.get("actor")):
        return None
    values = {name: value for name, value in (request.view_args or {}).items() if name in rule.arguments}
    return url_for(page, **values) if values and set(values) == rule.arguments else None


def _wants_json() -> bool:
    access: Access | None = g.get("access")
    return sent_key() is not None or (request.path.startswith("/api/") if access is None else access.api)


def _note(fault: BaseException) -> None:
    log.error("request %s: %s", g.get("request_id"), trace(fault))


def _unseen(record: logging.LogRecord) -> bool:
    """Replaces a log record of an unhandled error, which Flask logs with its text, by the place of the fault."""
    fault = record.exc_info[1] if record.exc_info else None
    if fault is None:
        return True
    _note(fault)
    return False


def _log_undeclared() -> None:
    log.error("request %s: the route %s declares no access and stays shut", g.get("request_id"), request.endpoint)
