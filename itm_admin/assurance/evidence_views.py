"""Pages of evidence: a bundle, one entry's proof, the verifiers, and a page with the signed root for the register.

Promise: the entry of an export is committed before a byte of it leaves; a bundle that the verifier does not call intact
is sent only after the page has said so.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from flask import Response, current_app, flash, g, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as Answer
from wtforms import BooleanField, SelectField, StringField

from audit import verifier
from audit.bundle import EventFilter
from audit.bundle_export import NotCovered
from audit.evidence_report import Report
from audit.verification import Finding
from itm_admin.assurance import evidence, labels, ledger_queries, named
from itm_admin.assurance.evidence import SignedState
from itm_admin.assurance.ledger_queries import AnyRow
from itm_admin.assurance.schemas import TARGETS, EvidenceInput
from itm_admin.foundation import access, tenancy
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.forms import Asks, CodeField, PanelForm
from itm_admin.foundation.roles import AUDIT, INSTITUTION
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.record.schema import load

MOST = 10


_OF_BUNDLES: Mapping[str, Message] = {
    "unsigned": _l("No signed checkpoint covers these entries yet."),
    "key": _l("No checkpoint in it is signed by a key that counts."),
}


def bundle_words(finding: Finding) -> str:
    """One finding about a bundle made here; one without words of its own names at least its place."""
    told = (
        _OF_BUNDLES.get(finding.kind)
        or labels.FINDINGS.get(finding.kind)
        or _l("A part of the bundle contradicts another one.")
    )
    return str(told if finding.seq is None else _("Entry %(seq)s: %(what)s", seq=finding.seq, what=told))


class EvidenceForm(PanelForm):
    asks: ClassVar[Asks] = {"purpose": _l("Choose a purpose.")}

    since = StringField(_l("From"))
    until = StringField(_l("Until"))
    kind = SelectField(_l("On what"), validate_choice=False)
    target = StringField(_l("Record (reference, pseudonym or user name)"))
    actor = StringField(_l("Who (name or user name)"))
    purpose = CodeField(_l("Purpose"), "access_purpose")
    anyway = BooleanField(_l("Take it all the same, as evidence of what is wrong"))

    def offer(self) -> None:
        self.kind.choices = [("", _("— choose —")), *((kind, labels.kind_words(kind)) for kind in TARGETS)]

    def asked(self) -> EventFilter:
        """The filter. Raises Invalid with each field's error."""
        values = load(EvidenceInput, self.payload(without=("anyway",)))
        kind, id = self._named(values.get("kind") or "", values.get("target") or "", "target")
        actor = self._named("account", values.get("actor") or "", "actor")[1]
        if bool(kind) != bool(id):
            raise Invalid({"target": _l("Give both, what kind of record it is and its number, or neither.")})
        since, until = (evidence.bound(values.get(name), last=name == "until") for name in ("since", "until"))
        return EventFilter(since, until, (kind, id) if kind else None, actor or None)

    def _named(self, kind: str, said: str, field: str) -> tuple[str, str]:
        """Kind and id of the record that a reference, pseudonym or name names; an id stays as it is."""
        if not said or named.is_id(said):
            return kind, said
        try:
            found = named.find(db.session, said, field, ("account",) if field == "actor" else ())
        except Invalid:
            if field == "target":
                raise
            return kind, said
        return found[0], str(found[1])


