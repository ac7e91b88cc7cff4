"""The Presidency's view of what institutions share."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.foundation.roles import READ
from itm_admin.oversight.views import VIEWS, OversightCaseView, OversightInstitutionView
from itm_admin.record.area import Area, MenuEntry

AREA = Area(
    "oversight",
    views=(
        MenuEntry(OversightInstitutionView, _l("National overview"), "building", "Oversight"),
        MenuEntry(OversightCaseView, _l("Cases of all institutions"), "case", "Oversight"),
        *VIEWS,
    ),
    may={
        "OversightCase": {
            "auditor_national": READ | {"history"},
            "auditor_institution": READ | {"history"},
            "presidency_operator": READ,
            "presidency_supervisor": READ,
        },
        "OversightInstitution": {
            "auditor_national": READ,
            "presidency_operator": READ,
            "presidency_supervisor": READ | {"add", "edit"},
        },
    },
    names={
        "OversightCase": _l("Cases of all institutions"),
        "OversightInstitution": _l("National overview and register of institutions"),
    },
)
