"""Pages of access histories: of a record, an institution, an account, and one's own. Each view is an event itself."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from flask import g, request, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from itm_admin.assurance import (
    entry_list,
    evidence,
    evidence_views,
    history,
    labels,
    ledger_queries,
    looks,
    named,
    naming,
    paging,
)
from itm_admin.assurance.ledger_queries import AnyRow, EntryPage
from itm_admin.assurance.paging import EVERYTHING, Of
from itm_admin.assurance.showing import ids_of, proof, told
from itm_admin.foundation import access, tenancy
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Denied, Invalid
from itm_admin.foundation.list_parts import Query
from itm_admin.foundation.roles import AUDIT, INSTITUTION, may
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.institutions.names import full_name_by_code


def _history(of: Of = EVERYTHING) -> tuple[EntryPage, Query]:
    wanted = entry_list.asked(db.session, request.args)
    return paging.page(db.session, wanted, of), wanted


class _HistoryPage(Page):
    """A record's history as a line of events, the newest first."""

    def timeline(self, of: Of, kind: str, id: uuid.UUID, entry_endpoint: str) -> tuple[str, int]:
        found, wanted = _history(of)
        listing = entry_list.HISTORY.all(found.rows, wanted)
        detail = {**wanted.chosen, "page": "history", "entries": len(found.rows)}
        opens = access.allowed(entry_endpoint, g.actor)

        def link(row: AnyRow) -> str | None:
            return url_for(entry_endpoint, id=row.ledger_id, seq=row.seq) if opens else None

        events = told(db.session, found.rows, link, str(id))
        subjects = naming.told_with([str(id), *ids_of(found.rows)])
        record_read("record.read", kind, id, subjects=[each for each in subjects if each != str(id)], detail=detail)
        page = self.render(
            "assurance/history.html",
            listing=listing,
            target=labels.target_words(kind, naming.name_of(id)),
            kind=kind,
            id=id,
            events=events,
            older=_at(wanted.onward(found.next)) if found.next else None,
            newer=None if (before := wanted.backward()) is None else _at(before),
            newest=_at({"after": None, "back": None}) if wanted.after else None,
            own_acts_only=tenancy.current().reads == "actor",
        )
        return page, listing.status


def _at(place: Mapping[str, str | None]) -> str:
    """This page's address at another place of the history."""
    return url_for(request.endpoint or "", **{**(request.view_args or {}), **request.args, **place})


class HistoryView(_HistoryPage):
    """Reads and changes of a record of the reader's own institution."""

    subject = "Case"
    scopes = (INSTITUTION,)
    route_base = "/history"

    @route("/<kind>/<uuid:id>", act="history")
    def record(self, kind: str, id: uuid.UUID) -> tuple[str, int]:
        if not may(tenancy.current().roles, "history", history.subject_of(kind)):
            raise Denied
        of = history.of_visible_record(db.session, kind, id)
        return self.timeline(of, kind, id, "InstitutionHistoryView.entry")


class AccountHistoryView(_HistoryPage):
    """Acts on an account of the reader's own institution."""

    subject = "Account"
    scopes = (INSTITUTION,)
    route_base = "/history"

    @route("/account/<uuid:id>", act="history")
    def record(self, id: uuid.UUID) -> tuple[str, int]:
        of = history.of_visible_record(db.session, "account", id)
        return self.timeline(of, "account", id, "InstitutionHistoryView.entry")

    @route("/account/<uuid:id>/acts", act="history")
    def acts(self, id: uuid.UUID) -> tuple[str, int]:
        history.of_visible_record(db.session, "account", id)  # NotFound for an account that is not theirs
        return self.timeline(paging.done_by(id), "account", id, "InstitutionHistoryView.entry")


class AuditHistoryView(_HistoryPage):
    """Reads and changes of any record, by its number, without an identity."""

    subject = "Ledger"
    scopes = (AUDIT,)
    route_base = "/audit"

    @route("/history/<kind>/<uuid:id>", act="history")
    def record(self, kind: str, id: uuid.UUID) -> tuple[str, int]:
        history.kind_of_this(db.session, kind, id)
        return self.timeline(looks.of_record(db.session, kind, id), kind, id, "LedgerView.entry")

    @route("/acts/<uuid:id>", act="history")
    def acts(self, id: uuid.UUID) -> tuple[str, int]:
        return self.timeline(paging.done_by(id), "account", id, "LedgerView.entry")


