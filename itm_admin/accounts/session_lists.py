"""The list of one's own sessions, with a button to end each of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.accounts.devices import place_of
from itm_admin.accounts.session_rows import Standing
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.shown_list import Shown


@dataclass(frozen=True)
class _EndButton:
    url: str
    label: str
    question: str
    values: Mapping[str, str] = field(default_factory=dict)


def _end(row: Standing) -> Cell:
    if row.here:
        return Cell("badge", _("This session"), "good")
    values = {"session": str(row.id)}
    button = _EndButton(url_for("OwnSessionsView.end"), _("End it"), _("End this session? It ends at once."), values)
    return Cell("button", button)


def _place(row: Standing) -> Cell:
    place = place_of(row.address)
    return Cell("text", f"{place} ({row.address})" if row.address else place)


SESSIONS: Listing[Standing] = Listing(
    caption=_l("Open sessions"),
    identify=lambda row: str(row.begun_at),
    columns=(
        Column("device", _l("Device"), lambda row: Cell("text", row.device or _("Unknown device"))),
        Column("place", _l("Place"), _place),
        Column("begun", _l("Session began"), lambda row: Cell("moment", row.begun_at)),
        Column("seen", _l("Last act"), lambda row: Cell("moment", row.seen_at)),
        Column("act", _l("What can be done"), _end),
    ),
)


def sessions(rows: Sequence[Standing]) -> Shown[Standing]:
    return SESSIONS.all(rows)
