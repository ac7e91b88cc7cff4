"""The page "Who looked?": for auditors over the ledgers that they reach, for managers over their institution's."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField

from itm_admin.assurance import entry_list, labels, ledger_queries, lists, looks, named, naming
from itm_admin.assurance.history import kind_of_this
from itm_admin.foundation import vocabulary
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import DayField, PanelForm
from itm_admin.foundation.i18n import language
from itm_admin.foundation.roles import AUDIT, INSTITUTION
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.foundation.views import Page, redirect_after_post, route


class LooksForm(PanelForm):
    what = StringField(_l("Case, person or user"))
    since = DayField(_l("From"))
    until = DayField(_l("Until"))
    purpose = SelectField(_l("Why"), validate_choice=False)
    action = SelectField(_l("What"), validate_choice=False)
    ledger = SelectField(_l("Institution"), validate_choice=False)

    def offer(self, names: Mapping[str, str]) -> None:
        everything = ("", _("all"))
        self.purpose.choices = [everything, *vocabulary.choices("access_purpose")]
        acts = [(code, vocabulary.label("audit_event", code)) for code in labels.LOOKED]
        self.action.choices = [everything, *acts]
        self.ledger.choices = [everything, *((code, f"{name} ({code})") for code, name in names.items())]

    def filters(self) -> dict[str, str]:
        """The filters as query parameters. Raises Invalid for a malformed day."""
        values = self.payload()
        found = {"from": values.get("since"), "to": values.get("until")}
        found |= {name: values.get(name) for name in ("purpose", "action", "ledger")}
        chosen = {name: str(value) for name, value in found.items() if value}
        return entry_list.checked(chosen, {"from": "since", "to": "until"})


def _names(ledgers: Iterable[ledger_queries.AnyRow]) -> Mapping[str, str]:
    """Institutions by their codes, once for all generations of a ledger."""
    turkish = language() == "tr"
    found = {row.code: str((row.name_tr if turkish else row.name_en) or row.code) for row in ledgers}
    return dict(sorted(found.items(), key=lambda each: turkish_sort_key(each[1])))


class _Looks(Page):
    default_view = "ask"
    history: ClassVar[str]
    acts: ClassVar[str]
    evidence: ClassVar[str]
    listed: ClassVar[str]

    @route("/", act="history")
    def ask(self) -> str:
        record_read("record.list", "entry", detail={"page": "looks"})
        return self._form(LooksForm())

    @route("/", act="history", methods=("POST",))
    def find(self) -> Response | tuple[str, int]:
        form = LooksForm()
        try:
            chosen = form.filters()
            what = (form.what.data or "").strip()
            kind, id = named.find(db.session, what) if what else ("everything", None)
        except Invalid as error:
            form.take(error)
            record_read("record.search", "entry", detail={"page": "looks"})
            return self._form(form), 422
        found = {"page": "looks", "rows": int(bool(id))}
        record_read("record.search", "entry", subjects=[id] if id else [], detail=found)
        if id is None:
            return redirect_after_post(f"{self.endpoint}.everything", **chosen)
        return redirect_after_post(f"{self.endpoint}.show", kind=kind, id=id, **chosen)

    @route("/everything", act="history")
    def everything(self) -> str:
        return self._answer("everything", None)

    @route("/<kind>/<uuid:id>", act="history")
    def show(self, kind: str, id: uuid.UUID) -> str:
        return self._answer(kind_of_this(db.session, kind, id).name, id)

    def _answer(self, kind: str, id: uuid.UUID | None) -> str:
        wanted = entry_list.read(db.session, request.args)
        found, told_in, more = looks.grouped(db.session, wanted, looks.condition(db.session, kind, id))
        naming.learn(db.session, [id])
        ledgers = [row for row in ledger_queries.ledgers(db.session) if not row.closed_at]
        detail = {**wanted.chosen, "page": "looks", "rows": len(found)}
        record_read("record.read", kind if id else "entry", id, detail=detail)
        since, until = looks.bounds(wanted)
        chosen = {name: value for name, value in wanted.chosen.items() if name in ("from", "to", "purpose", "action")}
        return self.render(
            "assurance/looks.html",
            target=labels.target_words(kind, naming.name_of(id)) if id else None,
            kind=kind,
            id=id,
            lookers=lists.lookers(found, self.endpoint, kind, chosen),
            more=more,
            wanted=wanted,
            since=since,
            until=until,
            lines=self._lines(kind, id, wanted.chosen) if id else None,
            ledgers=[row for row in ledgers if row.id in told_in] if id else [],
            view=self,
            words=labels,
            institution=_names(ledgers).get(wanted.chosen.get("ledger", "")),
        )

    def _lines(self, kind: str, id: uuid.UUID, chosen: Mapping[str, str]) -> str:
        """The address of the entries that were counted."""
        offered = {each.name for each in entry_list.HISTORY.filters}
        kept: dict[str, Any] = {name: value for name, value in chosen.items() if name in offered}
        if kind == "account":
            return url_for(self.acts, id=id, **kept)
        return url_for(self.history, kind=kind, id=id, **kept)

    def _form(self, form: LooksForm) -> str:
        form.offer(_names(ledger_queries.ledgers(db.session)))
        month = looks.last_month()
        at = f"{self.endpoint}.everything"
        presets = [
            (url_for(at, action="record.reveal", purpose="EMERGENCY", **month), _("Emergency reveals of last month")),
            (url_for(at, action="record.reveal", **month), _("All reveals of last month")),
            (url_for(at, action="record.export", **month), _("Exports of last month")),
            (url_for(at, outcome="denied", **month), _("Refusals of last month")),
            (url_for(at, action="role.change", **month), _("New links, roles and ends of last month")),
            (url_for(at, action="account.change", **month), _("Changes of accounts of last month")),
        ]
        return self.render("assurance/looks_ask.html", form=form, presets=presets, view=self)


class LooksView(_Looks):
    """Over every ledger that an auditor may see."""

    subject = "Ledger"
    scopes = (AUDIT,)
    route_base = "/looks"
    history, acts, evidence = "AuditHistoryView.record", "AuditHistoryView.acts", "EvidenceView.take"
    listed = "LedgerView.entries"


class InstitutionLooksView(_Looks):
    """Over one's own institution's ledger, for its managers."""

    subject = "Account"
    scopes = (INSTITUTION,)
    route_base = "/institution-looks"
    history, acts, evidence = "HistoryView.record", "AccountHistoryView.acts", "InstitutionEvidenceView.take"
    listed = "InstitutionHistoryView.list"
