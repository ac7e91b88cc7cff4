"""The session context: who is at work, as PostgreSQL learns it at the start of every transaction.

With a session's secret the database finds account, rights and names itself (`itm.enter`) and believes no other fact of
the context. Without one nobody is at work, whatever is stated: no row of any institution is visible. A command's
connections have a `DOOR`, by which the owner's login gives a secret for what the command states (command_door.py).

Beside it the process says request, route, address and purpose, which the ledger takes down. Nothing here decides a
role's acts (see roles.py).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, tuple_row
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from itm_admin.foundation.errors import Unauthenticated

AnySession = Session | scoped_session[Session]
Units = Literal["*"] | tuple[uuid.UUID, ...]


@dataclass(frozen=True)
class Context:
    """The bound facts of one piece of work.

    `unit` and `manage` are the units whose cases the actor may work on or manage ("*" = all of the
    institution); `assigned` says that cases assigned to the actor count as well. `national` widens the
    audit scope to every institution. `reads` is the ledger's own visibility: none, actor, ledger, all.
    """

    scope: str | None = None
    institution: uuid.UUID | None = None
    institution_code: str | None = None
    account: uuid.UUID | None = None
    account_name: str | None = None
    roles: frozenset[str] = frozenset()
    unit: Units = ()
    manage: Units = ()
    create: Units = ()
    assigned: bool = False
    assigns: bool = False
    national: bool = False
    approves: bool = False
    reads: str = "none"
    purpose: str | None = None
    request_id: str | None = None
    route: str | None = None
    address: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    """Of the session at work: what the database believes."""

    @property
    def states(self) -> bool:
        """True if it says more than what was asked: somebody, or some rights."""
        return any((self.scope, self.institution, self.account, self.account_name))

    def panel_json(self) -> str:
        """The rights that a command states (`itm.open_for_command`)."""
        return json.dumps(
            {
                "scope": self.scope,
                "institution": _text(self.institution),
                "account": _text(self.account),
                "unit": _units(self.unit),
                "manage": _units(self.manage),
                "create": _units(self.create),
                "assigned": self.assigned,
                "assigns": self.assigns,
                "national": self.national,
                "approves": self.approves,
            }
        )

    def ledger_json(self) -> str:
        """The setting for the ledger (`audit.context`): ledger, actor and request."""
        actor: dict[str, Any] | None = None
        if self.account or self.account_name:
            actor = {
                "user": _text(self.account),
                "name": self.account_name,
                "institution": self.institution_code,
                "role": ",".join(sorted(self.roles)) or None,
            }
        return json.dumps(
            {
                "ledger": _text(self.institution),
                "actor": actor,
                "request": {"id": self.request_id, "route": self.route},
                "purpose": self.purpose,
                "address": self.address,
                "reads": self.reads,
            }
        )


def _text(value: uuid.UUID | None) -> str | None:
    return str(value) if value else None


def _units(units: Units) -> str | list[str]:
    return units if units == "*" else [str(unit) for unit in units]


Door = Callable[[Context], bytes]

_current: ContextVar[Context] = ContextVar("itm_context")
_renewed: ContextVar[dict[bytes, bytes] | None] = ContextVar("itm_renewed", default=None)
NOBODY = Context()

DOOR = "itm_command_door"
"""The place in `Connection.info` of a command's door."""
_NOBODY = "select itm.leave(), set_config('audit.context', %s, true)"
_COMMAND = "select set_config('audit.context', %s, true), itm.enter_command(%s)"
_ENTER = "select set_config('audit.context', %s, true), itm.enter(%s, %s, %s)"
_LOOK = ", pg_current_xact_id_if_assigned() is null"


def current() -> Context:
    """The bound context, or one that sees nothing."""
    return _current.get(NOBODY)


def asked(context: Context) -> Context:
    """The request alone, whoever is at work in it."""
    return Context(request_id=context.request_id, route=context.route, address=context.address, purpose=context.purpose)


