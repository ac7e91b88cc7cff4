"""The boards: institutions with counts, and shared cases across institutions as metadata and pseudonyms."""

from __future__ import annotations

import uuid
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from itm_admin.foundation import access, vocabulary
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.formats import label
from itm_admin.foundation.lists import Cell, Column, Filter, Listing
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.foundation.views import Page, route
from itm_admin.oversight import board
from itm_admin.oversight.board import AnyRow
from itm_admin.oversight.finding import OversightFindView
from itm_admin.oversight.home import figures, name_of, presidency_home

_CASE = board.case.c
_STATUS_TONES = {"Active": "info", "FollowUp": "warn"}


def _choice(name: str, text: Any, list_name: str, condition: Any) -> Filter:
    return Filter(name, text, "choice", condition, lambda: vocabulary.choices(list_name))


def _is_open(wanted: bool) -> Any:
    return _CASE.closed_on.is_(None) if wanted else _CASE.closed_on.is_not(None)


def _institutions() -> list[tuple[str, str]]:
    """Read once in a request: a filter is checked, named and offered."""
    if "board_institutions" not in g:
        rows = db.session.execute(select(board.institution).order_by(board.institution.c.code))
        g.board_institutions = [(row.code, f"{row.code} – {name_of(row)}") for row in rows]
    found: list[tuple[str, str]] = g.board_institutions
    return found


CASES: Listing[AnyRow] = Listing(
    caption=_l("Cases of all institutions"),
    empty_text=_l("No institution shares a case yet. Cases that an institution does not share are in the counts only."),
    identify=lambda row: str(row.id),
    link=lambda row: url_for("OversightCaseView.show", id=row.id),
    default_sort="-opened",
    name="all_cases",
    keys_first=True,
    tie=(_CASE.reference, _CASE.id),
    search=lambda text: _CASE.reference.contains(text, autoescape=True),
    columns=(
        Column("reference", _l("Reference"), lambda row: Cell("link", row.reference), (_CASE.reference,)),
        Column(
            "institution", _l("Institution"), lambda row: Cell("text", row.institution_code), (_CASE.institution_code,)
        ),
        Column(
            "status",
            _l("Status"),
            lambda row: Cell("badge", label(row.status, "case_status"), _STATUS_TONES.get(row.status, "neutral")),
            (vocabulary.shown_order(_CASE.status, "case_status"),),
        ),
        Column("opened", _l("Opened"), lambda row: Cell("day", row.opened_on), (_CASE.opened_on,)),
        Column(
            "province",
            _l("Province"),
            lambda row: Cell("text", label(row.province, "province")),
            (vocabulary.shown_order(_CASE.province, "province"),),
        ),
        Column(
            "exploitation",
            _l("Exploitation"),
            lambda row: Cell("text", ", ".join(label(code, "exploitation_type") for code in row.exploitation_types)),
        ),
        Column("people", _l("Persons"), lambda row: Cell("number", row.people)),
        Column("updated", _l("Last change"), lambda row: Cell("moment", row.updated_at), (_CASE.updated_at,)),
    ),
    filters=(
        Filter("institution", _l("Institution"), "choice", lambda code: _CASE.institution_code == code, _institutions),
        _choice("status", _l("Status"), "case_status", lambda code: _CASE.status == code),
        Filter("open", _l("Open"), "flag", _is_open),
        _choice("province", _l("Province"), "province", lambda code: _CASE.province == code),
        _choice(
            "exploitation",
            _l("Exploitation"),
            "exploitation_type",
            lambda code: _CASE.exploitation_types.contains([code]),
        ),
        Filter("from", _l("Opened from"), "day", lambda day: _CASE.opened_on >= day),
        Filter("to", _l("Opened until"), "day", lambda day: _CASE.opened_on <= day),
    ),
)


class OversightInstitutionView(Page):
    """All institutions with their counts."""

    subject = "OversightInstitution"
    scopes = (OVERSIGHT, AUDIT)
    route_base = "/oversight/institutions"

    @route("/", act="list")
    def list(self) -> str:
        return self.render("oversight/home.html", **presidency_home(db.session))

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        row = board.find_institution(db.session, id)
        record_read("record.read", "institution", id, detail={"page": "oversight"})
        places = (
            ("OversightCaseView.list", {"institution": row.code}, _("Its shared cases")),
            ("InstitutionView.show", {"id": id}, _("Entry in the register")),
            ("LooksView.everything", {"ledger": row.code}, _("Who looked?")),
        )
        next_pages = [
            (url_for(endpoint, **values), label, "secondary")
            for endpoint, values, label in places
            if access.allowed(endpoint, g.actor)
        ]
        shown = figures(row, institution=row.code)
        return self.render("oversight/institution.html", row=row, figures=shown, next_pages=next_pages, name_of=name_of)


class OversightCaseView(Page):
    """Shared cases of all institutions, without identities."""

    subject = "OversightCase"
    scopes = (OVERSIGHT, AUDIT)
    route_base = "/oversight/cases"

    @route("/", act="list")
    def list(self) -> str:
        shown = CASES.page(db.session, board.cases(), CASES.read(request.args))
        record_read("record.list", "case", subjects=shown.ids, detail={"page": "oversight"})
        return self.render("oversight/cases.html", listing=shown)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> str:
        case = board.find_case(db.session, id)
        people = board.people_of(db.session, id)
        record_read(
            "record.read", "case", id, subjects=sorted({str(row.id) for row in people}), detail={"page": "oversight"}
        )
        return self.render("oversight/case.html", case=case, people=people)


VIEWS: tuple[type, ...] = (OversightFindView,)
