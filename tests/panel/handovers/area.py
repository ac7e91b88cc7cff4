"""The contribution to the panel."""

from __future__ import annotations

from itm_admin.record.area import Area, MenuEntry
from tests.panel.handovers.models import HANDOVER_STATES, VISIT_STATES, Handover, Visit
from tests.panel.handovers.views import HandoverApi, HandoverView, VisitApi, VisitView
from tests.panel.handovers.words import said

WORK = frozenset({"reveal", "list", "show", "add", "edit", "export"})
OF_MANAGERS = frozenset({"list", "show", "delete", "restore", "export"})
HANDOVER = WORK | {*HANDOVER_STATES.acts, "history"}
VISIT = WORK | {*VISIT_STATES.acts, "mark_urgent", "history"}


def contributed() -> Area:
    """Made by the test that uses it: an area puts its rows into the roles' table."""
    return Area(
        "handovers",
        models=(Handover, Visit),
        views=(
            MenuEntry(HandoverView, said("Devirler", "Handovers"), "case", "Work"),
            MenuEntry(VisitView, said("Ziyaretler", "Visits"), "case", "Work"),
        ),
        apis=(HandoverApi, VisitApi),
        may={
            "Handover": {
                "focal_point": HANDOVER,
                "presidency_operator": HANDOVER,
                "institution_manager": OF_MANAGERS,
            },
            "Visit": {
                "focal_point": VISIT | {"triage"},
                "presidency_operator": VISIT - {"export", "mark_urgent"},
                "institution_manager": OF_MANAGERS,
            },
        },
    )
