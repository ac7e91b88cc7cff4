"""A person's matrix of who may be told what today: institutions by scopes, in words, above the list of consents."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from flask import render_template
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select

from itm_admin.cases.models import Person
from itm_admin.consent.models import Consent
from itm_admin.consent.standing import GIVEN, RECORDED
from itm_admin.foundation import vocabulary
from itm_admin.foundation.database import db
from itm_admin.foundation.formats import day, label
from itm_admin.institutions.names import names_by_id
from itm_admin.record.checks import today

NO_END = date.max


@dataclass(frozen=True)
class Row:
    """Institutions that may be told the same: their names, and by scope until when, "" for nothing."""

    names: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    scopes: tuple[str, ...]
    rows: tuple[Row, ...]


def of_person(person: Person) -> Markup:
    """By the rights of whom the page is for: row-level security shows the consents of persons whom they see."""
    statement = select(Consent).where(Consent.person_id == person.id, Consent.deleted_at.is_(None))
    found = db.session.scalars(statement.order_by(Consent.given_on, Consent.id)).all()
    live = [each for each in found if _is_live(each)]
    others = [(label(each.purpose, "consent_purpose"), until(each.expires_on)) for each in live if not each.scopes]
    values = {"matrix": matrix(live), "refused": _newest_refusals(found), "others": others}
    return Markup(render_template("consent/_overview.html", **values))  # noqa: S704 (a template's, which escapes)


def matrix(live: Iterable[Consent]) -> Matrix:
    """Rows in the order of their names; columns in the order of the list, those alone that are open to somebody."""
    ends: dict[uuid.UUID, dict[str, date]] = {}
    for consent in live:
        for institution in consent.institutions:
            mine = ends.setdefault(institution, {})
            for scope in consent.scopes:
                mine[scope] = max(mine.get(scope, date.min), consent.expires_on or NO_END)
    scopes = [code for code in vocabulary.codes("data_scope") if any(code in mine for mine in ends.values())]
    alike: dict[tuple[date | None, ...], list[uuid.UUID]] = {}
    for institution, mine in ends.items():
        alike.setdefault(tuple(mine.get(code) for code in scopes), []).append(institution)
    rows = [
        Row(
            tuple(names_by_id(ids)),
            tuple("" if end is None else until(None if end == NO_END else end) for end in cells),
        )
        for cells, ids in alike.items()
    ]
    return Matrix(tuple(label(code, "data_scope") for code in scopes), tuple(sorted(rows, key=lambda row: row.names)))


def until(end: date | None) -> str:
    return str(_("until %(day)s", day=day(end)) if end is not None else _("until it is withdrawn"))


def _is_live(consent: Consent) -> bool:
    """As `models.live_on`, of a row that was read."""
    at, end = today(), consent.expires_on
    given = consent.answer == GIVEN and consent.state == RECORDED and consent.given_on <= at
    return given and (end is None or end >= at)


def _newest_refusals(found: Iterable[Consent]) -> list[str]:
    """Purposes whose newest answer is a refusal."""
    newest = {each.purpose: each.answer for each in found}
    return [label(code, "consent_purpose") for code, answer in newest.items() if answer == "REFUSED"]
