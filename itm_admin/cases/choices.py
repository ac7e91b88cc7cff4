"""The choices in this area's forms: only units, institutions, colleagues and persons that the actor may use.

Each kind has a place where a form's script finds more of it. Finding colleagues or persons is a look and is recorded
with those who were shown; units and the register hold no personal data.
"""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, Row, any_, func, or_, select
from wtforms import Field, SelectField

from itm_admin.accounts.models import Account
from itm_admin.cases import permissions, services
from itm_admin.cases.models import Case, Person
from itm_admin.foundation import record_picker, tenancy
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.i18n import language
from itm_admin.foundation.quick_search import reference_in
from itm_admin.foundation.record_picker import Choices
from itm_admin.foundation.roles import INSTITUTION, ROLES
from itm_admin.foundation.turkish import shown_order, turkish_contains, turkish_order
from itm_admin.foundation.views import Page, route
from itm_admin.institutions.choices import units
from itm_admin.institutions.models import Institution, Unit


def _where_to_open() -> list[ColumnElement[bool]]:
    """The units in which the actor may open cases."""
    context = tenancy.current()
    inside = [Unit.institution_id == context.institution]
    return inside if context.create == "*" else [*inside, Unit.id.in_(context.create)]


def _institution_text(row: Row[Any]) -> str:
    return f"{row.name_en if language() == 'en' else row.name_tr} ({row.code})"


def _institution_named(text: str) -> ColumnElement[bool]:
    names = (Institution.code, Institution.name_tr, Institution.name_en)
    return or_(*(turkish_contains(name, text) for name in names))


def _called(text: str) -> ColumnElement[bool]:
    """A pseudonym or a part of one; a name fits nothing."""
    wanted = reference_in(text)
    return Person.pseudonym.contains(wanted, autoescape=True) if wanted else Person.pseudonym.is_(None)


UNITS = units(_where_to_open)
INSTITUTIONS = Choices(
    id=Institution.id,
    records=lambda: select(Institution.id, Institution.code, Institution.name_tr, Institution.name_en),
    order=(shown_order(Institution.name_tr, Institution.name_en),),
    matches=_institution_named,
    show=_institution_text,
)
_FULL_NAME = Account.first_name + " " + Account.last_name
_AT_WORK = permissions.at_work().table_valued("account_id", "roles", "units", name="at_work")
_UNITS_NAMES = func.array(
    select(Unit.name).where(Unit.id == any_(_AT_WORK.c.units)).order_by(turkish_order(Unit.name)).scalar_subquery()
)


def _colleague_text(row: Row[Any]) -> str:
    roles = ", ".join(str(role.label) for code, role in ROLES.items() if code in row.roles)
    return " – ".join(filter(None, (row.name, roles, ", ".join(row.units))))


COLLEAGUES = Choices(
    id=Account.id,
    records=lambda: (
        select(Account.id, _FULL_NAME.label("name"), _AT_WORK.c.roles, _UNITS_NAMES.label("units"))
        .join(_AT_WORK, _AT_WORK.c.account_id == Account.id)
        .where(Account.institution_id == tenancy.current().institution, Account.active)
    ),
    order=(turkish_order(Account.first_name), turkish_order(Account.last_name)),
    matches=lambda text: turkish_contains(_FULL_NAME, text),
    show=_colleague_text,
)
PERSONS = Choices(
    id=Person.id,
    records=lambda: select(Person.id, Person.pseudonym).where(Person.deleted_at.is_(None), Person.erased_at.is_(None)),
    order=(Person.pseudonym,),
    matches=_called,
    show=lambda row: str(row.pseudonym),
    shortest=2,
)


def offer_places(form: Any, stored: Case | None = None) -> None:
    """Gives the form its units and institutions to choose from."""
    unit, lead = (stored.unit_id, stored.lead_institution_id) if stored else (None, None)
    by_province = None if stored else _("— by the province —")
    record_picker.offer(db.session, form.unit_id, UNITS, url_for("CaseChoicesView.units"), by_province, stored=unit)
    register = url_for("CaseChoicesView.institutions")
    if form.unit_id.choices and not form.unit_id.choices[0][0]:
        form.unit_id.description = _("If none is chosen, the unit of the province has the case, or else your own.")
    own = str(tenancy.current().institution)
    form.lead_institution_id.data = form.lead_institution_id.data or own
    ours = (own, _("Our institution"))
    record_picker.offer(db.session, form.lead_institution_id, INSTITUTIONS, register, stored=lead, own=ours)
    if stored:  # only a manager lowers it, on a page of its own; what was typed stays
        below = services.lower_than(stored.confidentiality)
        form.confidentiality.among({*services.SENSITIVITY, form.confidentiality.data} - set(below))


def offer_colleagues(field: SelectField) -> None:
    """The active colleagues whose roles include work on cases."""
    record_picker.offer(db.session, field, COLLEAGUES, url_for("CaseChoicesView.colleagues"), _("— choose —"))


def offer_persons(field: Field) -> None:
    """Pseudonyms are found by typing; none is offered beforehand."""
    record_picker.searched(field, url_for("PersonChoicesView.persons"))


def person_called(session: AnySession, pseudonym: str | None) -> uuid.UUID:
    """The visible person with this pseudonym. Invalid under `pseudonym` if there is none."""
    wanted = select(Person.id).where(Person.pseudonym == (pseudonym or "").upper(), Person.deleted_at.is_(None))
    found = session.scalar(wanted)
    if found is None:
        raise Invalid({"pseudonym": _l("No person that you may see has this pseudonym.")})
    return found


class CaseChoicesView(Page):
    """The records that the forms of cases name."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/choices"

    @route("/case-units", act="add", methods=("POST",), quiet=True)
    def units(self) -> Response:
        return record_picker.answer(record_picker.find(db.session, UNITS, request.form), request.form)

    @route("/institutions", act="add", methods=("POST",), quiet=True)
    def institutions(self) -> Response:
        return record_picker.answer(record_picker.find(db.session, INSTITUTIONS, request.form), request.form)

    @route("/colleagues", act="assign", methods=("POST",))
    def colleagues(self) -> Response:
        return _looked_up(COLLEAGUES, "account")


class PersonChoicesView(Page):
    """Persons of other cases, by pseudonym."""

    subject = "Person"
    scopes = (INSTITUTION,)
    route_base = "/choices"

    @route("/persons", act="add", methods=("POST",))
    def persons(self) -> Response:
        return _looked_up(PERSONS, "person")


def _looked_up(kind: Choices, target: str) -> Response:
    found = record_picker.find(db.session, kind, request.form)
    record_read("record.list", target, subjects=found.ids, detail={"page": "choices"})
    return record_picker.answer(found, request.form)


VIEWS: tuple[type, ...] = (CaseChoicesView, PersonChoicesView)