def filtered(endpoint: str, at: dict[str, Any]) -> Response:
    """Redirects to the list with ids in place of typed names. One without a match stays a filter that nothing fits."""
    chosen = {name: request.form.get(name, "").strip() for name in (*entry_list.NAMES, "size")}
    unknown = {}
    for name in ("actor", "target"):
        if chosen[name]:
            try:
                chosen[name] = named.typed(db.session, name, chosen[name], request.form.get(f"{name}_id", ""))
            except Invalid as error:
                unknown[name] = (chosen[name], str(error))
                chosen[name] = entry_list.NOBODY
    entry_list.mistype(unknown)
    found = [chosen[name] for name in ("actor", "target") if chosen.get(name) and name not in unknown]
    record_read("record.search", "entry", subjects=found, detail={"page": "history"})
    shown = {name: value for name, value in chosen.items() if value}
    return redirect_after_post(endpoint, **at, **shown, cols=request.form.getlist("cols"))


class InstitutionHistoryView(Page):
    """The reader's own institution's ledger, as far as the role reads it."""

    subject = "InstitutionHistory"
    scopes = (INSTITUTION,)
    route_base = "/institution-history"

    @route("/", act="list")
    def list(self) -> tuple[str, int]:
        found, wanted = _history()
        listing = entry_list.filled(_INSTITUTION, wanted, found, url_for("InstitutionHistoryView.filter"))
        listing.record("entry", detail={**wanted.chosen, "entries": len(found.rows)})
        own = tenancy.current().reads == "actor"
        (ledger, *_others) = [row.id for row in ledger_queries.ledgers(db.session)][:1] or [None]
        takes = evidence_views.links("InstitutionEvidenceView", ledger) if ledger else []
        page = self.render("assurance/institution_history.html", listing=listing, own_acts_only=own, takes=takes)
        return page, listing.status

    @route("/filter", act="list", methods=("POST",))
    def filter(self) -> Response:
        return filtered(f"{self.endpoint}.list", {})

    @route("/<uuid:id>/<int:seq>", act="show")
    def entry(self, id: uuid.UUID, seq: int) -> str:
        return entry_page(self, id, seq, "InstitutionEvidenceView")


def entry_page(view: Page, id: uuid.UUID, seq: int, evidence_view: str) -> str:
    """One entry, as far as the reader may see its content; the ledger records the ids in it as seen."""
    row = ledger_queries.find_entry(db.session, id, seq)
    subjects = ledger_queries.visible(db.session, row.subjects)
    (entry,) = told(db.session, [row], None, *subjects)
    named_too = naming.told_with([*ids_of([row]), *subjects])
    record_read("record.read", "entry", row.event_id, subjects=named_too, detail={"ledger": str(id), "seq": seq})
    hidden = any(change.withheld for change in entry.changes) or len(subjects) < len(row.subjects)
    return view.render(
        "assurance/entry.html",
        row=row,
        name=full_name_by_code(row.code),
        entry=entry,
        why=labels.why_words(row.action, row.purpose),
        subjects=subjects,
        named=[name for subject in subjects if (name := naming.name_of(subject))],
        whole=not hidden,
        proof=proof(row),
        signed=evidence.is_signed(db.session, id, seq),
        takes=evidence_views.proof_link(evidence_view, row),
        words=labels,
    )


class OwnHistoryView(Page):
    """The reader's own acts; everybody may see these."""

    subject = "Profile"
    route_base = "/my-history"

    @route("/", act="show")
    def list(self) -> tuple[str, int]:
        own = dataclasses.replace(tenancy.current(), institution=g.actor.institution_id, reads="actor")
        with tenancy.acting(own, db.session()):
            found, wanted = _history(paging.done_by(g.actor.id))
        listing = entry_list.filled(_OWN, wanted, found, url_for("OwnHistoryView.filter"))
        listing.record("entry", detail={**wanted.chosen, "page": "own"})
        return self.render("assurance/own_history.html", listing=listing), listing.status

    @route("/filter", act="show", methods=("POST",))
    def filter(self) -> Response:
        return filtered(f"{self.endpoint}.list", {})


def _entry_url(row: AnyRow) -> str:
    return url_for("InstitutionHistoryView.entry", id=row.ledger_id, seq=row.seq)


_INSTITUTION = entry_list.of_one_ledger(_l("Entries of the institution's ledger"), _entry_url)
_OWN = entry_list.of_one_ledger(_l("What I did"), None)
