"""Institutions and their units."""

from __future__ import annotations

from itm_admin.institutions.api import APIS
from itm_admin.institutions.models import Institution, InstitutionKey, Unit
from itm_admin.institutions.views import VIEWS
from itm_admin.record.area import Area

AREA = Area(
    "institutions",
    models=(Institution, InstitutionKey, Unit),
    views=VIEWS,
    apis=APIS,
)
