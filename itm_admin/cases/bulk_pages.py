"""The pages that close, delete or assign several cases at once. They ask first: how many, which, and why.

Each act is the service of a single case, declared as that service's act; foundation/bulk.py says how they share
a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.cases import choices, lookup, services
from itm_admin.cases.forms import AssignForm, CloseForm
from itm_admin.cases.models import Case
from itm_admin.cases.schemas import AssignInput, CloseInput
from itm_admin.foundation import access, bulk
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Chosen, Line
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.formats import day, label
from itm_admin.foundation.forms import PanelForm, save, tell
from itm_admin.foundation.list_parts import BulkAct
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import Page, keyring, route, safe_next_url
from itm_admin.record.forms import ReasonForm
from itm_admin.record.schema import DeleteInput, load
from itm_admin.record.versions import expect

Answer = str | tuple[str, int] | Response
_ACTS = (
    ("CasesTogetherView.assign", _l("Assign")),
    ("CasesTogetherView.close", _l("Close")),
    ("CasesTogetherView.delete", _l("Delete")),
)


def bulk_acts() -> list[BulkAct]:
    """The acts on several cases that the person at work may do."""
    return [BulkAct(text, url_for(endpoint)) for endpoint, text in _ACTS if access.allowed(endpoint, g.actor)]


@dataclass(frozen=True)
class _Asked:
    """One of the acts: how its page asks, what it does, and what is said afterwards."""

    heading: str
    submit: str
    form: PanelForm
    fields: tuple[str, ...]
    work: Callable[[Session, list[Chosen], Mapping[str, Any]], bool]
    said: Callable[[int], str]
    tone: str = "primary"


class CasesTogetherView(Page):
    """Several cases of one's own institution."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/cases/together"

    @route("/assign", act="assign", methods=("POST",))
    def assign(self) -> Answer:
        form = AssignForm()
        choices.offer_colleagues(form.account_id)
        return self._ask(
            _Asked(
                _("Assign somebody to the chosen cases"), _("Assign"), form, ("account_id",), _assign,
                _assigned_words,
            )
        )  # fmt: skip

    @route("/close", act="close", methods=("POST",))
    def close(self) -> Answer:
        return self._ask(
            _Asked(
                _("Close the chosen cases"), _("Close the cases"), CloseForm(), ("reason", "closed_on"), _close,
                lambda n: ngettext("%(num)s case is closed.", "%(num)s cases are closed.", n),
            )
        )  # fmt: skip

    @route("/delete", act="delete", methods=("POST",))
    def delete(self) -> Answer:
        return self._ask(
            _Asked(
                _("Delete the chosen cases"), _("Delete the cases"), ReasonForm(), ("reason",), _delete,
                lambda n: ngettext("%(num)s case is deleted.", "%(num)s cases are deleted.", n), "danger",
            )
        )  # fmt: skip

    def _ask(self, asked: _Asked) -> Answer:
        """The first time the page asks; the second time it does what was confirmed."""
        wanted = bulk.read(request.form.getlist(bulk.NAME))
        reasons: dict[Any, str] = {}
        confirmed = request.form.get("confirmed") == "yes"
        if confirmed:
            try:
                data = {name: asked.form.payload()[name] for name in asked.fields}
                if save(asked.form, lambda session: asked.work(session, wanted, data)):
                    tell(asked.said(len(wanted)))
                    return redirect(safe_next_url(request.form.get("next")), 303)
            except bulk.RecordsRefused as refused:
                reasons = refused.reasons
                asked.form.told.append(str(refused))
        cases = _visible(wanted)
        record_read(
            "record.list", "case", subjects=[case.id for case in cases], detail={"page": request.endpoint or ""}
        )
        versions = {each.id: each.version for each in wanted}
        lines = [_line(case, versions[case.id], reasons) for case in cases]
        page = self.render(
            "together.html", heading=asked.heading, form=asked.form, fields=asked.fields, lines=lines,
            submit=asked.submit, tone=asked.tone, action=request.path, back=safe_next_url(request.form.get("next")),
            legend=ngettext("%(num)s chosen case", "%(num)s chosen cases", len(lines)), list_name=_("Cases"),
        )  # fmt: skip
        return page, 409 if reasons else 422 if confirmed else 200


def _assigned_words(count: int) -> str:
    words: str = ngettext("The person is assigned to %(num)s case.", "The person is assigned to %(num)s cases.", count)
    return words


def _visible(wanted: list[Chosen]) -> list[Case]:
    """The chosen cases by reference; NotFound if one of them is not there for this person."""
    statement = lookup.list_cases().where(Case.id.in_([each.id for each in wanted])).order_by(Case.reference)
    cases = list(db.session.scalars(statement, execution_options={"populate_existing": True}))
    if len(cases) < len(wanted):
        raise NotFound
    return cases


def _line(case: Case, seen: int, reasons: Mapping[Any, str]) -> Line:
    """After a refusal the newest version stands there: a person who chooses it again has seen it."""
    version = case.row_version if reasons else seen
    about = f"{label(case.status, 'case_status')}, {day(case.opened_on)}"
    return Line(f"{case.id}:{version}", case.reference, about, reasons.get(case.id, ""))


def _assign(session: Session, wanted: list[Chosen], data: Mapping[str, Any]) -> bool:
    load(AssignInput, data)

    def one(each: Chosen) -> None:
        expect(lookup.get_case(session, each.id), each.version)
        services.assign(session, each.id, data)

    return bulk.all_or_nothing(wanted, one)


def _close(session: Session, wanted: list[Chosen], data: Mapping[str, Any]) -> bool:
    load(CloseInput, data)
    return bulk.all_or_nothing(
        wanted, lambda each: services.close_case(session, keyring(), each.id, data, each.version)
    )


def _delete(session: Session, wanted: list[Chosen], data: Mapping[str, Any]) -> bool:
    load(DeleteInput, data)
    return bulk.all_or_nothing(wanted, lambda each: services.delete_case(session, each.id, data, each.version))