def renew(before: bytes, after: bytes) -> None:
    """From now on in this request, one session's secret stands for another's, which it replaced (a step-up)."""
    _renewed.set({**(_renewed.get() or {}), before: after})


def newest(secret: bytes) -> bytes:
    """The secret that replaced this one in this request, or itself."""
    found = _renewed.get() or {}
    while secret in found:
        secret = found[secret]
    return secret


def forget_renewals() -> None:
    _renewed.set(None)


def bind(context: Context, session: AnySession | None = None) -> None:
    """Binds `context`; also tells a transaction that is open in `session`."""
    _current.set(context)
    if isinstance(session, scoped_session):
        session = session()
    if session is not None and session.in_transaction():
        apply(session.connection(), context)


@contextmanager
def acting(context: Context, session: AnySession | None = None) -> Iterator[Context]:
    """Binds `context` for a block and restores the former one."""
    before = current()
    if isinstance(session, scoped_session):
        session = session()
    bind(context, session)
    try:
        yield context
    finally:
        # A failed transaction accepts no setting: the next one begins with the bound context.
        bind(before, None if session is None or _failed(session) else session)


def _failed(session: Session) -> bool:
    if not session.in_transaction():
        return False
    if not session.is_active:
        return True
    connection = session.connection()
    if connection.invalidated:  # a lost connection accepts nothing before the rollback
        return True
    driver = connection.connection.driver_connection
    return driver is None or driver.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.INTRANS)


def apply(connection: Connection, context: Context | None = None) -> None:
    """Tells PostgreSQL; it ends with the transaction. Raises Unauthenticated for a session that has ended."""
    _tell(connection, context or current())


def _tell(connection: Connection, context: Context, look: str = "") -> Any:
    door: Door | None = connection.info.get(DOOR)
    said = context.ledger_json()
    if context.secret is not None:
        for secret in dict.fromkeys((newest(context.secret), context.secret)):  # the newer one may be rolled back
            row = _execute(connection, _ENTER + look, (said, secret, context.scope, context.reads))
            if row[1]:
                return row
        raise Unauthenticated
    if door is None or not context.states:
        return _execute(connection, _NOBODY + look, (said,))
    row = _execute(connection, _COMMAND + look, (said, door(context)))
    if not row[1]:
        raise Unauthenticated
    return row


def unnamed(work: AnySession | Connection, statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a statement with a secret among its values (`%(name)s`), which is never prepared by name."""
    connection = work if isinstance(work, Connection) else work.connection()
    return list(_driven(connection, statement, values).fetchall())


def _execute(connection: Connection, statement: str, values: tuple[Any, ...]) -> Any:
    return _driven(connection, statement, values, tuple_row).fetchone()


def _driven(connection: Connection, statement: str, values: Any, rows: Any = dict_row) -> Any:
    """Never prepared by name: another statement of that name would get the secret of the next person."""
    driver: Any = connection.connection.driver_connection
    try:
        return driver.cursor(row_factory=rows).execute(statement, values, prepare=False)
    except psycopg.Error as fault:
        lost = connection.dialect.is_disconnect(fault, driver, None)  # type: ignore[arg-type]
        if lost:
            connection.invalidate(fault)
        raise DBAPIError.instance(
            statement, None, fault, psycopg.Error, hide_parameters=True, connection_invalidated=lost
        ) from None


def only_read(session: Session) -> bool:
    """True if the open transaction of `session` changed and locked nothing: its commit would bring nothing along.

    It has the same context as a new one and replaces it, which saves three round trips.
    """
    if not session.in_transaction() or _failed(session) or session.new or session.dirty or session.deleted:
        return False
    return bool(_tell(session.connection(), current(), _LOOK)[2])


def install(session_class: type[Session] | Any) -> None:
    """Makes every transaction of this session class begin with the context."""

    @event.listens_for(session_class, "after_begin")
    def _begin(_session: Session, _transaction: Any, connection: Connection) -> None:
        apply(connection)
