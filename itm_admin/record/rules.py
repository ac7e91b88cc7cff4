"""The rules of a kind of record that an area may say in its own words. RecordInterface (datamodel.py) follows them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement

from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Message
from itm_admin.record.derive import input_schema
from itm_admin.record.display import is_named
from itm_admin.record.fields import Link
from itm_admin.record.kind import BoundField, Kind
from itm_admin.record.models import Stamped
from itm_admin.record.permissions import Actor, require_work
from itm_admin.record.schema import Input

R = TypeVar("R", bound=Stamped)


class Rules(Generic[R]):
    """Methods with a default, which an area's class replaces."""

    model: type[R]
    kind: Kind
    parent: Any
    parent_link: BoundField | None
    _has_place: bool

    def guard(self, session: AnySession, actor: Actor, parent: Any, record: R | None) -> None:
        """Raises what stands against any change: Denied, Locked, Invalid.

        By default what the parent says; of a record that stands alone, that people of its unit change it. `record` is
        None where one is added.
        """
        if self.parent is not None:
            self.parent.guard(session, actor, self.parent.parent_of(parent), parent)
        elif record is not None and self._has_place:
            require_work(getattr(record, "unit_id"), actor)  # noqa: B009 (not every model has one)

    def reach(self) -> Sequence[ColumnElement[bool]]:
        """Conditions on the records that the person at work reaches, beside row-level security."""
        return ()

    def why_locked(self, record: Any) -> Message | None:
        """Why nobody may change the record now; None: it is open. By default what its parent says."""
        return None if self.parent is None or record is None else self.parent.why_locked(self.parent_of(record))

    def why_locked_inside(self, parent: Any) -> Message | None:
        """Why nothing may be added to the parent now."""
        return None if self.parent is None else self.parent.why_locked(parent)

    def pre_add(self, session: AnySession, record: R, values: Mapping[str, Any], parent: Any) -> None:
        """Before a record is stored, with its open fields set. Raises Invalid for what the schema cannot know."""

    def post_add(self, session: AnySession, keyring: Keyring, record: R, parent: Any) -> None:
        """After a record is stored: what is made together with it."""

    def pre_update(self, session: AnySession, record: R, values: Mapping[str, Any], parent: Any) -> None:
        """Before a change is stored, and before a transition. `record` is as it was before."""

    def schema(self, columns: Sequence[str], name: str | None = None) -> type[Input]:
        """The check of input in these fields, for forms and programming interface alike."""
        return input_schema(self.kind, columns, name)

    def named_by(self, record: R, columns: Sequence[str]) -> Iterable[uuid.UUID]:
        """The ids of further records that a row of a list or an export names in these columns, for the ledger."""
        named = (name for name in columns if name in self.kind.fields and is_named(self.kind.field(name)))
        return filter(None, (getattr(record, name) for name in named))

    @property
    def parent_relation(self) -> str:
        """The relation of the model that leads to its parent."""
        field = self.parent_link.field if self.parent_link is not None else None
        if not isinstance(field, Link) or field.shown is None:
            raise TypeError(f"{self.model.__name__} is a part of nothing")
        return field.shown

    def parent_of(self, record: Any) -> Any:
        """The record that this one is a part of; None for a kind without one."""
        return None if self.parent is None or record is None else getattr(record, self.parent_relation)
