"""The auditors' workspace: ledgers, entries, verification, alerts. Histories: see history_views.py.

Every view here is an event itself. Nothing here can change a ledger: a verification is requested here and made by the
scheduler's process.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from flask import jsonify, request, url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.assurance import (
    entry_list,
    evidence_views,
    labels,
    ledger_queries,
    lists,
    named,
    paging,
    receipt_views,
    tampering,
    verification_requests,
)
from itm_admin.assurance.health import HealthView
from itm_admin.assurance.history_views import (
    AccountHistoryView,
    AuditHistoryView,
    HistoryView,
    OwnHistoryView,
    entry_page,
    filtered,
)
from itm_admin.assurance.ledger_queries import AnyRow
from itm_admin.assurance.models import VerificationRequest
from itm_admin.assurance.scheduler_watch import scheduler_seen
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import AUDIT
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.ledger import backlog


class LedgerView(Page):
    """Every ledger that this auditor may see, and its entries."""

    subject = "Ledger"
    scopes = (AUDIT,)
    route_base = "/ledgers"

    @route("/", act="list")
    def list(self) -> str:
        rows = ledger_queries.ledgers(db.session)
        listing = lists.LEDGERS.all(rows, lists.LEDGERS.read(request.args))
        listing.record("ledger")
        return self.render("assurance/ledgers.html", listing=listing, words=labels)

    @route("/filter", act="list", methods=("POST",))
    def filter(self) -> Response:
        """Redirects typed filters to an address without a name."""
        ledger = request.form.get("id", "")
        at = {"id": uuid.UUID(ledger)} if named.is_id(ledger) else {}
        return filtered(f"{self.endpoint}.{'show' if at else 'entries'}", at)

    @route("/entries", act="list")
    def entries(self) -> tuple[str, int]:
        wanted = entry_list.asked(db.session, request.args)
        found = paging.page(db.session, wanted)
        listing = entry_list.filled(_ALL, wanted, found, url_for("LedgerView.filter"))
        listing.record("entry", detail={**wanted.chosen, "entries": len(found.rows)})
        return self.render("assurance/entries.html", listing=listing, ledger=None), listing.status

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> tuple[str, int]:
        wanted = entry_list.asked(db.session, request.args)
        ledger = ledger_queries.find_ledger(db.session, id)
        found = paging.page(db.session, wanted, ledger_id=id)
        listing = entry_list.filled(_ONE, wanted, found, url_for("LedgerView.filter"))
        listing.record("ledger", id, detail={**wanted.chosen, "entries": len(found.rows)})
        verdicts = ledger_queries.verdicts(db.session, id)
        page = self.render(
            "assurance/entries.html",
            listing=listing,
            ledger=ledger,
            verdicts=verdicts,
            signed=evidence_views.signed(id),
            takes=evidence_views.links("EvidenceView", id),
            words=labels,
        )
        return page, listing.status

    @route("/<uuid:id>/<int:seq>", act="show")
    def entry(self, id: uuid.UUID, seq: int) -> str:
        return entry_page(self, id, seq, "EvidenceView")


class VerificationView(Page):
    """The last verdicts, and verifying now."""

    subject = "Ledger"
    scopes = (AUDIT,)
    route_base = "/verification"

    @route("/", act="list")
    def list(self) -> tuple[str, int]:
        wanted = lists.VERDICTS.asked(request.args)
        record_read("record.list", "ledger", detail={**wanted.chosen, "page": "verification"})
        listing = lists.VERDICTS.page(db.session, select(ledger_queries.verdict), wanted)
        page = self.render(
            "assurance/verification.html",
            listing=listing,
            ledgers=entry_list.ledgers(),
            requests=verification_requests.recent(db.session),
            alive=scheduler_seen(),
            sinks=lists.SINKS.all(backlog.shown(db.session.connection())),
            words=labels,
        )
        return page, listing.status

    @route("/", act="verify", methods=("POST",))
    def ask(self) -> Response:
        with writing() as session:
            asked = once(session, VerificationRequest, lambda: _ask(session)).id
        return redirect_after_post("VerificationView.show", id=asked)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        asked = verification_requests.find(db.session, id)
        record_read("record.read", "ledger", asked.holder, detail={"page": "verification", "request": str(id)})
        return self.render(
            "assurance/verification_progress.html",
            asked=asked,
            progress=verification_requests.progress(asked),
            results=[
                (row, tampering.told(db.session, row.findings))
                for row in verification_requests.results(db.session, asked)
            ],
            alive=scheduler_seen(),
            words=labels,
        )

    @route("/<uuid:id>/progress", act="show", quiet=True)
    def progress(self, id: uuid.UUID) -> Response:
        """Numbers and a state for the page's script, and the time left in words."""
        progress = verification_requests.progress(verification_requests.find(db.session, id))
        return jsonify({**progress, "left": labels.left_words(progress["seconds_left"])})


def entry_url(row: AnyRow) -> str:
    return url_for("LedgerView.entry", id=row.ledger_id, seq=row.seq)


_ALL = replace(entry_list.ENTRIES, link=entry_url)
_ONE = entry_list.of_one_ledger(_l("Entries of the ledger"), entry_url)


def _ask(session: Session) -> VerificationRequest:
    typed = {name: request.form.get(name) or None for name in ("level", "ledger")}
    asked = verification_requests.ask(session, typed)
    return verification_requests.find(session, asked)


VIEWS: tuple[type, ...] = (
    HistoryView,
    AccountHistoryView,
    AuditHistoryView,
    OwnHistoryView,
    HealthView,
    *receipt_views.VIEWS,
    *evidence_views.VIEWS,
)
