"""The pages of the register of institutions (the Presidency's) and of units (each institution's own)."""

from __future__ import annotations

import uuid
from typing import Any

from flask import flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.foundation import vocabulary
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, Invalid
from itm_admin.foundation.formats import label
from itm_admin.foundation.forms import PanelForm, attempt, chosen_id, save, tell, told
from itm_admin.foundation.i18n import language
from itm_admin.foundation.lists import Cell, Column, Filter, Listing
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import INSTITUTION, OVERSIGHT
from itm_admin.foundation.turkish import shown_order, turkish_contains
from itm_admin.foundation.views import Page, keyring, redirect_after_post, route
from itm_admin.institutions import services
from itm_admin.institutions.choices import UnitChoicesView, offer_units
from itm_admin.institutions.forms import InstitutionForm, UnitForm
from itm_admin.institutions.models import Institution, Unit

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


def name_of(institution: Institution) -> str:
    return institution.name_tr if language() == "tr" else institution.name_en


def _named(text: str) -> ColumnElement[bool]:
    """The register is public: its names may stand in an address."""
    return or_(
        turkish_contains(Institution.code, text),
        turkish_contains(Institution.name_tr, text),
        turkish_contains(Institution.name_en, text),
    )


REGISTER: Listing[Institution] = Listing(
    caption=_l("Register of institutions"),
    identify=lambda each: str(each.id),
    link=lambda each: url_for("InstitutionView.show", id=each.id),
    default_sort="code",
    tie=(Institution.code, Institution.id),
    search=_named,
    search_label=_l("Search by code or name"),
    by_reference=False,
    columns=(
        Column("code", _l("Code"), lambda each: Cell("link", each.code), (Institution.code,)),
        Column(
            "name",
            _l("Name"),
            lambda each: Cell("text", name_of(each)),
            (shown_order(Institution.name_tr, Institution.name_en),),
        ),
        Column(
            "kind",
            _l("Kind"),
            lambda each: Cell("text", label(each.kind, "institution_kind")),
            (vocabulary.shown_order(Institution.kind, "institution_kind"),),
        ),
        Column(
            "member_from", _l("Member from"), lambda each: Cell("day", each.member_from), (Institution.member_from,)
        ),
        Column(
            "status",
            _l("Status"),
            lambda each: (
                Cell("badge", _("Active"), "good") if each.status == "active" else Cell("badge", _("Suspended"), "bad")
            ),
            (Institution.status,),
        ),
    ),
    filters=(
        Filter(
            "kind",
            _l("Kind"),
            "choice",
            lambda code: Institution.kind == code,
            lambda: vocabulary.choices("institution_kind"),
        ),
        Filter(
            "status",
            _l("Status"),
            "choice",
            lambda code: Institution.status == code,
            lambda: [("active", _("Active")), ("suspended", _("Suspended"))],
        ),
    ),
)


