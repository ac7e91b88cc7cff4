"""Somebody who has a stolen password, and SQL in the web server's name: tries and sessions without a page."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from itm_admin.accounts import passwords
from tests import signed_in
from tests.factories import PASSWORD, Somebody, without_rules
from tests.panel.panel_app import RunningPanel

COUNT = text("select wait, ticket from itm.count_sign_in(:name, :a, :b, :c, :d, :e)")
SALT = text("select itm.salt_of(:name)")
OFFER = text("select itm.offer_proof(:ticket, :proof)")
ENTER = text("select itm.enter(:secret, 'login', 'actor')")
_SIGN_IN = text("select itm.sign_in(:ticket, :x, :x, :digest, interval '30 minutes', interval '1 hour', null, null)")
_COUNT_OWN = text("select ticket from itm.count_own()")
_CONFIRM = text("select itm.confirm(:ticket)")
_FACTOR = text(
    "update account_session set factor_at = now() - cast(:age as interval) where secret_digest = sha256(:secret)"
)


@contextmanager
def thief(panel: RunningPanel) -> Iterator[Connection]:
    """A connection of somebody who has the password of itm_app, and nothing else."""
    engine = create_engine(panel.database.url("app"), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def digests() -> dict[str, bytes]:
    """A try's digests, which nobody has sent before."""
    return {key: secrets.token_bytes(32) for key in "abcde"}


def tried(connection: Connection, who: Somebody, password: str = PASSWORD) -> tuple[bytes, str | None]:
    """A whole try, up to its judgement, which is not committed: the secret, and the reason of a refusal."""
    ticket = connection.execute(COUNT, {"name": who.username, **digests()}).one().ticket
    connection.commit()
    proof = passwords.proof(str(connection.scalar(SALT, {"name": who.username})), password)
    connection.execute(OFFER, {"ticket": ticket, "proof": proof})
    connection.commit()
    secret = secrets.token_bytes(32)
    digest = hashlib.sha256(secret).digest()
    return secret, connection.scalar(_SIGN_IN, {"ticket": ticket, "x": b"x", "digest": digest})


def half_secret(connection: Connection, who: Somebody) -> bytes:
    """The secret of half a session."""
    secret, refused = tried(connection, who)
    assert refused is None
    connection.commit()
    return secret


def whole_secret(panel: RunningPanel, who: Somebody, age: str) -> bytes:
    """The secret of a whole session, whose second factor is so old."""
    _person, secret = signed_in.begin(panel.database, who.username)
    with panel.database.engine("superuser").begin() as connection, without_rules(connection, "account_session"):
        connection.execute(_FACTOR, {"secret": secret, "age": age})
    return secret


def proved(connection: Connection, who: Somebody, secret: bytes) -> None:
    """The present password is proved in this session, in a counted try."""
    assert connection.scalar(ENTER, {"secret": secret})
    ticket = connection.scalar(_COUNT_OWN)
    connection.commit()
    proof = passwords.proof(str(connection.scalar(SALT, {"name": who.username})), PASSWORD)
    connection.execute(OFFER, {"ticket": ticket, "proof": proof})
    connection.commit()
    assert connection.scalar(ENTER, {"secret": secret})
    assert connection.scalar(_CONFIRM, {"ticket": ticket}) is None
    connection.commit()


def refused(connection: Connection, statement: str, match: str | None = None, **values: Any) -> None:
    """The statement fails, or finds nothing to do."""
    with connection.begin_nested() as inner:
        if match is not None:
            with pytest.raises(DBAPIError, match=match):
                connection.execute(text(statement), values)
        else:
            with suppress(DBAPIError):
                assert connection.execute(text(statement), values).rowcount == 0, statement
        inner.rollback()
