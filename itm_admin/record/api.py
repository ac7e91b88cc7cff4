"""The REST API of a kind of record: the same services, schemas and refusals as its pages, described by OpenAPI.

A subclass names the `page` whose columns it shares. Protected values are in no answer but that of a reveal; a change
names the `row_version` it was made on. Descriptions are made for each class, since a class has schemas of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from flask import Response
from marshmallow import Schema

from itm_admin.foundation.api import Api, body, describes, page_shown, parameters_of, route, tag_of, versioned
from itm_admin.foundation.api_schemas import HIDDEN, Changed, page_of
from itm_admin.foundation.api_schemas import versioned as with_version
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.lists import Shown
from itm_admin.foundation.once import once
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import keyring
from itm_admin.record import protected_values, versions
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.derive import answer_schema, input_schema, revealed_schema
from itm_admin.record.models import Stamped
from itm_admin.record.page_acts import copied
from itm_admin.record.page_columns import Columns
from itm_admin.record.pages import RecordPage
from itm_admin.record.schema import DeleteChange, RevealInput, load

Document = dict[str, Any]


class RecordApi(Api):
    """Operations on one kind: list, add, show, edit, delete, restore, reveal, and each transition of its states."""

    page: ClassVar[type[RecordPage]]
    document_name: ClassVar[str] = ""
    """The beginning of the schemas' names in the description; the model's name, if none is given."""
    edit_columns: ClassVar[Columns] = ()
    """The fields that a change may name, where they are not those of the page's form."""
    show_columns: ClassVar[Columns] = ()
    """The fields of an answer, where they are not all of them."""
    summaries: ClassVar[Mapping[str, str]] = {}
    """Descriptions of operations that replace the base's."""
    datamodel: ClassVar[RecordInterface[Any]]
    Answer: ClassVar[type[Schema]]
    Change: ClassVar[type[Schema]]
    Revealed: ClassVar[type[Schema]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "page" in cls.__dict__:
            _complete(cls)

    @route("/", act="list")
    def list(self) -> Response:
        shown = page_shown(db.session, self.page.listing, self.datamodel.query())
        record_read("record.list", self.datamodel.kind.name, subjects=[record.id for record in shown.found])
        return self.answer(**page_document(shown, document))

    @route("/in/<uuid:parent>", act="add", methods=("POST",))
    def add(self, parent: uuid.UUID | None = None) -> Response:
        columns = self.page.writable(self.page.add_columns)
        with writing() as session:
            record = once(
                session,
                self.datamodel.model,
                lambda: self.datamodel.add(session, keyring(), parent, body(), columns),
            )
        return self.answer(201, id=record.id, row_version=record.row_version)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> Response:
        record = self.datamodel.get(db.session, id)
        record_read("record.read", self.datamodel.kind.name, id)
        return tag_of(self.answer(**document(record)), record)

    @route("/<uuid:id>", act="edit", methods=("PATCH",))
    def edit(self, id: uuid.UUID) -> Response:
        data, version = versioned()
        columns = self.page.writable(self.edit_columns)
        with writing() as session:
            record = self.datamodel.edit(session, keyring(), id, data, version, columns)
        return self.changed(record)

    @route("/<uuid:id>/deletion", act="delete", methods=("POST",))
    @route("/<uuid:id>", act="delete", methods=("DELETE",))
    def delete(self, id: uuid.UUID) -> Response:
        data, version = versioned()
        with writing() as session:
            record = self.datamodel.delete(session, id, data, version)
        return self.changed(record)

    @route("/<uuid:id>/restore", act="restore", methods=("POST",))
    def restore(self, id: uuid.UUID) -> Response:
        with writing() as session:
            record = self.datamodel.restore(session, id)
        return self.changed(record)

    @route("/<uuid:id>/reveal", act="reveal", methods=("POST",))
    def reveal(self, id: uuid.UUID) -> Response:
        record = self.datamodel.get(db.session, id)
        return self.revealed(record, self.datamodel.parent_of(record))

    def revealed(self, record: Any, parent: Any) -> Response:
        """The protected values of a record that was found, for the purpose in the request's body."""
        why = load(RevealInput, body())
        values = self.datamodel.reveal(db.session, keyring(), record, parent, (why["purpose"], why.get("words")))
        return self.told({"id": record.id if record is not None else None, **values})


def document(record: Stamped) -> Document:
    """A record's fields; protected ones say only whether something is stored ("hidden" or null)."""
    stored = {name: None if mark is None else HIDDEN for name, mark in protected_values.masked(record).items()}
    return {**versions.shown_values(record), **stored, "id": record.id}


def page_document(shown: Shown[Any], as_document: Callable[[Any], Document]) -> Document:
    return {
        "items": [as_document(record) for record in shown.found],
        "page": shown.page,
        "size": shown.page_size,
        "total": shown.total,
    }


def _complete(cls: type[RecordApi]) -> None:
    """Makes the class's schemas and describes each operation that it has from the base."""
    page, model = cls.page, cls.page.datamodel
    kind, name = model.kind, cls.document_name or model.model.__name__
    cls.datamodel, cls.subject = model, cls.__dict__.get("subject") or model.subject
    cls.scopes = cls.__dict__.get("scopes", page.scopes)
    cls.openapi_spec_tag = cls.__dict__.get("openapi_spec_tag") or name
    own = dict(vars(cls))
    cls.Answer = own.get("Answer") or answer_schema(kind, f"{name}Answer", cls.show_columns)
    cls.edit_columns = cls.edit_columns or page.edit_columns
    cls.Change = own.get("Change") or with_version(model.schema(cls.edit_columns), f"{name}Change", partial=True)
    cls.Revealed = own.get("Revealed") or revealed_schema(kind, f"{name}Revealed")
    cls.exclude_route_methods = {*cls.exclude_route_methods, *page.exclude_route_methods} - set(own)
    adds = "add" not in cls.exclude_route_methods | set(own)
    if model.parent is None and adds:
        alone = copied(RecordApi.add)
        del alone._urls
        cls.add = route("/", act="add", methods=("POST",))(alone)  # type: ignore[method-assign]
    adding = model.schema(page.add_columns, f"{name}Input") if adds else None
    added = "Adds a record to its parent" if model.parent is not None else "Adds a record"
    operations: Mapping[str, tuple[str, Mapping[str, Any]]] = {
        "add": (added, {"takes": adding, "gives": Changed, "status": 201}),
        "show": ("One record", {"gives": cls.Answer}),
        "edit": (
            "Changes the named fields; null clears one",
            {"takes": cls.Change, "gives": Changed, "matching": True},
        ),
        "delete": (
            "Deletes the record (it can be restored)",
            {"takes": DeleteChange, "gives": Changed, "matching": True},
        ),
        "restore": ("Brings a deleted record back", {"gives": Changed}),
        "reveal": ("The protected values of one record, for a purpose", {"takes": RevealInput, "gives": cls.Revealed}),
    }
    if hasattr(page, "listing"):
        pages = {"gives": page_of(cls.Answer, f"{name}Page"), "parameters": parameters_of(page.listing)}
        operations = {"list": ("A page of records", pages), **operations}
    for operation, (summary, shapes) in operations.items():
        if operation not in own and operation not in cls.exclude_route_methods:
            setattr(
                cls,
                operation,
                describes(cls.summaries.get(operation, summary), **shapes)(copied(getattr(cls, operation))),
            )
    _add_transitions(cls, name)


def _add_transitions(cls: type[RecordApi], name: str) -> None:
    """A class that defines an act itself keeps its own."""
    states = cls.datamodel.kind.info.states
    for act, transition in states.acts.items() if states is not None else ():
        if act in cls.__dict__:
            continue
        title = act.title().replace("_", "")
        takes = with_version(input_schema(cls.datamodel.kind, transition.columns), f"{name}{title}")
        described = describes(f"The record becomes {transition.to}", takes=takes, gives=Changed, matching=True)
        setattr(cls, act, route(f"/<uuid:id>/{act}", act=act, methods=("POST",))(described(_transition(act))))


def _transition(act: str) -> Callable[[RecordApi, uuid.UUID], Response]:
    def operation(self: RecordApi, id: uuid.UUID) -> Response:
        data, version = versioned()
        with writing() as session:
            record = self.datamodel.move(session, keyring(), id, act, data, version)
        return self.changed(record)

    operation.__name__ = act
    return operation
