"""The Presidency's view of what institutions share."""

from __future__ import annotations

from itm_admin.oversight.views import VIEWS
from itm_admin.record.area import Area

AREA = Area(
    "oversight",
    views=VIEWS,
)
