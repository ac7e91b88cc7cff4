"""Redirect after POST: a form's answer page is stored, sealed, and shown by GET.

Back and reload then request that page again and send nothing, also in a browser without scripts. Views need no code for
it. Each page that would answer a POST is stored after its looks are recorded, and the browser is redirected (303) to
the form's own address with the stored page's number. There the form's view runs first: a reader who may no longer see
the record is refused, and each look is recorded with the ids on the stored page. A page with revealed values lives as
long as a reveal, any other one for an hour. Pages of signing in are not stored: what they answer is gone afterwards.
The key derives from the application's secret, the session's and the number: database and application together cannot
open a page without the reader's cookie.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import uuid
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Response, current_app, flash, g, request, session, url_for
from flask_appbuilder import Model
from flask_babel import gettext as _
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as BaseResponse

from itm_admin.foundation import tenancy
from itm_admin.foundation.access import Access, Malformed, allowed, route
from itm_admin.foundation.audited_reads import name_answer, named, record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.encryption import KEY_BYTES, Key, Place
from itm_admin.foundation.errors import CannotDecrypt
from itm_admin.foundation.log_trace import trace
from itm_admin.foundation.records import Identifier, Moment
from itm_admin.foundation.views import REMASK_AFTER, Page, redirect_after_post

log = logging.getLogger("itm")

PARAMETER = "answer"
OWN = "answers"
"""The session's part of the key, in its cookie alone: it is lost when the session ends."""
KEPT = timedelta(minutes=59)
MOST = 20
"""Stored pages of one account: more than anybody goes back."""
_REMASK = re.compile(rb'(data-remask-after=")\d+(")')


class FormAnswer(Model):
    """A page that answers a form."""

    __tablename__ = "form_answer"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="form_answer_account"
        ),
        CheckConstraint("expires_at <= now() + interval '1 hour'", name="form_answer_lifetime"),
        Index("form_answer_age", "account_id", "expires_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    sealed: Mapped[bytes] = mapped_column(
        LargeBinary,
        comment="The page as it was answered, with everything personal on it; opens with its reader's session alone.",
    )
    expires_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class KeptPage:
    """A stored page: its request's id, its status, and the address to go to when it has expired."""

    page: bytes
    status: int
    request_id: str
    back: str | None
    retry_after: str | None
    place: str
    """The path of the form's page, on which alone it is shown; none for what has a page of its own."""
    expires_at: datetime
    names: tuple[str, ...] = ()
    """The ids of records whose names it shows: each look at it tells them."""

    @property
    def seconds(self) -> int:
        return max(1, int((self.expires_at - datetime.now(UTC)).total_seconds()))


class AnswerView(Page):
    """Answers without a form's page: refusals, and questions about several records."""

    subject = "Answer"
    route_base = "/answers"

    @route("/<name>", act="show")
    def show(self, name: str) -> BaseResponse:
        record_read("record.read", "answer", detail={"page": "answer"})
        kept = _find(name, "")
        if kept is None:
            flash(_("This page was kept for an hour and is no longer there."), "info")
            return redirect_after_post("HomeView.show")
        return _filled(Response(), kept)


def install_keeping(app: Flask) -> None:
    """Call it before audited_reads.py's, so that its hook runs later: a page is stored once its looks are recorded."""
    app.after_request(_keep)


def install_showing(app: Flask) -> None:
    """Call it after audited_reads.py's, so that its hook runs earlier: a shown page is recorded."""
    app.before_request(_take_name)
    app.after_request(_show)


def _take_name() -> None:
    """Takes the stored page's number out of the address: views read their parameters strictly."""
    if PARAMETER in request.args and request.method in ("GET", "HEAD"):
        g.kept_answer = request.args[PARAMETER]
        pairs = [pair for pair in request.args.items(multi=True) if pair[0] != PARAMETER]
        request.args = request.parameter_storage_class(pairs)


