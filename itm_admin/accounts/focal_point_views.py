"""The directory of focal points: the contact of each institution, by name and title, for everybody who is signed in.

A manager sees beside it the own institution's, with what waits for the Presidency.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select, text

from itm_admin.accounts import focal_points
from itm_admin.accounts.models import AccessChange
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.roles import SCOPES
from itm_admin.foundation.turkish import shown_order
from itm_admin.foundation.views import Page, route
from itm_admin.institutions.models import Institution

_STANDING = text("select institution_id, rank, account_id, name, title from itm.focal_points()")


@dataclass(frozen=True)
class Contact:
    """An institution and the names of those who stand for it."""

    id: uuid.UUID
    institution: str
    people: Mapping[str, str]


def _cell(rank: str) -> Column[Contact]:
    return Column(rank, _l("Primary") if rank == "primary" else _l("Deputy"),
                  lambda row: Cell("text", row.people.get(rank) or _("Nobody")))  # fmt: skip


CONTACTS: Listing[Contact] = Listing(
    caption=_l("Focal points of the institutions"),
    empty_text=_l("No institution is registered yet."),
    identify=lambda row: str(row.id),
    columns=(
        Column("institution", _l("Institution"), lambda row: Cell("text", row.institution)),
        *map(_cell, focal_points.RANKS),
    ),
)


class FocalPointView(Page):
    subject = "FocalPoint"
    scopes = SCOPES
    route_base = "/focal-points"

    @route("/", act="list")
    def list(self) -> str:
        standing = db.session.execute(_STANDING).all()
        people: dict[uuid.UUID, dict[str, str]] = {}
        for row in standing:
            people.setdefault(row.institution_id, {})[row.rank] = ", ".join(filter(None, (row.name, row.title)))
        order = shown_order(Institution.name_tr, Institution.name_en)
        homes = db.session.scalars(select(Institution).where(Institution.status == "active").order_by(order)).all()
        rows = [Contact(home.id, str(home.name), people.get(home.id, {})) for home in homes]
        own = self._own(homes)
        subjects = [*(row.account_id for row in standing), *(each.account_id for each in own or ())]
        record_read("record.list", "account", subjects=builtins.list(dict.fromkeys(subjects)),
                    detail={"page": "focal_points"})  # fmt: skip
        return self.render(
            "accounts/focal_points.html", heading=_("Focal points"), contacts=CONTACTS.all(rows),
            own=focal_points.lines(own) if own is not None else None,
            accounts=url_for("AccountView.list", role="focal_point") if own is not None else None,
        )  # fmt: skip

    def _own(self, homes: Sequence[Institution]) -> builtins.list[AccessChange] | None:
        """The ranks that stand or wait in the own institution, for its manager."""
        home = me().institution_id
        if not me().may("add", "AccessChange") or "institution_manager" not in me().roles:
            return None
        return focal_points.named(home) if any(each.id == home for each in homes) else None
