"""Tries, before the panel serves, what SQL in its name could try: any answer but the expected one refuses the start."""

from __future__ import annotations

import json
import secrets

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from itm_admin.foundation import claims
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database.roles import PROVED

_WRITES = (
    text(f"set local {PROVED} = 'itm_1,accounts'"),
    text(f"select set_config('{PROVED}', 'itm_1,accounts', true)"),
)
_STATED = json.dumps({"scope": "accounts", "national": True, "unit": "*", "manage": "*", "reads": "all"})
_STATE = text("select set_config('itm.context', :said, true), set_config('audit.context', :said, true)")
_ANSWERS = (
    ("itm.enter takes a wrong secret", text("select itm.enter(:secret, 'accounts')"), False),
    ("itm.enter_command takes a wrong secret", text("select itm.enter_command(:secret)"), False),
    ("somebody is at work before anybody entered", text("select coalesce(itm.scope(), itm.account()::text)"), None),
    ("what is stated shows institutions", text("select count(*) from institution"), 0),
    ("what is stated opens the ledger", text("select audit.reads()"), None),
)


def check(engine: Engine, settings: Settings) -> None:
    """Raises Refusal. `engine` is the application's."""
    with engine.connect() as connection:
        for statement in _WRITES:
            _must_fail(connection, statement)
        connection.execute(_STATE, {"said": _STATED})
        for fault, statement, expected in _ANSWERS:
            given = {"secret": secrets.token_bytes(32)} if ":secret" in statement.text else {}
            if connection.scalar(statement, given) != expected:
                raise Refusal(f"ITM_DATABASE_URL: {fault}: the database does not keep people apart")
        claims.check(connection, settings.secret_key or "")
        connection.rollback()


def _must_fail(connection: Connection, statement: object) -> None:
    try:
        connection.execute(statement)  # type: ignore[call-overload]
    except DBAPIError:
        connection.rollback()
        return
    raise Refusal(f"ITM_DATABASE_URL: the panel's own role may set {PROVED}: it could say that it is anybody")
