"""The lists of those who oversee: institutions with counts, shared cases and their persons as pseudonyms."""

from __future__ import annotations

from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from itm_admin.foundation import vocabulary
from itm_admin.foundation.actor import me
from itm_admin.foundation.database import db
from itm_admin.foundation.formats import label
from itm_admin.foundation.formats import number as shown_number
from itm_admin.foundation.i18n import language
from itm_admin.foundation.lists import Cell, Column, Filter, Listing
from itm_admin.foundation.turkish import shown_order, turkish_sort_key
from itm_admin.institutions.models import Institution
from itm_admin.institutions.names import full_name_by_code, name_by_code
from itm_admin.oversight import board
from itm_admin.oversight.board import AnyRow

_CASE = board.case.c
_STATUS_TONES = {"Active": "info", "FollowUp": "warn"}


def _choice(name: str, text: Any, list_name: str, condition: Any) -> Filter:
    return Filter(name, text, "choice", condition, lambda: vocabulary.choices(list_name))


def _is_open(wanted: bool) -> Any:
    return _CASE.closed_on.is_(None) if wanted else _CASE.closed_on.is_not(None)


def _institutions() -> list[tuple[str, str]]:
    """Read once in a request: a filter is checked, named and offered."""
    if "board_institutions" not in g:
        codes = db.session.scalars(select(board.institution.c.code))
        named = [(code, full_name_by_code(code)) for code in codes]
        g.board_institutions = sorted(named, key=lambda each: turkish_sort_key(each[1]))
    found: list[tuple[str, str]] = g.board_institutions
    return found


_NAME_ORDER = (
    select(shown_order(Institution.name_tr, Institution.name_en))
    .where(Institution.code == _CASE.institution_code)
    .scalar_subquery()
)


CASES: Listing[AnyRow] = Listing(
    caption=_l("Cases of all institutions"),
    empty_text=_l("No institution shares a case yet. Cases that an institution does not share are in the counts only."),
    identify=lambda row: str(row.id),
    link=lambda row: url_for("OversightCaseView.show", id=row.id),
    default_sort="-opened",
    name="all_cases",
    keys_first=True,
    tie=(_CASE.reference, _CASE.id),
    search_label=_l("Search by reference"),
    search=lambda text: _CASE.reference.contains(text, autoescape=True),
    columns=(
        Column("reference", _l("Reference"), lambda row: Cell("link", row.reference), (_CASE.reference,)),
        Column(
            "institution",
            _l("Institution"),
            lambda row: Cell("text", name_by_code(row.institution_code)),
            (_NAME_ORDER,),
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


def name_of(row: AnyRow) -> str:
    """An institution's name in the language of the page."""
    return str(row.name_en if language() == "en" else row.name_tr)


def _institution(row: AnyRow) -> Cell:
    suspended = (_("Suspended"), "bad") if row.status != "active" else None
    return Cell("link", name_of(row), more=row.code, badge=suspended)


def _cases(row: AnyRow, shared: int, number: int, **chosen: str) -> Cell:
    """The shared cases, linked to the list that holds exactly these; behind it the number of all."""
    url = url_for("OversightCaseView.list", institution=row.code, **chosen) if shared else None  # type: ignore[arg-type]
    return Cell("number", shared, url=url, more=_("of %(number)s", number=shown_number(number)) if number else "")


def _activity(row: AnyRow) -> Cell:
    return Cell("moment", row.last_activity, more="" if row.last_activity else _("None yet"))


def _number(name: str, text: Any) -> Column[AnyRow]:
    return Column(name, text, lambda row: Cell("number", getattr(row, name)), key=lambda row: getattr(row, name))


INSTITUTIONS: Listing[AnyRow] = Listing(
    caption=_l("Institutions"),
    identify=lambda row: str(row.id),
    link=lambda row: url_for("OversightInstitutionView.show", id=row.id),
    default_sort="-cases",
    columns=(
        Column("code", _l("Institution"), _institution, key=lambda row: turkish_sort_key(name_of(row))),
        Column("cases", _l("Shared cases"), lambda row: _cases(row, row.shared, row.cases), key=lambda row: row.cases),
        Column(
            "open_cases",
            _l("Open shared cases"),
            lambda row: _cases(row, row.shared_open, row.open_cases, open="yes"),
            key=lambda row: row.open_cases,
        ),
        _number("unshared", _l("Not shared")),
        _number("persons", _l("Persons")),
        _number("accounts", _l("Accounts")),
        Column("last", _l("Last activity"), _activity, key=lambda row: row.last_activity),
    ),
)


def _person_page(row: AnyRow) -> str | None:
    """The person's access history, for those who may read it."""
    own = me().may("history", "OversightCase")
    return url_for("AuditHistoryView.record", kind="person", id=row.id) if own else None


def _coded(name: str, text: Any, list_name: str) -> Column[AnyRow]:
    return Column(name, text, lambda row: Cell("text", label(getattr(row, name), list_name)))


PERSONS: Listing[AnyRow] = Listing(
    caption=_l("Persons"),
    empty_text=_l("Nobody is in this case yet."),
    identify=lambda row: str(row.id),
    link=_person_page,
    columns=(
        Column("pseudonym", _l("Pseudonym"), lambda row: Cell("link", row.pseudonym)),
        _coded("role", _l("Role"), "case_role"),
        _coded("gender", _l("Gender"), "gender"),
        _coded("age_band", _l("Age"), "age_band"),
        Column(
            "citizenships",
            _l("Citizenships"),
            lambda row: Cell("text", ", ".join(label(code, "citizenship") for code in row.citizenships)),
        ),
    ),
)