class _Evidence(Page):
    back: ClassVar[tuple[Message, str]]
    entry: ClassVar[str]
    """The page of one entry."""

    @route("/<uuid:id>", act="export", methods=("GET", "POST"), fresh=True)
    def take(self, id: uuid.UUID) -> Response | str | tuple[str, int]:
        form = EvidenceForm()
        if not form.submitted():
            record_read("record.read", "ledger", id, detail={"page": "evidence"})
            return self._page(id, form)
        code = ledger_queries.find_ledger(db.session, id).code
        try:
            period = evidence.numbered(db.session.connection(), id, form.asked())
            evidence.require_reach(db.session, id, period.numbers)
        except Invalid as error:
            form.take(error)
            return self._page(id, form), 422
        db.session.rollback()  # no transaction is held while the bundle is made
        file, report = evidence.taken(db.engine, tenancy.current(), id, period.numbers, *_witnesses())
        intact, told = report.verdict == "intact", evidence.told("bundle", period.asked, period)
        detail = told if intact else {**told, "verdict": report.verdict, "first_broken": report.first_broken}
        outcome = "success" if intact or form.anyway.data else "failure"
        record_read("ledger.export", "ledger", id, purpose=form.purpose.data, outcome=outcome, detail=detail)
        if outcome == "failure":
            file.close()
            return self._page(id, form, report), 422
        pieces = iter(partial(file.read, 1 << 16), b"")
        answer = Response(pieces, mimetype="application/zip")
        answer.call_on_close(file.close)
        name = f"itm-{code}-evidence.zip"
        flash(_("The bundle %(file)s was taken away. It is entered in the ledger.", file=name))
        return _file(answer, name)

    @route("/<uuid:id>/<int:seq>", act="export", fresh=True)
    def proof(self, id: uuid.UUID, seq: int) -> Answer:
        ledger = ledger_queries.find_ledger(db.session, id)
        row = ledger_queries.find_entry(db.session, id, seq)
        try:
            content = evidence.proof(db.session, id, seq)
        except NotCovered:
            record_read("record.read", "entry", row.event_id, subjects=[id], detail={"ledger": str(id), "seq": seq})
            flash(_("This entry is not signed yet. Its proof is there within a minute."), "info")
            return redirect_after_post(self.entry, id=id, seq=seq)
        record_read("ledger.export", "ledger", id, detail=evidence.told("proof", EventFilter(seq, seq)))
        return _file(Response(content, mimetype="text/plain"), f"itm-{ledger.code}-{seq}.tlog-proof")

    @route("/<uuid:id>/root", act="show")
    def root(self, id: uuid.UUID) -> str:
        ledger = ledger_queries.find_ledger(db.session, id)
        record_read("record.read", "ledger", id, detail={"page": "root"})
        now = signed(id)
        groups = now.checkpoint.root.hex(" ", 2).split(" ") if now else []
        name = labels.ledger_name(ledger)
        back = [(_("Ledger of %(name)s", name=name), url_for(self.back[1]))]
        return self.render("assurance/root.html", name=name, ledger=ledger, signed=now, groups=groups, breadcrumbs=back)

    @route("/verifier.html", act="export")
    def verifier_page(self) -> Response:
        record_read("ledger.export", "ledger", detail={"form": "verifier.html"})
        return _file(Response(verifier.page(), mimetype="text/html"), "itm-verify.html")

    @route("/verifier.pyz", act="export")
    def verifier_program(self) -> Response:
        record_read("ledger.export", "ledger", detail={"form": "verifier.pyz"})
        return _file(Response(verifier.program(), mimetype="application/zip"), "itm-verify.pyz")

    def _page(self, id: uuid.UUID, form: EvidenceForm, report: Report | None = None) -> str:
        form.offer()
        ledger = ledger_queries.find_ledger(db.session, id)
        now = signed(id)
        return self.render(
            "assurance/evidence.html",
            form=form,
            ledger=ledger,
            name=labels.ledger_name(ledger),
            signed=now,
            endpoint=self.endpoint,
            verdict=labels.VERDICTS[report.verdict][0] if report else None,
            found=[bundle_words(finding) for finding in report.findings[:MOST]] if report else [],
            command=f"python itm-verify.pyz itm-{ledger.code}-evidence.zip --key VKEY",
            breadcrumbs=[(self.back[0], url_for(self.back[1]))],
        )


class InstitutionEvidenceView(_Evidence):
    """Evidence of the reader's own institution's ledger."""

    subject = "InstitutionHistory"
    scopes = (INSTITUTION,)
    route_base = "/institution-history/evidence"
    back = (_l("Our access history"), "InstitutionHistoryView.list")
    entry = "InstitutionHistoryView.entry"


class EvidenceView(_Evidence):
    """Evidence of every ledger that an auditor may see."""

    subject = "Ledger"
    scopes = (AUDIT,)
    route_base = "/ledgers/evidence"
    back = (_l("Ledgers"), "LedgerView.list")
    entry = "LedgerView.entry"


def signed(id: uuid.UUID) -> SignedState | None:
    """The ledger's signed state."""
    return evidence.signed(db.session, id, *_witnesses())


def links(view: str, ledger: uuid.UUID) -> list[tuple[str, str, str]]:
    """The ledger's exports, as buttons."""
    offered = (("take", _("Take evidence away")), ("root", _("Signed ledger summary on paper")))
    return [
        (url_for(f"{view}.{act}", id=ledger), label, "secondary")
        for act, label in offered
        if access.allowed(f"{view}.{act}", g.actor)
    ]


def proof_link(view: str, row: AnyRow) -> list[tuple[str, str, str]]:
    """One entry's proof, as a button; none before a checkpoint covers the entry."""
    if not access.allowed(f"{view}.proof", g.actor) or not evidence.is_signed(db.session, row.ledger_id, row.seq):
        return []
    return [(url_for(f"{view}.proof", id=row.ledger_id, seq=row.seq), _("Proof of this entry"), "secondary")]


def _witnesses() -> tuple[tuple[str, ...], int]:
    return current_app.config["ITM_WITNESSES"], current_app.config["ITM_QUORUM"]


def _file(response: Response, name: str) -> Response:
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


VIEWS: tuple[type, ...] = (InstitutionEvidenceView, EvidenceView)
