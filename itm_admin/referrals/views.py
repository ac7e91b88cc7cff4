"""Pages of referrals: prepare one for a person, look at what goes, send it; answer one, open what was sent."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from flask import flash, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from itm_admin.cases.choices import INSTITUTIONS
from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation import record_picker
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, Invalid
from itm_admin.foundation.formats import day, label
from itm_admin.foundation.forms import attempt
from itm_admin.foundation.once import once, unless_repeated
from itm_admin.foundation.views import REMASK_AFTER, keyring, redirect_after_post, revealing, route
from itm_admin.record.display import Facts
from itm_admin.record.forms import PurposeForm
from itm_admin.record.page_acts import BOTH, is_deleted
from itm_admin.record.page_words import Step
from itm_admin.record.pages import Answer, RecordPage
from itm_admin.referrals import contents, services
from itm_admin.referrals.forms import OpenCaseForm, SendForm
from itm_admin.referrals.models import DRAFT_STATES, ReferralDraft
from itm_admin.referrals.scopes import bound, in_order
from itm_admin.referrals.services import DRAFTS, REFERRALS

_GOES, _STAYS = "good", "neutral"


class ReferralDraftView(RecordPage):
    """Referrals that are being prepared."""

    datamodel = DRAFTS
    route_base = "/referral-drafts"
    list_columns = ("services", "receiver_id", "person_id", "state", "urgency", "sent_at")
    add_columns = ("receiver_id", "services", "urgency", "case_id", "scopes", "ground", "words")
    edit_columns = add_columns
    show_columns = (
        "person_id", "case_id", "receiver_id", "services", "urgency", "scopes", "state", "ground", "sent_at", "words",
    )  # fmt: skip
    search_columns = ("state", "receiver_id", "person_id")
    order_columns = ("sent_at",)
    base_order = ("sent_at", "desc")
    show_template = "referrals/draft.html"
    add_title = _l("Refer the person")
    add_fieldsets = edit_fieldsets = (
        (None, {"fields": ("receiver_id", "services", "urgency", "case_id", "scopes", "words")}),
        (_l("Without consent"), {"fields": ("ground",)}),
    )

    def offer(self, form: Any, parent: Any, record: Any) -> None:
        if "receiver_id" in form:
            stored = record.receiver_id if record is not None else None
            url = url_for("CaseChoicesView.institutions")
            record_picker.offer(db.session, form.receiver_id, INSTITUTIONS, url, _("— choose —"), stored=stored)
        if "case_id" in form and parent is not None:
            cases = select(Case.id, Case.reference).where(Case.id.in_(services.open_cases(db.session, parent)))
            form.case_id.choices = [(str(row.id), row.reference) for row in db.session.execute(cases)]

    def steps(self, record: Any, parent: Any) -> builtins.list[Step]:
        """The way onwards first."""
        found = super().steps(record, parent)
        send = self.address("send", id=record.id)
        if send not in {url for url, _text, _tone in found}:
            return found
        plain = [(url, text, "secondary" if tone == "primary" else tone) for url, text, tone in found if url != send]
        return [(send, str(DRAFT_STATES.acts["send"].label), "primary"), *plain]

    def more(self, record: Any, parent: Any) -> Mapping[str, Any]:
        sent = services.sent_from(db.session, record.id) if record.state == "sent" else []
        if sent:
            record_read("record.list", "referral", subjects=[each.id for each in sent])
        return {"sent": sent}

    @route("/<uuid:id>/send", act="send", methods=BOTH, fresh=True)
    def send(self, id: uuid.UUID) -> Answer:
        """Shows field by field what goes and what does not, and sends it."""
        form, changed = SendForm(), False
        if form.submitted():
            version, seen = form.expected_version(), form.seen.data or ""
            try:
                sent = attempt(
                    form, lambda session: unless_repeated(session, lambda: _sent(session, id, version, seen))
                )
            except Conflict as error:
                sent, changed = None, True
                form.told.append(str(error))
            if sent is not None:
                flash(_("The referral is sent. The receiver's time to answer has begun."))
                return redirect_after_post(f"{self.endpoint}.show", id=id)
        draft = DRAFTS.get_open(db.session, id)
        parent = DRAFTS.parent_of(draft)
        record_read("record.read", "referral_draft", id, detail={"page": "send"})
        parcel = DRAFTS.parcel(db.session, keyring(), draft)
        form.seen.data, form.version.data = parcel.seen, str(draft.row_version)
        return self.render_form(
            "send", "referrals/send.html", form, draft, parent, 409 if changed else None,
            rows=[_row(each, draft) for each in parcel.fields], action=self.address("send", id=id),
            back=self.address("show", id=id), goes=len(parcel.names),
        )  # fmt: skip


def _sent(session: Any, id: uuid.UUID, version: int, seen: str) -> builtins.list[uuid.UUID]:
    return DRAFTS.send(session, keyring(), id, version, seen)


def _row(each: services.FieldToGo, draft: ReferralDraft) -> tuple[str, str, str, str]:
    """The field, its scope, whether it goes, and why."""
    name, scope = str(bound(each.name).label), label(each.scope, "data_scope")
    if each.empty:
        return name, scope, _("Nothing is stored"), ""
    if not each.goes:
        return name, scope, _("Stays"), _("No consent for this receiver lets it go.")
    if draft.ground is not None:
        return name, scope, _("Goes"), label(draft.ground, "disclosure_ground")
    if each.way is None:
        return name, scope, _("Goes"), _("Without identity")
    until = each.way.ends
    return name, scope, _("Goes"), _("Consent, until %(day)s", day=day(until)) if until else _("Consent")


class ReferralView(RecordPage):
    """Referrals that were sent to us or by us."""

    datamodel = REFERRALS
    route_base = "/referrals"
    exclude_route_methods: ClassVar = {"add", "edit", "reveal"}
    list_columns = ("service", "party", "other_institution_id", "state", "urgency", "due_at", "person_id", "sent_at")
    show_columns = (
        "party", "other_institution_id", "state", "urgency", "sent_at", "due_at", "answered_at", "ended_at",
        "reject_reason", "withdrawal_reason", "end_reason", "outcome", "scopes", "ground", "consent_ends",
        "person_id", "case_id", "draft_id",
    )  # fmt: skip
    search_columns = ("service", "state", "party", "urgency", "other_institution_id", "person_id")
    order_columns = ("sent_at", "due_at")
    base_order = ("sent_at", "desc")
    show_template = "referrals/show.html"
    empty_text = _l("No referral was sent to you or by you. One is prepared on a person's page.")

    def heading(self, where: str, record: Any, parent: Any) -> str:
        words = {"content": _("What was sent"), "open_case": _("Open a case of your own")}
        return f"{words[where]}: {record}" if where in words else super().heading(where, record, parent)

    def lead(self, where: str) -> str | None:
        words = {
            "content": _("Choose why you need them. Your name, the time and the purpose are entered in the ledger."),
            "open_case": _("The case and the person are made from what was sent. You work on them as on your own."),
        }
        return str(words[where]) if where in words else super().lead(where)

    def steps(self, record: Any, parent: Any) -> builtins.list[Step]:
        found = [*super().steps(record, parent), *_own_records(record)]
        if record.party == "to" and not is_deleted(record) and record.state in ("accepted", "done"):
            if record.case_id is None and record.state == "accepted" and self.may("open_case"):
                found.insert(0, (self.address("open_case", id=record.id), _("Open a case of your own"), "primary"))
            if self.may("content"):
                found.insert(0, (self.address("content", id=record.id), _("Show what was sent"), "primary"))
        return found

    def facts(self, record: Any, revealed: Mapping[str, Any] | None) -> builtins.list[tuple[Any, Facts]]:
        """The filled ones: most of a referral's fields are filled by its end."""
        groups = super().facts(record, revealed)
        return [(legend, [each for each in found if each[1] not in (None, "", [])]) for legend, found in groups]

    def more(self, record: Any, parent: Any) -> Mapping[str, Any]:
        summary = REFERRALS.summary(db.session, keyring(), record)
        fields = [str(bound(name).label) for name in services.sent_fields(record)]
        return {"summary": _facts(summary) if summary else None, "fields": fields, "content": None}

    @route("/<uuid:id>/content", act="open", methods=BOTH)
    def content(self, id: uuid.UUID) -> Answer:
        """The fields that were sent, for a purpose, until they are masked again."""
        form, record = PurposeForm(), REFERRALS.get(db.session, id)
        here, back = self.address("content", id=id), self.address("show", id=id)
        if form.submitted():
            try:
                why = (form.purpose.data or "", form.words.data)
                values = REFERRALS.content(db.session, keyring(), record, why)
                page = self.render(
                    "referrals/content.html", heading=self.heading("content", record, None), record=record,
                    breadcrumbs=self.breadcrumbs(record, None), facts=_facts(values), url=back,
                    remask_after=REMASK_AFTER,
                )  # fmt: skip
                return revealing(page, back)
            except Invalid as error:
                form.take(error)
        record_read("record.read", "referral", id, detail={"page": "content"})
        return self.render_form("content", self.reveal_template, form, record, None, action=here, back=back)

    @route("/<uuid:id>/case", act="open_case", methods=BOTH)
    def open_case(self, id: uuid.UUID) -> Answer:
        """A case of the receiver's own, from what was sent."""
        form = OpenCaseForm()
        if form.submitted():
            version = form.expected_version()
            link = attempt(
                form,
                lambda session: once(
                    session, CasePerson,
                    lambda: REFERRALS.open_case(session, keyring(), id, form.payload(), version),
                ),
            )  # fmt: skip
            if link is not None:
                flash(_("The case is open, with the person in it."))
                return redirect_after_post("CaseView.show", id=link.case_id)
        record = REFERRALS.get_open(db.session, id)
        record_read("record.read", "referral", id, detail={"page": "open_case"})
        form.version.data = form.version.data or str(record.row_version)
        return self.render_form(
            "open_case", "referrals/open_case.html", form, record, None, action=self.address("open_case", id=id),
            back=self.address("show", id=id),
        )  # fmt: skip


def _own_records(record: Any) -> Iterator[Step]:
    """The ways to the person and the case of this side, for those who may open them."""
    ways = (
        ("Person", "PersonView.show", record.person_id, record.person),
        ("Case", "CaseView.show", record.case_id, record.case),
    )
    for subject, endpoint, id, other in ways:
        if id is not None and me().may("show", subject):
            yield url_for(endpoint, id=id), _("Open %(pseudonym)s", pseudonym=other), "secondary"


def _facts(values: Mapping[str, Any]) -> Facts:
    """The fields that were sent, in words."""
    return [
        (str(bound(name).label), _shown(name, values[name]))
        for name in (*in_order(values), contents.MESSAGE)
        if name in values
    ]


def _shown(name: str, value: Any) -> Any:
    return bound(name).field.words(value)
