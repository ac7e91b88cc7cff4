"""The pages of the register of institutions (the Presidency's) and of units (each institution's own)."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Message
from itm_admin.foundation.forms import PanelForm, told
from itm_admin.foundation.turkish import shown_order
from itm_admin.foundation.views import redirect_after_post, route
from itm_admin.institutions.choices import UnitChoicesView, offer_units
from itm_admin.institutions.models import Institution, Unit
from itm_admin.institutions.services import INSTITUTIONS, UNIT_COLUMNS, UNITS, units
from itm_admin.record.display import Facts
from itm_admin.record.page_acts import BOTH
from itm_admin.record.pages import Answer, Post, RecordPage

MORE_FACTS: builtins.list[Callable[[Institution], Facts]] = []
"""Areas above add what they know of an institution."""


class InstitutionView(RecordPage):
    """The register of member institutions."""

    datamodel = INSTITUTIONS
    route_base = "/institutions"
    list_title = _l("Register of institutions")
    add_title = _l("New institution")
    list_columns = order_columns = ("code", "name", "kind", "member_from", "status")
    order_by: ClassVar = {"name": (shown_order(Institution.name_tr, Institution.name_en),)}
    search_columns = ("kind", "status")
    search_words = ("code", "name_tr", "name_en")
    search_label = _l("Search by code or name")
    label_columns: ClassVar = {"name": _l("Name")}
    edit_columns = ("name_tr", "name_en", "kind", "member_from", "member_to", "votes", "k_threshold")
    add_columns = ("code", *edit_columns)
    show_columns = (
        "code", "name_tr", "name_en", "kind", "status", "member_from", "member_to", "votes", "k_threshold",
    )  # fmt: skip
    exclude_route_methods: ClassVar = {"export"}
    added_text = _l("The institution is registered. The system administrator opens its manager's account.")

    def heading(self, where: str, record: Any, parent: Any) -> str:
        return self.titled(where, record.name) if record is not None else self.new_title()

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("Every member institution. Open one to see its entry or to change it."),
            "show": _("The institution's entry in the register. While it is suspended, none of its people can work."),
        }
        return str(words.get(where) or _("The register's public entry: no personal data belongs here."))

    def facts(self, record: Institution, revealed: Any) -> builtins.list[tuple[Message | None, Facts]]:
        """The declared fields, and what other areas know of the institution."""
        (legend, rows), *others = super().facts(record, revealed)
        return [(legend, [*rows, *(fact for more in MORE_FACTS for fact in more(record))]), *others]

    def acts(self, record: Institution, parent: Any) -> builtins.list[Post]:
        if record.kind == "presidency" or not me().may("edit", self.datamodel.subject):
            return []
        if record.status == "active":
            ask = _("Suspend this institution? None of its people can work until it is reactivated.")
            return [(self.address("suspend", id=record.id), _("Suspend"), "danger", ask)]
        return [(self.address("reactivate", id=record.id), _("Reactivate"), "secondary", None)]

    @route("/<uuid:id>/suspend", act="edit", methods=("POST",))
    def suspend(self, id: uuid.UUID) -> Answer:
        form, said = PanelForm(), _("The institution is suspended.")
        told(form, lambda session: INSTITUTIONS.suspend(session, id, form.expected_version()), said)
        return redirect_after_post("InstitutionView.show", id=id)

    @route("/<uuid:id>/reactivate", act="edit", methods=("POST",))
    def reactivate(self, id: uuid.UUID) -> Answer:
        form, said = PanelForm(), _("The institution is active again.")
        told(form, lambda session: INSTITUTIONS.reactivate(session, id, form.expected_version()), said)
        return redirect_after_post("InstitutionView.show", id=id)


class UnitView(RecordPage):
    """The units of one's own institution: a tree, and one form for each."""

    datamodel = UNITS
    route_base = "/units"
    exclude_route_methods: ClassVar = {"show"}
    add_title = _l("New unit")
    add_columns = edit_columns = UNIT_COLUMNS
    added_text = _l("The unit is added.")

    @route("/", act="list")
    def list(self) -> Answer:
        tree = units(db.session, me().institution_id)
        record_read("record.list", "unit", subjects=[unit.id for unit, _depth in tree])
        steps = [(self.address("add"), self.new_title(), "primary")]
        return self.render("institutions/units.html", heading=_("Units"), tree=tree, steps=steps)

    @route("/<uuid:id>", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        return super().edit(id)

    def lead(self, where: str) -> str | None:
        return str(
            _("A unit is a part of your institution. Cases belong to one, and a role can be limited to one and those"
              " below it.")
        )  # fmt: skip

    def breadcrumbs(self, record: Any, parent: Any) -> builtins.list[tuple[str, str]]:
        return super().breadcrumbs(None, parent)

    def offer(self, form: Any, parent: Any, record: Unit | None) -> None:
        if record is not None and record.parent_id is None:
            del form.parent_id
        else:
            offer_units(form.parent_id, me().institution_id, None)

    def edit_back(self, id: uuid.UUID) -> str:
        return self.address("list")

    def post_add_redirect(self, record: Any) -> Response:
        return redirect_after_post("UnitView.list")


VIEWS: tuple[type, ...] = (UnitChoicesView,)
