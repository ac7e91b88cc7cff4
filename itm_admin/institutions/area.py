"""Institutions and their units."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.foundation.roles import READ, WORK
from itm_admin.institutions.api import APIS
from itm_admin.institutions.models import Institution, InstitutionKey, Unit
from itm_admin.institutions.views import VIEWS, InstitutionView, UnitView
from itm_admin.record.area import Area, MenuEntry

AREA = Area(
    "institutions",
    models=(Institution, InstitutionKey, Unit),
    views=(
        MenuEntry(UnitView, _l("Units"), "unit", "Administration"),
        MenuEntry(InstitutionView, _l("Register of institutions"), "building", "Administration"),
        *VIEWS,
    ),
    apis=APIS,
    may={
        "Institution": {"system_administrator": READ},
        "Unit": {"institution_manager": WORK, "system_administrator": READ},
    },
)