def _keep(response: Response) -> Response:
    access: Access | None = g.get("access")
    context = tenancy.current()
    if (
        request.method != "POST" or access is None or access.api or access.second_step
        or g.get("actor") is None or context.account is None
        or 300 <= response.status_code < 400 or response.status_code >= 500 or g.get("failed")
        or response.mimetype != "text/html" or response.is_streamed
    ):  # fmt: skip
        return response
    id = uuid.uuid4()
    place = _place_of_form()
    back = response.headers.pop("Refresh", "").partition("url=")[2] or None
    lifetime = timedelta(seconds=REMASK_AFTER) if back else KEPT
    try:
        retry, until = response.headers.pop("Retry-After", None), datetime.now(UTC) + lifetime
        page, names = response.get_data(), tuple(g.get("named", ()))
        _store(id, KeptPage(page, response.status_code, g.request_id, back, retry, place, until, names))
    except SQLAlchemyError as fault:  # then the page itself is the answer
        db.session.rollback()
        log.error("request %s: its answer could not be kept: %s", g.request_id, trace(fault))
        if back:
            response.headers["Refresh"] = f"{REMASK_AFTER}; url={back}"
        return response
    response.status_code = 303
    response.headers["Location"] = _address(id) if place else url_for("AnswerView.show", name=id.hex)
    response.set_data(b"")
    return response


def _store(id: uuid.UUID, kept: KeptPage) -> None:
    context = tenancy.current()
    session.setdefault(OWN, secrets.token_hex(16))
    head = json.dumps([kept.status, kept.request_id, kept.back, kept.retry_after, kept.names, kept.place])
    content = zlib.compress(head.encode() + b"\n" + kept.page)
    db.session.rollback()
    work = db.session()
    own = FormAnswer.account_id == func.itm.account()
    newest = select(FormAnswer.id).where(own).order_by(FormAnswer.expires_at.desc(), FormAnswer.id).limit(MOST - 1)
    work.execute(delete(FormAnswer).where(own, (FormAnswer.expires_at < func.now()) | FormAnswer.id.not_in(newest)))
    work.add(
        FormAnswer(
            id=id,
            institution_id=g.actor.institution_id,
            account_id=context.account,
            sealed=_key(id).seal(_place(id), content),
            expires_at=kept.expires_at,
        )
    )
    work.commit()


def _place_of_form() -> str:
    """The form's own path if a GET of it shows the form; otherwise nothing: such answers have a page of their own."""
    if g.get("problem"):
        return ""
    adapter = current_app.create_url_adapter(request)
    try:
        endpoint, values = adapter.match(request.path, method="GET") if adapter else (None, {})
    except (HTTPException, RequestRedirect):
        return ""
    if any(isinstance(value, Malformed) for value in values.values()):
        return ""  # a word where another form's address has an id
    return request.path if allowed(endpoint or "", g.actor) else ""


def _address(id: uuid.UUID) -> str:
    return f"{request.path}?{urlencode([*request.args.items(multi=True), (PARAMETER, id.hex)])}"


def _show(response: Response) -> Response:
    """Replaces the form's page, which was made for a reader who may see the record now, by the stored page."""
    if "kept_answer" not in g or response.status_code != 200 or response.mimetype != "text/html":
        return response
    kept = _find(g.kept_answer, request.path)
    return _filled(response, kept) if kept else response


def _filled(response: Response, kept: KeptPage) -> Response:
    name_answer(kept.request_id)
    named(*kept.names)
    page = kept.page
    if kept.back:
        response.headers["Refresh"] = f"{kept.seconds}; url={kept.back}"
        page = _REMASK.sub(rb"\g<1>%d\g<2>" % kept.seconds, page)
    if kept.retry_after:
        response.headers["Retry-After"] = kept.retry_after
    response.status_code = kept.status
    response.mimetype = "text/html"
    response.set_data(page)
    return response


def _find(name: str, place: str) -> KeptPage | None:
    """The person's own stored page; None if it has expired, for another session or place, and for any other text."""
    try:
        id = uuid.UUID(hex=name)
    except ValueError:
        return None
    row = db.session.scalar(select(FormAnswer).where(FormAnswer.id == id, FormAnswer.expires_at > func.now()))
    if row is None or OWN not in session:
        return None
    try:
        content = zlib.decompress(_key(id).open(_place(id), row.sealed))
    except CannotDecrypt:
        return None
    head, _end, page = content.partition(b"\n")
    status, request_id, back, retry_after, *names, kept_at = json.loads(head)
    if kept_at != place:  # elsewhere nobody has asked whether the person may still see what it shows
        return None
    ids = tuple(id for each in names for id in each)  # of a page of the version before there are none
    return KeptPage(page, status, request_id, back, retry_after, place, row.expires_at, ids)


def _key(id: uuid.UUID) -> Key:
    secret = f"{current_app.config['SECRET_KEY']}\n{session[OWN]}".encode()
    return Key(HKDF(SHA256(), KEY_BYTES, salt=id.bytes, info=b"form-answer/v1").derive(secret))


def _place(id: uuid.UUID) -> Place:
    return Place(g.actor.institution_id, "form_answer", id, "sealed")
