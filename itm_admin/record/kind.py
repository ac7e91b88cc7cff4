"""A kind of record: its model, its fields, its states, what it is called. All kinds are found here by their name.

A kind is declared on its model (`__record__`) and read from the mapped class when it is first asked for, so that the
room of records needs no area and an area that was not imported has no kinds: it permits and shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Message
from itm_admin.foundation.forms import PanelForm
from itm_admin.record.field import INFO, Field
from itm_admin.record.fields import Link

SEALED = "_enc"
"""The ending of a protected field's column."""
ROOMS: tuple[str, ...] = ("itm_admin.",)
"""Packages in which models are looked for: a test's own models are no part of the panel that other tests run."""
_OF_FORMS = frozenset(dir(PanelForm)) | {"meta", "form_errors"}
"""Names that a form uses itself: a field called so would break it."""


@dataclass(frozen=True)
class Transition:
    """An act that leads a record from one state to another. `columns`: what its form asks for.

    `party`: who does it in a kind of two parties: from, to or both.
    """

    to: str
    of: tuple[str, ...]
    label: Message
    columns: tuple[str, ...] = ()
    party: str | None = None


@dataclass(frozen=True)
class States:
    """The state in which a record begins, and the acts that change it, by name."""

    first: str
    acts: Mapping[str, Transition]
    column: str = "state"

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Each change that is allowed; the database's trigger holds the same ones."""
        return frozenset((before, act.to) for act in self.acts.values() for before in act.of)


@dataclass(frozen=True)
class RecordInfo:
    """The names of a kind, and the records that it belongs to.

    `name`: the kind in the ledger, where that is not the table's. `parent`: the column of the record that it is a part
    of; `part_of`: those of further ones. `about`: the path to the person or case whose key seals its protected values,
    "" where it has a key of its own. `recent`: the column that its list is ordered by, newest first. `history`: the
    subject of the roles' table whose act "history" opens its history. `common`: the columns that both sides hold, in
    a kind of two parties (two_parties.py). `called`: the column by which people call a record, a reference that may
    stand in an address. `everybodys`: everybody may read all of the kind, which are few: the register.
    """

    label: Message
    plural: Message | None = None
    name: str | None = None
    parent: str | None = None
    part_of: tuple[str, ...] = ()
    history: str | None = None
    about: str = ""
    states: States | None = None
    recent: str | None = None
    common: tuple[str, ...] = ()
    called: str | None = None
    everybodys: bool = False


@dataclass(frozen=True)
class BoundField:
    """A field as a column of a table. The column of a protected field ends in `_enc`; its name does not."""

    name: str
    field: Field[Any]
    column: sa.Column[Any]
    protected: bool = False

    @property
    def label(self) -> Message:
        return self.field.label

    @property
    def may_be_empty(self) -> bool:
        return bool(self.column.nullable) and not self.field.needed

    @property
    def required(self) -> bool:
        """True if a record cannot be added without it."""
        given = self.may_be_empty or self.column.default or self.column.server_default
        return not (given or self.field.follows)


@dataclass(frozen=True)
class Kind:
    """A kind of record, frozen and shared by all threads."""

    name: str
    info: RecordInfo
    fields: Mapping[str, BoundField]
    model: type[Any] | None = None
    by_column: Mapping[str, BoundField] = field(init=False)
    protected: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        columns = {each.column.name: each for each in self.fields.values()}
        object.__setattr__(self, "by_column", MappingProxyType(columns))
        object.__setattr__(self, "protected", tuple(name for name, each in self.fields.items() if each.protected))

    def field(self, name: str) -> BoundField:
        """TypeError for a name that the kind does not have: a misspelled column fails at the start."""
        found = self.fields.get(name)
        if found is None:
            raise TypeError(f"{self.name} has no field {name!r}")
        return found


_NUMBER = Link(label=_l("Number of the record"))
_BY_MODEL: dict[type[Any], Kind] = {}
_TABLES: dict[str, Kind] = {}


def declare_table(name: str, info: RecordInfo, fields: Mapping[str, Field[Any]]) -> None:
    """A kind in the ledger whose table has no model."""
    columns = {each: BoundField(each, declared, sa.Column(each)) for each, declared in fields.items()}
    _TABLES[name] = Kind(name, info, MappingProxyType(columns))


def kind_of(model: type[Any]) -> Kind:
    """The kind that this model declares. TypeError for a model that declares none, or a field's name that is taken."""
    if model not in _BY_MODEL:
        _BY_MODEL[model] = _read(model)
    return _BY_MODEL[model]


def kinds() -> Mapping[str, Kind]:
    """Every kind of the models that were imported, by name. TypeError if two models declare the same one."""
    found = dict(_TABLES)
    for mapper in Model.registry.mappers:
        if "__record__" in mapper.class_.__dict__ and mapper.class_.__module__.startswith(ROOMS):
            kind = kind_of(mapper.class_)
            if kind.name in found:
                raise TypeError(f"two models are called {kind.name}")
            found[kind.name] = kind
    return MappingProxyType(found)


def kind_named(name: str | None) -> Kind | None:
    """The kind of this name. None for what is no record, or no record of this version."""
    for kind in _BY_MODEL.values():
        if kind.name == name:
            return kind
    return kinds().get(name or "")


def parts_of(kind: Kind) -> Iterable[tuple[Kind, sa.Column[Any]]]:
    """The kinds whose records are parts of a record of this kind, each with the column that holds its id."""
    for each in kinds().values():
        for name in filter(None, (each.info.parent, *each.info.part_of)):
            column = each.field(name).column
            keys = column.table.foreign_key_constraints
            if any(key.referred_table.name == _table_of(kind) for key in keys if column.key in key.column_keys):
                yield each, column


def _table_of(kind: Kind) -> str | None:
    return None if kind.model is None else kind.model.__tablename__


def _read(model: type[Any]) -> Kind:
    info = model.__dict__.get("__record__")
    if not isinstance(info, RecordInfo):
        raise TypeError(f"{model.__name__} declares no kind of record")
    fields: dict[str, BoundField] = {}
    for column in model.__table__.columns:
        declared = column.info.get(INFO) or (_NUMBER if column.name == "id" else None)
        if declared is None:
            continue
        is_sealed = column.key.endswith(SEALED)
        name = column.key.removesuffix(SEALED)
        if name in fields or (name in _OF_FORMS and _is_typed(declared)):
            raise TypeError(f"{model.__name__}.{name}: a form cannot have a field of this name")
        fields[name] = BoundField(name, declared, column, is_sealed)
    return Kind(info.name or model.__tablename__, info, MappingProxyType(fields), model)


def _is_typed(declared: Field[Any]) -> bool:
    """True if people write such a field."""
    return type(declared).check is not Field.check