class InstitutionView(Page):
    """The register of member institutions."""

    subject = "OversightInstitution"
    scopes = (OVERSIGHT,)
    route_base = "/institutions"

    @route("/", act="list")
    def list(self) -> Answer:
        shown = REGISTER.page(db.session, select(Institution), REGISTER.read(request.args))
        record_read("record.list", "institution", subjects=shown.ids)
        if me().may("add", "OversightInstitution"):
            shown.add = (url_for("InstitutionView.add"), _("New institution"))
        return self.render("institutions/list.html", heading=_("Register of institutions"), listing=shown)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> Answer:
        institution = services.get(db.session, id)
        record_read("record.read", "institution", id)
        return self.render(
            "institutions/show.html",
            heading=name_of(institution),
            institution=institution,
            may_edit=me().may("edit", "OversightInstitution"),
        )

    @route("/new", act="add", methods=BOTH)
    def add(self) -> Answer:
        form = InstitutionForm(votes=True) if request.method == "GET" else InstitutionForm()
        if form.submitted():
            made = attempt(
                form,
                lambda session: once(session, Institution, lambda: _register(session, form)),
            )
            if made is not None:
                flash(_("The institution is registered. The system administrator opens its manager's account."))
                return redirect_after_post("InstitutionView.show", id=made.id)
        return self.render(
            "institutions/form.html",
            heading=_("New institution"),
            form=form,
            action=url_for("InstitutionView.add"),
            back=url_for("InstitutionView.list"),
            conflict=[],
        ), (form.refused_with if form.submitted() else 200)

    @route("/<uuid:id>/edit", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        form, conflict = InstitutionForm(), False
        if form.submitted():
            try:
                saved = save(
                    form, lambda session: services.change(session, id, form.expected_version(), form.membership())
                )
            except Conflict:
                saved, conflict = None, True
            if saved is not None:
                tell(_("The changes are saved."))
                return redirect_after_post("InstitutionView.show", id=id)
        institution = services.get(db.session, id)
        stored = InstitutionForm(formdata=None, obj=institution, version=institution.row_version)
        form = form if form.is_filled() else stored
        rows: list[tuple[str, str, str]] = []
        if conflict:
            form.version.data = str(institution.row_version)
            saved_values = stored.typed()
            rows = [(name, text, saved_values[name]) for name, text in form.typed().items()]
        del form.code
        record_read("record.read", "institution", id, detail={"page": "edit"})
        return self.render(
            "institutions/form.html",
            heading=name_of(institution),
            form=form,
            action=url_for("InstitutionView.edit", id=id),
            back=url_for("InstitutionView.show", id=id),
            conflict=rows,
        ), (409 if conflict else form.refused_with if form.submitted() else 200)

    @route("/<uuid:id>/suspend", act="edit", methods=("POST",))
    def suspend(self, id: uuid.UUID) -> Answer:
        form = PanelForm()
        said = _("The institution is suspended.")
        told(form, lambda session: services.suspend(session, id, form.expected_version()), said)
        return redirect_after_post("InstitutionView.show", id=id)

    @route("/<uuid:id>/reactivate", act="edit", methods=("POST",))
    def reactivate(self, id: uuid.UUID) -> Answer:
        form = PanelForm()
        said = _("The institution is active again.")
        told(form, lambda session: services.reactivate(session, id, form.expected_version()), said)
        return redirect_after_post("InstitutionView.show", id=id)


class UnitView(Page):
    """The units of one's own institution."""

    subject = "Unit"
    scopes = (INSTITUTION,)
    route_base = "/units"

    @route("/", act="list")
    def list(self) -> Answer:
        tree = services.units(db.session, me().institution_id)
        record_read("record.list", "unit", subjects=[unit.id for unit, _depth in tree])
        return self.render("institutions/units.html", heading=_("Units"), tree=tree)

    @route("/new", act="add", methods=BOTH)
    def add(self) -> Answer:
        form = UnitForm()
        if form.submitted():
            made = attempt(
                form,
                lambda session: once(session, Unit, lambda: _add_unit(session, form)),
            )
            if made is not None:
                flash(_("The unit is added."))
                return redirect_after_post("UnitView.list")
        _offer(form)
        return self._form(form, _("New unit"), url_for("UnitView.add"))

    @route("/<uuid:id>", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        form, conflict = UnitForm(), False
        if form.submitted():
            try:
                saved = save(
                    form,
                    lambda session: services.change_unit(
                        session,
                        id,
                        form.expected_version(),
                        form.name.data or "",
                        chosen_id(form.parent),
                        form.province.payload(),
                    ),
                )
            except Conflict:
                saved, conflict = None, True
            if saved is not None:
                tell(_("The changes are saved."))
                return redirect_after_post("UnitView.list")
        unit = services.get_unit(db.session, id)
        if not form.is_filled():
            form = UnitForm(formdata=None, obj=unit, version=unit.row_version, parent=unit.parent_id)
        if conflict:
            form.version.data = str(unit.row_version)
        _offer(form)
        if unit.parent_id is None:
            del form.parent
        record_read("record.read", "unit", id)
        return self._form(form, unit.name, url_for("UnitView.edit", id=id), unit.name if conflict else None)

    def _form(self, form: UnitForm, heading: str, action: str, conflict: str | None = None) -> Answer:
        return self.render(
            "institutions/unit_form.html", heading=heading, form=form, action=action, conflict=conflict
        ), (409 if conflict else form.refused_with if form.submitted() else 200)


def _register(session: Session, form: InstitutionForm) -> Institution:
    return services.register(session, keyring(), (form.code.data or "").strip(), form.membership())


def _add_unit(session: Session, form: UnitForm) -> Unit:
    return services.add_unit(session, form.name.data or "", _parent(form), form.province.payload())


def _parent(form: UnitForm) -> Any:
    parent = chosen_id(form.parent)
    if parent is None:
        raise Invalid({"parent": _("This field is required.")})
    return parent


def _offer(form: UnitForm) -> None:
    offer_units(form.parent, me().institution_id, None)


VIEWS: tuple[type, ...] = (UnitChoicesView,)
