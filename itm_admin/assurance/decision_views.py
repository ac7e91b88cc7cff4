"""Pages for two people's decisions about a ledger. They state the consequences before a proposal or an approval.

The rules are decisions.py's; approved decisions are carried out elsewhere.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from flask import flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import RadioField, SelectField, StringField

from itm_admin.assurance import decisions, lists
from itm_admin.assurance.models import LedgerDecision
from itm_admin.foundation import access
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.forms import Asks, PanelForm, attempt
from itm_admin.foundation.i18n import language
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.institutions.models import Institution
from itm_admin.institutions.names import full_name_by_code
from itm_admin.ledger.approved_decisions import Kind

Answer = str | tuple[str, int] | Response

OFFERED: tuple[Kind, ...] = ("generation", "recovery", "purge")
"""The kinds that the page offers for proposals."""

CONSEQUENCES: dict[str, tuple[Message, ...]] = {
    "generation": (
        _l("The ledger as it is now is closed for ever. It stays readable, and it stays verified."),
        _l("What can still be proved of it is found by the scheduler: the last signed size on which the checkpoints "
           "held outside and the database agree. Whatever lies after it is never proved again."),
        _l("A new ledger of the same institution begins. Its first entry names the old ledger, the size and root that "
           "are trusted, the reason, and both people."),
        _l("Every record of the institution is written into the new ledger as it stands now, and is believed from then "
           "on: check the records before you approve."),
        _l("Receipts of the old ledger stay valid for the old ledger. Who kept a newer one can prove what was lost."),
    ),
    "recovery": (
        _l("Checkpoints are held outside the database so that a rewritten database is found. Until that folder is "
           "whole again, or a key is named anew, nothing is signed."),
        _l("The folder is filled again from the database alone, from checkpoints with good signatures of known keys "
           "and, where there are witnesses, only if they remember nothing else. What the database lost together with "
           "the folder is not found by this."),
        _l("A lost key is never trusted for anything new: another key is named, and the ledgers are signed by it."),
    ),
    "purge": (
        _l("The content of these entries is destroyed for ever: who did what, to which record, and why. Nobody can say "
           "it again, unless from a backup."),
        _l("What is left of each entry is its number, its time and its hashes. All proofs, receipts and checkpoints "
           "still hold, and nothing can be guessed from the hashes."),
        _l("Only whole blocks of 256 entries go, from the oldest on, all of them signed, verified and past the "
           "retention time. The database checks it once more."),
        _l("Records whose last change lies in the segment are first written into the ledger anew, as they stand. If "
           "one is not as the ledger tells, nothing is destroyed."),
        _l("An entry of the same ledger says which entries went, their hashes, and both people. A court order or an "
           "inspection that needs the content is a reason to reject."),
        _l("An operator carries it out with the command itm ledger purge. The scheduler never does."),
    ),
}  # fmt: skip
"""The consequences, in reading order."""


class DecisionForm(PanelForm):
    asks: ClassVar[Asks] = {"institution": _l("Choose a ledger."), "reason": _l("Choose why.")}
    only_if: ClassVar[Asks] = dict.fromkeys(("first_seq", "last_seq"), _l("required to destroy content"))

    institution = SelectField(_l("Whose ledger"), choices=[], validate_choice=False)
    reason = RadioField(_l("Why"), choices=[], validate_choice=False)
    first_seq = StringField(_l("First entry"))
    last_seq = StringField(_l("Last entry"), description=_l("The command itm ledger purge --dry-run says up to where."))


class DecisionView(Page):
    """Decisions of two people about ledgers."""

    subject = "LedgerDecision"
    scopes = (OVERSIGHT, AUDIT)
    route_base = "/ledger-decisions"

    @route("/", act="list")
    def list(self) -> Answer:
        listing = lists.DECISIONS.page(db.session, decisions.statement(), lists.DECISIONS.asked(request.args))
        listing.record("ledger_decision")
        if access.allowed(f"{self.endpoint}.add", me()):
            listing.add = (url_for(f"{self.endpoint}.add"), _("Propose a decision"))
        return self.render("assurance/decisions.html", listing=listing), listing.status

    @route("/new", act="add", methods=("GET", "POST"), fresh=True)
    def add(self) -> Answer:
        form = DecisionForm()
        if form.submitted():
            made = attempt(
                form, lambda session: once(session, LedgerDecision, lambda: decisions.propose(session, form.payload()))
            )
            if made is not None:
                flash(_("The decision is proposed. An auditor of another institution decides."), "success")
                return redirect_after_post("DecisionView.show", id=made.id)
        institutions = db.session.scalars(select(Institution).order_by(Institution.code)).all()
        names = [each.name_tr if language() == "tr" else each.name_en for each in institutions]
        named = ((str(each.id), f"{name} ({each.code})") for each, name in zip(institutions, names, strict=True))
        form.institution.choices = [("", _("— choose —")), *named]
        form.reason.choices = [(code, str(text)) for code, (kind, text) in decisions.REASONS.items() if kind in OFFERED]
        record_read("record.list", "ledger_decision", detail={"page": "add"})
        page = self.render(
            "assurance/decision_add.html",
            form=form,
            consequences=[(decisions.KINDS[kind], CONSEQUENCES[kind]) for kind in OFFERED],
        )
        return page, form.refused_with if form.submitted() else 200

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> Answer:
        decisions.find(db.session, id)
        return self._page(id, PanelForm())

    @route("/<uuid:id>", act="approve", methods=("POST",), fresh=True)
    def decide(self, id: uuid.UUID) -> Answer:
        form = PanelForm()
        chosen = request.form.get("decision")
        if chosen not in ("approved", "rejected"):
            raise Invalid({"": _("This is not one of the choices.")})
        approve = chosen == "approved"
        done = attempt(
            form,
            lambda session: once(session, LedgerDecision, lambda: decisions.decide(session, id, approve=approve)),
        )
        if done is None:
            return self._page(id, form), form.refused_with
        flash(
            _approved(done.kind) if chosen == "approved" else _("It is rejected."),
            "success",
        )
        return redirect_after_post("DecisionView.show", id=id)

    def _page(self, id: uuid.UUID, form: PanelForm) -> str:
        row = decisions.shown(db.session, id)
        found = row[0]
        record_read("record.read", "ledger_decision", id)
        actor = me()
        own = actor.id == found.proposed_by or actor.institution_id == found.proposer_institution_id
        may_decide = found.decision is None and not own and access.allowed(f"{self.endpoint}.decide", actor)
        return self.render(
            "assurance/decision.html",
            row=_facts(row),
            form=form,
            consequences=CONSEQUENCES[found.kind],
            may_decide=may_decide,
        )


def _approved(kind: str) -> str:
    if kind == "purge":
        return str(_("You have approved it. An operator carries it out."))
    return str(_("You have approved it. The scheduler carries it out."))


def _facts(row: Any) -> dict[str, Any]:
    found, code, proposer, decider = row
    state, tone = lists.state_of(found)
    return {
        "id": found.id,
        "name": full_name_by_code(code),
        "what": decisions.KINDS[found.kind],
        "why": decisions.REASONS[found.reason][1],
        "segment": (found.first_seq, found.last_seq) if found.first_seq is not None else None,
        "state": state,
        "tone": tone,
        "proposed_at": found.proposed_at,
        "proposed_by": proposer.get_full_name() if proposer else found.proposed_by,
        "decided_at": found.decided_at,
        "decided_by": decider.get_full_name() if decider else found.decided_by,
        "carried_out_at": found.carried_out_at,
    }
