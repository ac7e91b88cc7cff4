"""Records of two parties: a side in each institution, and an act that both sides hold in common.

The columns of `RecordInfo.common` are equal in both rows and in both ledgers. The database's functions alone write
them, in one commit (migrations, 0013/70_two_parties.sql). Everything else is one side's: unit, person, notes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import ForeignKeyConstraint, String, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Relationship, declared_attr, relationship

from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Locked, Message
from itm_admin.foundation.records import Identifier
from itm_admin.foundation.transaction import wrote
from itm_admin.record.datamodel import NOT_NOW, RecordInterface
from itm_admin.record.field import field
from itm_admin.record.fields import Choice, Link, Opaque, Whole
from itm_admin.record.lookup import Id
from itm_admin.record.models import Record
from itm_admin.record.schema import load

PARTIES: Mapping[str, Message] = {"from": _l("Sender"), "to": _l("Receiver")}
OTHER_SIDE = _l("The other institution does this.")


class Side(Record):
    """One institution's row of an act of two."""

    common: Mapped[uuid.UUID] = field(Opaque(label=_l("Number in common")), type_=Identifier)
    party: Mapped[str] = field(Choice(label=_l("Our side"), choices=PARTIES))
    other_institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Other institution"), shown="other_institution", ask=_l("Choose an institution."))
    )
    act: Mapped[int] = field(Whole(label=_l("Number of the act")))
    shared: Mapped[str] = field(Opaque(label=_l("Digest in both ledgers")), type_=String)

    @declared_attr
    def other_institution(cls: Any) -> Relationship[Any]:
        join = f"foreign({cls.__name__}.other_institution_id) == Institution.id"
        return relationship("Institution", primaryjoin=join, viewonly=True, lazy="raise_on_sql")

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = cls.__tablename__
        return (
            *super().__table_args__,
            UniqueConstraint("common", "party", name=f"{name}_once"),
            ForeignKeyConstraint(["other_institution_id"], ["institution.id"], name=f"{name}_other"),
        )


S = TypeVar("S", bound=Side)


class TwoParties(RecordInterface[S]):
    """The rules of a kind with two sides. `add` opens an act, each transition is an act of the party that it names."""

    def __init__(self, model: type[S], **options: Any) -> None:
        super().__init__(model, **options)
        states = self.kind.info.states
        for act, transition in states.acts.items() if states is not None else ():
            if transition.party is None:
                raise TypeError(f"{model.__name__}.{act} names no party")

    def get(self, session: AnySession, id: Id, *, or_deleted: bool = False, lock: bool = False) -> S:
        """As every record's, but never locked: the database locks both sides, in one order."""
        return super().get(session, id, or_deleted=or_deleted)

    def store(self, session: AnySession, record: S) -> S:
        """Opens the act: both sides are written."""
        values = {name: value for name, value in self._begun(record) if value is not None}
        held = {name: values.pop(name) for name in self.kind.info.common if name in values}
        receiver = values.pop("other_institution_id", None)
        values.pop("institution_id", None)
        statement = text(
            f"select itm.open_{self.model.__tablename__}(:receiver, cast(:held as jsonb), cast(:ours as jsonb))"
        )
        made = session.scalar(statement, {"receiver": receiver, "held": _json(held), "ours": _json(values)})
        wrote(str(made))
        return session.scalars(select(self.model).where(self.model.id == made)).one()

    def _begun(self, record: S) -> Iterable[tuple[str, Any]]:
        """The new side's columns, with the values that they begin with."""
        states = self.kind.info.states
        for column in self.model.__table__.columns:  # type: ignore[attr-defined]
            value = getattr(record, column.key)
            if value is None and column.default is not None:
                value = [] if column.default.is_callable else column.default.arg
            if value is None and states is not None and column.key == states.column:
                value = states.first
            yield column.key, value

    def move(self, session: AnySession, keyring: Keyring, id: Id, act: str, data: Mapping[str, Any], version: int) -> S:
        """One more act of both. Locked if it is the other side's or the state does not allow it."""
        record = self.get_to_change(session, id, act, version)
        transition, column = self.transition(act)
        if transition.party not in ("both", record.party):
            raise Locked(OTHER_SIDE)
        if getattr(record, column) not in transition.of:
            raise Locked(NOT_NOW)
        parent, values = self.parent_of(record), load(self._schema(transition.columns), data)
        self.pre_update(session, record, {**values, column: transition.to}, parent)
        changed = {column: transition.to, **{n: values.pop(n) for n in self.kind.info.common if n in values}}
        statement = text(f"select itm.act_on_{self.model.__tablename__}(:side, :act, cast(:changed as jsonb))")
        session.execute(statement, {"side": record.id, "act": record.act, "changed": _json(changed)})
        wrote(str(record.id))
        session.refresh(record)
        with session.no_autoflush:
            self._set_open(record, values)
            self._seal(session, keyring, record, parent, values)
        session.flush()
        return record


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, default=_written)


def _written(value: Any) -> str:
    """Bytes as PostgreSQL reads them from JSON, days and ids as text."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return value.isoformat() if isinstance(value, date) else str(value)
