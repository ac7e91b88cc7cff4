"""Lists on the page of an account: its roles, what two people decided about it, and one's own sign-ins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import label, moment
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.shown_list import Shown

Line = Mapping[str, Any]
_STATES: Mapping[str, tuple[Message, str]] = {
    "active": (_l("Active"), "good"),
    "proposed": (_l("Proposed"), "warn"),
    "ended": (_l("Ended"), "neutral"),
}
OUTCOMES: Mapping[str, tuple[Message, str]] = {
    "success": (_l("Successful"), "good"),
    "denied": (_l("Refused"), "warn"),
    "failure": (_l("Failed"), "bad"),
    "half_way": (_l("First step of two"), "info"),
}


def roles(rows: Sequence[Line], to_end: Collection[str]) -> Shown[Line]:
    """The roles of an account; with a link to end those whose code is in `to_end`."""

    def end(row: Line) -> Cell:
        if row["state"] == "ended" or row["code"] not in to_end:
            return Cell("markup", "")
        return Cell("text", _("End"), url=url_for("GrantView.end", id=row["id"]))

    columns = (
        Column[Line]("role", _l("Role"), lambda row: Cell("text", row["role"])),
        Column[Line](
            "unit", _l("The role covers"), lambda row: Cell("text", row["unit"] or _("The whole institution"))
        ),
        Column[Line]("state", _l("Status"), lambda row: Cell("badge", *_STATES[row["state"]])),
        Column[Line]("since", _l("Since"), lambda row: Cell("day", row["since"])),
        Column[Line]("until", _l("Until"), lambda row: Cell("day", row["until"])),
        Column[Line]("act", _l("What can be done"), end),
    )
    listing: Listing[Line] = Listing(
        caption=_l("Roles of this account"),
        empty_text=_l("No role: this person cannot sign in."),
        identify=lambda row: str(row["id"]),
        columns=columns if to_end else columns[:-1],
    )
    return listing.all(rows)


CHANGES: Listing[Line] = Listing(
    caption=_l("What was done about this account"),
    identify=lambda row: str(row["when"]),
    columns=(
        Column("when", _l("When"), lambda row: Cell("moment", row["when"])),
        Column("what", _l("What"), lambda row: Cell("text", row["what"])),
        Column("why", _l("Reason"), lambda row: Cell("text", row["why"] or "–")),
        Column("by", _l("By"), lambda row: Cell("text", row["by"])),
        Column("state", _l("Status"), lambda row: Cell("badge", *row["state"])),
        Column("confirmed", _l("Confirmed by"), lambda row: Cell("text", row["confirmed"])),
    ),
)

SIGN_INS: Listing[Any] = Listing(
    caption=_l("Recent sign-ins"),
    identify=lambda row: str(row.when),
    columns=(
        Column("when", _l("When"), lambda row: Cell("text", moment(row.when, seconds=True))),
        Column("what", _l("What"), lambda row: Cell("text", label(row.action, "audit_event"))),
        Column("result", _l("Result"), lambda row: Cell("badge", *OUTCOMES[row.outcome])),
        Column("address", _l("Network address"), lambda row: Cell("text", row.address)),
    ),
)
