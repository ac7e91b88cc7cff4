"""Pages and programming interface of consents, and what may be told to whom on the person's page."""

from __future__ import annotations

import builtins
from typing import Any, ClassVar

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import select

from itm_admin.consent import overview, standing
from itm_admin.consent.models import Consent, stands_as
from itm_admin.consent.services import CONSENTS
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.forms import PanelForm
from itm_admin.foundation.list_parts import Filter
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.institutions.models import Institution
from itm_admin.record.api import RecordApi
from itm_admin.record.page_acts import is_deleted
from itm_admin.record.pages import RecordPage, Step

_ASKED = ("purpose", "answer", "given_on", "expires_on")
_TOLD = ("recipients", "kinds", "scopes")
_HOW = ("form", "language", "text_version", "interpreter", "paper")
_GUARDIAN = ("guardian_kind", "guardian", "guardian_suspected")


class ConsentForm(PanelForm):
    """A refusal needs no more than the purpose and the day."""

    only_if: ClassVar = {"form": _l("if it was given"), "language": _l("if it was given")}


class ConsentView(RecordPage):
    """The answers of persons, a row for each asking."""

    datamodel = CONSENTS
    form_base = ConsentForm
    route_base = "/consents"
    list_name = "consents"
    list_columns = ("purpose", "person_id", "standing", "told", "given_on", "expires_on")
    add_columns = (*_ASKED, *_TOLD, *_HOW, *_GUARDIAN)
    edit_columns = ("expires_on", "interpreter", "guardian", "paper")
    show_fieldsets = (
        (None, {"fields": ("person_id", *_ASKED, "ends_of_age", "state", "withdrawn_on", "withdrawal_reason")}),
        (_l("Who may be told what"), {"fields": ("recipients", "kinds", "institutions", "scopes")}),
        (_l("How it was asked"), {"fields": _HOW}),
        (_l("Guardian"), {"fields": _GUARDIAN}),
    )
    add_fieldsets = (
        (_l("The answer"), {"fields": _ASKED}),
        (
            _l("Who may be told what"),
            {"fields": _TOLD, "description": _l("Leave it empty for a purpose that tells nobody anything.")},
        ),
        (_l("How it was asked"), {"fields": _HOW}),
        (_l("Guardian"), {"fields": _GUARDIAN, "description": _l("For a child, or somebody under guardianship.")}),
    )
    search_columns = ("purpose", "standing", "scopes", "kinds", "person_id", "given_on", "expires_on", "ends_of_age")
    search_filters = (Filter("standing", _l("Standing"), "choice", stands_as, standing.choices),)
    order_columns = ("purpose", "given_on", "expires_on")
    base_order = ("given_on", "desc")
    label_columns: ClassVar = {"standing": _l("Standing"), "told": _l("May be told")}
    formatters_columns: ClassVar = {"standing": standing.badge}
    export_columns = (*list_columns, "scopes", "form", "language")
    empty_text = _l("No consent is recorded. Consents are added from the page of a person.")
    added_text = _l("The answer is recorded.")

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("Answers of persons, a row for each asking. A refusal is recorded and hinders nothing."),
            "add": _("One purpose at a time: none is the price of another, and a refusal closes no service."),
            "show": _("What was answered stays as it was. Who changes their mind withdraws it, or is asked anew."),
            "edit": _("What was answered stays as it was. A consent may end sooner, never later."),
            "withdraw": _("From now on nothing is told under this consent. A withdrawal is final."),
        }
        return str(words[where]) if where in words else super().lead(where)

    def list_steps(self) -> builtins.list[Step]:
        return [(url_for("ConsentTextView.list"), _("Blank forms to print"), "secondary")]

    def not_shown(self, record: Consent) -> tuple[str, ...]:
        left_out = () if record.state == standing.WITHDRAWN else ("withdrawn_on", "withdrawal_reason")
        return left_out if record.ends_of_age else (*left_out, "ends_of_age")

    def steps(self, record: Consent, parent: Any) -> builtins.list[Step]:
        """A consent is withdrawn also when all cases of the person are closed; what was never given is not."""
        final = record.state == standing.WITHDRAWN
        shut = {self.address("edit", id=record.id) if final else "", withdraw := self.address("withdraw", id=record.id)}
        found = [step for step in super().steps(record, parent) if step[0] not in shut]
        if not final and record.answer == standing.GIVEN and not is_deleted(record) and self.may("withdraw"):
            found.insert(1, (withdraw, _("Withdraw"), "secondary"))
        return found

    def offer(self, form: Any, parent: Any, record: Any) -> None:
        if "recipients" in form:
            own = tenancy.current().institution
            others = select(Institution).where(Institution.id != own, Institution.status == "active")
            found = sorted(db.session.scalars(others), key=lambda each: turkish_sort_key(each.name))
            form.recipients.choices = [(str(each.id), f"{each.name} ({each.code})") for each in found]

    @classmethod
    def overview(cls, parent: Any) -> Markup | None:
        return overview.of_person(parent)


class ConsentApi(RecordApi):
    page = ConsentView
    resource_name = "consents"
