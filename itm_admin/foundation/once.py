"""Idempotency: a request sent twice is stored once, and both answers lead to the same record.

Each page carries a key of its own (`form_key`, made with the page); an API's caller may send `Idempotency-Key`. The key
is stored in the record's own transaction: a second request at the same moment waits on the unique key and then answers
with the first one's record. The content is never stored here, only a keyed digest of it.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from flask import Flask, current_app, g, has_request_context, request
from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column, selectinload

from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.errors import Invalid, NotFound
from itm_admin.foundation.records import Identifier, Moment

Record = TypeVar("Record")
Done = TypeVar("Done")
FIELD = "form_key"
HEADER = "Idempotency-Key"
KEPT = timedelta(days=7)
_LONGEST = 200
_NOT_CONTENT = frozenset({FIELD, "csrf_token"})


class Reused(Invalid):
    """The key came before, with other content."""

    code = "reused"
    default = _l(
        "This form was saved before with other content. Press the button again to save this as another record."
    )


class Submission(Model):
    """A used key, and the record that its request made."""

    __tablename__ = "submission"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="submission_account"
        ),
        CheckConstraint("length(key) = 64 and length(content) = 64", name="submission_digests"),
        Index("submission_age", "account_id", "sent_at"),
    )

    account_id: Mapped[uuid.UUID] = mapped_column(Identifier, primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    content: Mapped[str]
    record: Mapped[uuid.UUID | None] = mapped_column(Identifier)
    sent_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))


def install(app: Flask) -> None:
    """Gives the templates `form_key()`."""
    app.jinja_env.globals["form_key"] = new_key


def new_key() -> str:
    """A key for a page with a form."""
    return uuid.uuid4().hex


def once(session: Session, model: type[Record], work: Callable[[], Record], key: str | None = None) -> Record:
    """The record that `work` makes; a repeated request gets the first one's. Raises Reused for other content.

    `key` replaces the request's own if the intention has an id already; then the content does not matter.
    """
    sent = key or _key()
    if sent is None:
        return work()
    digest, content = _digest(f"{model.__name__}:{sent}"), _digest(key or _content())
    if _first(session, digest, content):
        made = work()
        session.flush()
        session.execute(update(Submission).where(*_own(digest)).values(record=getattr(made, "id", None)))
        return made
    before = session.execute(select(Submission.content, Submission.record).where(*_own(digest))).one()
    if before.content != content:
        raise Reused
    g.repeated = True
    return _again(session, model, before.record)


def unless_repeated(session: Session, work: Callable[[], Done]) -> Done | Literal[True]:
    """Acts on an existing record: does the work, or gives True if this form was carried out before.

    The same form with other content is another act; the record's version decides on it.
    """
    sent = _key()
    if sent is None:
        return work()
    content = _digest(_content())
    if _first(session, _digest(f"act:{sent}:{content}"), content):
        return work()
    g.repeated = True
    return True


def new_id() -> uuid.UUID:
    """An id for data that a form stores: the same one if the same form is sent again."""
    sent = _key()
    return uuid.UUID(_digest(f"id:{sent}:{_content()}")[:32]) if sent else uuid.uuid4()


def made_before(session: Session, model: type[Record], key: str) -> Record | None:
    """The record that the request with this key made; None if it has made none yet."""
    wanted = select(Submission.record).where(*_own(_digest(f"{model.__name__}:{key}")))
    found = session.scalar(wanted)
    return _again(session, model, found) if found else None


def _first(session: Session, digest: str, content: str) -> bool:
    session.execute(
        delete(Submission).where(Submission.account_id == func.itm.account(), Submission.sent_at < func.now() - KEPT)
    )
    row = insert(Submission).values(
        account_id=func.itm.account(), institution_id=func.itm.home(), key=digest, content=content
    )
    return session.scalar(row.on_conflict_do_nothing().returning(Submission.key)) is not None


def _own(digest: str) -> tuple[Any, ...]:
    return (Submission.account_id == func.itm.account(), Submission.key == digest)


def _again(session: Session, model: type[Record], id: uuid.UUID | None) -> Record:
    """The first record, shown again, so a look. Raises NotFound if it is out of reach by now."""
    whole = [selectinload("*")]
    made = session.get(model, id, options=whole, populate_existing=True) if id else None
    if made is None:
        raise NotFound
    record_read("record.read", getattr(model, "__tablename__", model.__name__.lower()).removesuffix("_file"), id)
    return made


def _key() -> str | None:
    if not has_request_context():
        return None
    sent = request.headers.get(HEADER) or request.form.get(FIELD)
    if sent and len(sent) > _LONGEST:
        raise Invalid({HEADER: _l("At most %(most)s characters fit here.", most=_LONGEST)})
    return sent or None


def _content() -> str:
    pairs = sorted((name, text) for name, text in request.form.items(multi=True) if name not in _NOT_CONTENT)
    body = request.get_data(as_text=True) if request.is_json else ""
    return repr((request.path, pairs, body))


def _digest(content: str) -> str:
    """Keyed, since people's input can be guessed."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, content.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
