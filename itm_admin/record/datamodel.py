"""The operations on a kind of record, in one object that pages, programming interface and bulk pages share.

It checks who is at work, acts on the model and flushes; it keeps nothing of a request and never commits. An area's
class says only what is not every record's (`pre_add`, `pre_update`, `guard`). Row-level security decides which rows
there are; a record is looked up together with its parents, up to the root: a part of a deleted one is gone with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import Schema
from sqlalchemy import Select, func, inspect, select
from sqlalchemy.orm import contains_eager, joinedload
from sqlalchemy.sql.base import ExecutableOption

from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Invalid, Locked, Message, NotFound
from itm_admin.foundation.roles import INSTITUTION, may
from itm_admin.record import protected_values
from itm_admin.record.fields import Link
from itm_admin.record.kind import BoundField, Transition, kind_of
from itm_admin.record.lookup import Id, identifier, only_deleted
from itm_admin.record.models import Owner
from itm_admin.record.owner import owner_of
from itm_admin.record.permissions import Actor, require, require_management, working_units
from itm_admin.record.places import unit_for
from itm_admin.record.protected_values import Value
from itm_admin.record.rules import R, Rules
from itm_admin.record.schema import DeleteInput, load
from itm_admin.record.versions import expect

NOT_NOW = _l("The record is not in a state for this.")
ABOUT_NOBODY = _l("This record is about nobody yet. Nothing protected is written in it.")


class RecordInterface(Rules[R]):
    """The rules of one kind. Flask-AppBuilder's word for it is `datamodel`.

    `parent`: the interface of the kind that it is a part of; none for a kind that stands alone. `subject`: its row in
    the roles' table; `scopes`: where people work on it.
    """

    def __init__(
        self, model: type[R], *, parent: RecordInterface[Any] | None = None, subject: str | None = None,
        scopes: tuple[str, ...] = (INSTITUTION,),
    ) -> None:  # fmt: skip
        self.model, self.parent = model, parent
        self.kind = kind_of(model)
        self.subject, self.scopes = subject or model.__name__, scopes
        columns = model.__table__.columns  # type: ignore[attr-defined]
        self.can_be_deleted = "deleted_at" in columns
        self._has_institution = "institution_id" in columns
        self._has_place = "unit_id" in columns and not columns["unit_id"].nullable
        column = self.kind.info.parent
        if (column is None) != (parent is None):
            raise TypeError(f"{model.__name__} and its interface do not agree on a parent")
        self._schemas: dict[tuple[str, ...], type[Schema]] = {}
        """By the names of their fields: who may write which is asked for each request."""
        self.parent_link: BoundField | None = self.kind.field(column) if column else None

    # -- reading ----------------------------------------------------------------------------------------------------

    def options(self) -> tuple[ExecutableOption, ...]:
        """Options that load each record that a field names, beside the parents."""
        relations = inspect(self.model).relationships
        fields = [each.field for each in self.kind.fields.values() if each is not self.parent_link]
        shown = [each.shown for each in fields if isinstance(each, Link) and each.shown in relations]
        return tuple(joinedload(getattr(self.model, name or "")) for name in shown)

    def get(self, session: AnySession, id: Id, *, or_deleted: bool = False, lock: bool = False) -> R:
        """A visible record with its parents, none of which is deleted. NotFound otherwise.

        `or_deleted` holds only for those who may restore the kind; `lock` keeps others from saving it until the
        transaction ends.
        """
        statement = self._with_parents(select(self.model)).where(self.model.id == identifier(id), *self.reach())
        if not (or_deleted and may(tenancy.current().roles, "restore", self.subject)):
            statement = statement.where(*only_deleted(self.model, False))
        if lock:
            statement = statement.with_for_update(key_share=True, of=self.model)
        found: R | None = session.scalars(statement.execution_options(populate_existing=True)).unique().one_or_none()
        if found is None:
            raise NotFound
        return found

    def get_living(self, session: AnySession, id: Id) -> R:
        """As `get`; Locked for a record whose person was erased: there is nothing left to show or to change."""
        record = self.get(session, id)
        protected_values.refuse_erased(record)
        return record

    def get_open(self, session: AnySession, id: Id) -> R:
        """As `get_living`; Locked also while nobody may change the record: what is typed for it could not be saved."""
        record = self.get_living(session, id)
        self._refuse_locked(self.why_locked(record))
        return record

    def get_open_parent(self, session: AnySession, id: Id) -> Any:
        """The parent of a record that is to be added; Locked while none may be added to it."""
        parent = self.parent.get_living(session, id) if self.parent is not None else None
        self._refuse_locked(self.why_locked_inside(parent))
        return parent

    def query(self, *, deleted: bool = False) -> Select[Any]:
        """The visible records for a list to narrow and order; of a deleted parent none."""
        return self._with_parents(select(self.model)).where(*only_deleted(self.model, deleted), *self.reach())

    def query_to_export(self) -> Select[Any]:
        """As `query`, with what the columns of an export need beside the list's."""
        return self.query()

    def _with_parents(self, statement: Select[Any]) -> Select[Any]:
        """Joined with the parents up to the root, which come along: a list shows them, and none may be deleted."""
        of: RecordInterface[Any] = self
        path: Any = None
        statement = statement.options(*self.options())
        while of.parent is not None and of.parent_link is not None:
            relation = getattr(of.model, of.parent_relation)
            statement = statement.join(relation).where(*only_deleted(of.parent.model, False))
            path = contains_eager(relation) if path is None else path.contains_eager(relation)
            of = of.parent
        return statement if path is None else statement.options(path)

    def one_inside(self, session: AnySession, parent: Any) -> R | None:
        """The record of a kind that a parent has one of; None while there is none."""
        model = self.model
        inside = getattr(model, self.parent_link.name if self.parent_link is not None else "")
        statement = select(model).where(inside == parent.id, *only_deleted(model, False))
        return session.scalar(statement.execution_options(populate_existing=True))

    def owner(self, session: AnySession, record: R, parent: Any) -> Owner | None:
        """The record under whose key the protected values are sealed; None for a record about nobody yet."""
        above = (self.parent_relation, parent) if self.parent is not None else None
        return owner_of(session, record, self.kind.info.about, self.subject, above)

    # -- writing ----------------------------------------------------------------------------------------------------

    def add(
        self, session: AnySession, keyring: Keyring, parent_id: Id | None, data: Mapping[str, Any], columns: Any
    ) -> R:
        """A new record of these fields. NotFound for a parent that is not visible, Locked for a closed one."""
        parent = self.parent.get(session, parent_id or "") if self.parent is not None else None
        return self.add_inside(session, keyring, parent, data, columns)

    def add_inside(
        self, session: AnySession, keyring: Keyring, parent: Any, data: Mapping[str, Any], columns: Any
    ) -> R:
        """As `add`, in a parent that was found."""
        actor = require("add", self.subject, self.scopes)
        self.guard(session, actor, parent, None)
        self._refuse_locked(self.why_locked_inside(parent))
        values = load(self._schema(columns), data)
        record: Any = self._new(actor, parent)
        if parent is None and self._has_place:
            record.unit_id = self.place(session, actor, values)
            values = {**values, "unit_id": record.unit_id}
        return self.add_checked(session, keyring, record, parent, values)

    def place(self, session: AnySession, actor: Actor, values: Mapping[str, Any]) -> uuid.UUID:
        """The unit of a new record without a parent."""
        return unit_for(session, actor, working_units(actor), values.get("unit_id"), values.get("province"))

    def add_checked(
        self, session: AnySession, keyring: Keyring, record: R, parent: Any, values: Mapping[str, Any]
    ) -> R:
        """Stores a new record with these values, which were checked. Asks nobody's permission."""
        with session.no_autoflush:
            self._set_open(record, values)
            self.pre_add(session, record, values, parent)
            self._seal(session, keyring, record, parent, values)
            stored = self.store(session, record)
        self.post_add(session, keyring, stored, parent)
        return stored

    def store(self, session: AnySession, record: R) -> R:
        """Stores a new record, whose values are set and sealed."""
        session.add(record)
        session.flush()
        return record

    def edit(
        self, session: AnySession, keyring: Keyring, id: Id, data: Mapping[str, Any], version: int, columns: Any
    ) -> R:
        """Changes the named fields: absent = unchanged, null = cleared. Conflict if `version` is not the newest."""
        require("edit", self.subject, self.scopes)  # before it is looked up
        record = self.get(session, id, lock=True)
        return self.edit_found(session, keyring, record, self.parent_of(record), data, version, columns)

    def edit_found(
        self, session: AnySession, keyring: Keyring, record: R, parent: Any, data: Mapping[str, Any], version: int,
        columns: Any,
    ) -> R:  # fmt: skip
        """As `edit`, of a record that was found, whose parent is locked where it has one alone."""
        actor = require("edit", self.subject, self.scopes)
        self.guard(session, actor, parent, record)
        self._refuse_locked(self.why_locked_inside(parent) if self.parent is not None else self.why_locked(record))
        expect(record, version)
        values = load(self._schema(columns), data, partial=True)
        self.pre_update(session, record, values, parent)
        with session.no_autoflush:
            self._set_open(record, values)
            self._seal(session, keyring, record, parent, values)
        session.flush()
        return record

    def put_inside(
        self, session: AnySession, keyring: Keyring, parent_id: Id, data: Mapping[str, Any], version: int | None,
        columns: Any,
    ) -> R:  # fmt: skip
        """The one record of a parent: added whole the first time, then changed with a version."""
        if self.parent is None:
            raise TypeError(f"{self.model.__name__} is a part of nothing")
        parent = self.parent.get(session, parent_id, lock=True)
        record = self.one_inside(session, parent)
        if record is None:
            return self.add_inside(session, keyring, parent, data, columns)
        return self.edit_found(session, keyring, record, parent, data, version or 0, columns)

    def get_to_change(self, session: AnySession, id: Id, act: str, version: int) -> R:
        """The record, locked, for an act that an area writes by hand. Denied, Locked or Conflict as for an edit."""
        actor = require(act, self.subject, self.scopes)
        record = self.get(session, id, lock=True)
        self.guard(session, actor, self.parent_of(record), record)
        self._refuse_locked(self.why_locked(record))
        expect(record, version)
        return record

    def delete(self, session: AnySession, id: Id, data: Mapping[str, Any], version: int | None = None) -> R:
        """Hides the record, for a reason (DeleteInput); by a manager of its unit. Nothing is destroyed."""
        actor = require("delete", self.subject, self.scopes)
        record: Any = self.get(session, id, lock=True)
        require_management(record.unit_id, actor)
        protected_values.refuse_erased(record)
        if version is not None:
            expect(record, version)
        record.deletion_reason, record.deleted_at = load(DeleteInput, data)["reason"], func.now()
        session.flush()
        return record  # type: ignore[no-any-return]

    def restore(self, session: AnySession, id: Id) -> R:
        """Brings a deleted record back; by a manager of its unit. NotFound if it is not deleted."""
        actor = require("restore", self.subject, self.scopes)
        record: Any = self.get(session, id, or_deleted=True, lock=True)
        require_management(record.unit_id, actor)
        protected_values.refuse_erased(record)
        if record.deleted_at is None:
            raise NotFound
        record.deleted_at = record.deletion_reason = None
        session.flush()
        return record  # type: ignore[no-any-return]

    def move(self, session: AnySession, keyring: Keyring, id: Id, act: str, data: Mapping[str, Any], version: int) -> R:
        """Takes the record to another state by one of its kind's acts. Locked if its state does not allow it."""
        record = self.get_to_change(session, id, act, version)
        parent = self.parent_of(record)
        transition, column = self.transition(act)
        if getattr(record, column) not in transition.of:
            raise Locked(NOT_NOW)
        values = load(self._schema(transition.columns), data)
        self.pre_update(session, record, {**values, column: transition.to}, parent)
        with session.no_autoflush:
            self._set_open(record, {**values, column: transition.to})
            self._seal(session, keyring, record, parent, values)
        session.flush()
        return record

    def transition(self, act: str) -> tuple[Transition, str]:
        """The transition of this name and the column of the state. KeyError, which is a programming error."""
        states = self.kind.info.states
        if states is None:
            raise KeyError(act)
        return states.acts[act], states.column

    def reveal(
        self, session: AnySession, keyring: Keyring, record: R | None, parent: Any, why: tuple[str, str | None]
    ) -> dict[str, Value]:
        """One record's protected fields, for a purpose and perhaps in words (record/protected_values.py).

        Of a parent's one record also while there is none: the purpose is asked and told all the same.
        """
        names = self.subject, self.kind.name
        if record is None:
            return protected_values.reveal_nothing(session, names, parent.id, why)
        owner = self.refuse_about_nobody(session, record, parent)
        sealed: Any = record
        return protected_values.reveal(session, keyring, names, sealed, owner, why)

    def refuse_about_nobody(self, session: AnySession, record: R | None, parent: Any) -> Any:
        """The owner of the record's protected values. Locked for a record about nobody yet; None without a record."""
        owner = self.owner(session, record, parent) if record is not None else None
        if record is not None and owner is None:
            raise Locked(ABOUT_NOBODY)
        return owner

    # -- parts ------------------------------------------------------------------------------------------------------

    def _schema(self, columns: Any) -> Any:
        names = tuple(columns)
        if names not in self._schemas:
            self._schemas[names] = self.schema(names)
        return self._schemas[names]

    def _new(self, actor: Actor, parent: Any) -> R:
        record: Any = self.model()
        record.id = uuid.uuid4()
        if self._has_institution:
            record.institution_id = actor.institution
        if parent is not None and self.parent_link is not None:
            record.unit_id = parent.unit_id
            setattr(record, self.parent_link.name, parent.id)
        return record  # type: ignore[no-any-return]

    def _set_open(self, record: R, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            found = self.kind.fields.get(name)
            if found is not None and not found.protected and not (value is None and found.field.follows):
                setattr(record, name, value)

    def _seal(self, session: AnySession, keyring: Keyring, record: Any, parent: Any, values: Mapping[str, Any]) -> None:
        """Seals what was given of the protected fields. Locked for an erased owner, whose record nobody writes."""
        given = [name for name in self.kind.protected if name in values]
        owner = self.owner(session, record, parent) if self.kind.protected else None
        if owner is None:
            if any(values[name] for name in given):
                raise Invalid(dict.fromkeys(given, ABOUT_NOBODY))
            return
        protected_values.refuse_erased(owner)
        if given:
            if owner is not record:
                protected_values.lock_key(session, owner)
            key = protected_values.key_to_write(keyring.of_institution(session), owner)
            protected_values.put(key, record, values)

    @staticmethod
    def _refuse_locked(reason: Message | None) -> None:
        if reason is not None:
            raise Locked(reason)
