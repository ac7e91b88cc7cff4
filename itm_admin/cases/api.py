"""The REST API of cases, persons and profiles: the same services, schemas and refusals as the pages.

Protected values are in no answer but that of a reveal. A change names the `row_version` it was made on.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from flask import Response
from sqlalchemy.orm import Session

from itm_admin.cases import lookup, person_services, services
from itm_admin.cases.answers import (
    CaseOpened,
    CaseWithPeople,
    CloseChange,
    LinkMade,
    LowerChange,
    PersonsFound,
    link_document,
)
from itm_admin.cases.models import Case, CaseAssignment, CasePerson
from itm_admin.cases.person_views import PersonView
from itm_admin.cases.profile_views import ProfileApi
from itm_admin.cases.schemas import (
    API_COLUMNS,
    AssignInput,
    CaseInput,
    LinkInput,
    NewPersonInput,
    SearchInput,
    UnlinkInput,
)
from itm_admin.cases.views import CaseView
from itm_admin.foundation.api import body, describes, route, tag_of, versioned
from itm_admin.foundation.api_schemas import Changed, Identified, OnlyVersion
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.once import once
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import keyring
from itm_admin.record.api import RecordApi, document

Document = dict[str, Any]


class CaseApi(RecordApi):
    """Cases of one's own institution."""

    page = CaseView
    resource_name = "cases"
    openapi_spec_tag = "Cases"
    edit_columns = API_COLUMNS
    summaries: ClassVar = {
        "list": "A page of cases",
        "edit": "Changes the named fields",
        "delete": "Deletes the case (it can be restored)",
        "restore": "Brings a deleted case back",
        "reveal": "The protected values of one case, for a purpose",
    }

    @route("/", act="add", methods=("POST",))
    @describes("Opens a case", takes=CaseInput, gives=CaseOpened, status=201)
    def add(self) -> Response:  # type: ignore[override]
        with writing() as session:
            case = once(session, Case, lambda: services.open_case(session, keyring(), body()))
        return self.answer(201, id=case.id, reference=case.reference, row_version=case.row_version)

    @route("/<uuid:id>", act="show")
    @describes("One case with its persons", gives=CaseWithPeople)
    def show(self, id: uuid.UUID) -> Response:
        case = lookup.get_case(db.session, id)
        record_read("record.read", "case", id)
        links = [link_document(link) for link in lookup.people_of(db.session, case)]
        return tag_of(self.answer(**document(case), people=links), case)

    @route("/<uuid:id>/close", act="close", methods=("POST",))
    @describes("Closes the case", takes=CloseChange, gives=Changed, matching=True)
    def close(self, id: uuid.UUID) -> Response:
        data, version = versioned()
        with writing() as session:
            case = services.close_case(session, keyring(), id, data, version)
        return self.changed(case)

    @route("/<uuid:id>/reopen", act="close", methods=("POST",))
    @describes("Opens a closed case again", takes=OnlyVersion, gives=Changed, matching=True)
    def reopen(self, id: uuid.UUID) -> Response:
        _data, version = versioned()
        with writing() as session:
            case = services.reopen_case(session, id, version)
        return self.changed(case)

    @route("/<uuid:id>/confidentiality", act="lower", methods=("POST",))
    @describes("Lowers the confidentiality, for a reason", takes=LowerChange, gives=Changed, matching=True)
    def lower(self, id: uuid.UUID) -> Response:
        data, version = versioned()
        with writing() as session:
            case = services.lower_confidentiality(session, id, data, version)
        return self.changed(case)

    @route("/<uuid:id>/assignments", act="assign", methods=("POST",))
    @describes("Assigns an account of the institution", takes=AssignInput, gives=Identified, status=201)
    def assign(self, id: uuid.UUID) -> Response:
        with writing() as session:
            assignment = once(session, CaseAssignment, lambda: services.assign(session, id, body()))
        return self.answer(201, id=assignment.id)

    @route("/<uuid:id>/assignments/<uuid:account>", act="assign", methods=("DELETE",))
    @describes("Ends an assignment", gives=Identified)
    def unassign(self, id: uuid.UUID, account: uuid.UUID) -> Response:
        with writing() as session:
            services.unassign(session, id, account)
        return self.answer(id=id)

    @route("/<uuid:id>/people", act="edit", methods=("POST",))
    @describes(
        "Adds a new person, or with `person_id` a known one, to the case",
        takes=(NewPersonInput, LinkInput),
        gives=LinkMade,
        status=201,
    )
    def add_person(self, id: uuid.UUID) -> Response:
        data = body()
        with writing() as session:
            link = once(session, CasePerson, lambda: _added(session, id, data))
        return self.answer(201, id=link.id, person_id=link.person_id, row_version=link.row_version)


class PersonApi(RecordApi):
    """Persons of one's own institution's cases."""

    page = PersonView
    resource_name = "persons"
    exclude_route_methods: ClassVar = {"add"}  # a person is added to a case
    openapi_spec_tag = "Persons"
    summaries: ClassVar = {
        "list": "A page of persons",
        "show": "One person",
        "delete": "Deletes the person (can be restored)",
        "restore": "Brings a deleted person back",
        "reveal": "One person's protected values, for a purpose",
    }

    @route("/search", act="search", methods=("POST",))
    @describes("Persons found by name or number", takes=SearchInput, gives=PersonsFound)
    def search(self) -> Response:
        found = lookup.find_persons(db.session, keyring(), body())
        ids = [person.id for person in found.persons]
        record_read("record.search", "person", subjects=ids, detail={"searched": found.digest})
        return self.answer(items=[document(person) for person in found.persons], more=found.more)

    @route("/links/<uuid:link>/deletion", act="delete", methods=("POST",))
    @route("/links/<uuid:link>", act="delete", methods=("DELETE",))
    @describes(
        "Takes a person out of a case; from the last one they go to another or are deleted",
        takes=UnlinkInput,
        gives=Changed,
    )
    def unlink(self, link: uuid.UUID) -> Response:
        with writing() as session:
            changed = once(session, CasePerson, lambda: person_services.unlink_person(session, keyring(), link, body()))
        return self.changed(changed)


def _added(session: Session, id: uuid.UUID, data: Document) -> CasePerson:
    if "person_id" in data:
        return person_services.link_person(session, keyring(), id, data)
    return person_services.add_person_to_case(session, keyring(), id, data, notice=True)


APIS = (CaseApi, PersonApi, ProfileApi)
