"""A request with an API key: who is at work by it, the refusals, and its last use.

The database proves the key in each transaction (`itm.enter`) as it proves a session. Wrong keys are counted by address,
as wrong passwords are, and delay wrong keys alone: a right one never waits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_babel import lazy_gettext as _l
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from itm_admin.accounts import actor as actors
from itm_admin.accounts import api_key_text, throttle
from itm_admin.foundation import tenancy
from itm_admin.foundation.access import sent_key
from itm_admin.foundation.actor import Actor, HeldKey
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Denied, Message, TooMany, Unauthenticated
from itm_admin.foundation.tenancy import unnamed
from itm_admin.foundation.transaction import writing

USED_EVERY = 60.0
"""Seconds between two notes of a key's last use from one address."""
_ME = "select * from itm.me_by_key(%(secret)s, %(address)s)"
_USED = "select itm.key_used(%(secret)s, %(address)s)"
_REFUSED = "select itm.key_refused(%(secret)s, %(address)s)"
_WRONG = text("select itm.count_wrong_key(:address, :network)")


class WrongKey(Unauthenticated):
    """No key has this secret."""

    code = "wrong_key"
    default = _l("This is no API key of this installation. Send the key as it was given: Authorization: Bearer itm_…")


class KeyOver(Unauthenticated):
    """The key opens nothing any more."""

    def __init__(self, refused: str) -> None:
        super().__init__(_OVER[refused])
        self.code = f"key_{refused}"


class KeyElsewhere(Denied):
    """The key is used from an address that it does not name."""

    code = "key_address"
    default = _l("This API key does not work from this network address.")


_OVER: Mapping[str, Message] = {
    "ended": _l("This API key was ended. Ask your institution's manager for another one."),
    "expired": _l("This API key has expired. Ask your institution's manager for another one."),
    "replaced": _l("This secret was replaced by a newer one of the same API key. Use that one."),
    "person": _l("The person responsible for this API key cannot work at the moment."),
}


def actor_of(sent: str) -> Actor:
    """The responsible person, at work by this key. Raises WrongKey, KeyOver, KeyElsewhere or TooMany."""
    secret = api_key_text.read(sent)
    session: Session = db.session()
    address = request.remote_addr
    rows = unnamed(session, _ME, {"secret": secret, "address": address}) if secret is not None else []
    if secret is None or not rows:
        _count_wrong(session)
        raise WrongKey
    (row,) = rows
    if row["refused"] is not None:
        with writing() as work:
            unnamed(work, _REFUSED, {"secret": secret, "address": address})
        raise KeyElsewhere if row["refused"] == "address" else KeyOver(row["refused"])
    must_be_noted = row["used_age"] is None or row["used_age"] >= USED_EVERY or row["used_address"] != address
    key = HeldKey(row["key"], row["key_name"], secret, frozenset(row["scopes"]), must_be_noted)
    return dataclasses.replace(actors.of_row(row), key=key)


def who_is_at_work() -> Actor | None:
    """The person of this request's key or session; None: nobody."""
    sent = sent_key()
    return actors.load_actor() if sent is None else actor_of(sent)


def _count_wrong(session: Session) -> None:
    """Counts a wrong key by its address, with its entry. Raises TooMany where the next one has to wait."""
    key = throttle.key_from(str(current_app.config["SECRET_KEY"]))
    values = {
        "address": throttle.keyed_digest(key, "key", request.remote_addr or "none"),
        "network": throttle.keyed_digest(key, "network", throttle.network_of(request.remote_addr)),
    }
    wait = int(session.scalar(_WRONG, values) or 0)
    session.commit()
    if wait:
        raise TooMany(_l("Too many wrong API keys. Try again in %(seconds)s seconds.", seconds=wait), retry_after=wait)


def install(app: Flask) -> None:
    """Notes a key's use once its answer is ready."""
    app.after_request(_note_use)


def _note_use(response: Response) -> Response:
    actor: Any = g.get("actor")
    key: HeldKey | None = actor.key if isinstance(actor, Actor) else None
    if key is None or not key.must_be_noted or response.status_code >= 500:
        return response
    session: Session = db.session()
    if session.in_transaction() and not tenancy.only_read(session):
        return response
    try:
        unnamed(session, _USED, {"secret": key.secret, "address": request.remote_addr})
        session.commit()
    except SQLAlchemyError:  # the answer stands; the next use is noted
        session.rollback()
    return response
