"""Cases, persons, their links and victims' profiles."""

from __future__ import annotations

from itm_admin.cases.api import APIS
from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person, VictimProfile
from itm_admin.cases.references import CaseCounter
from itm_admin.cases.views import VIEWS
from itm_admin.record.area import Area

AREA = Area(
    "cases",
    models=(Case, CaseAssignment, CaseCounter, CasePerson, Person, VictimProfile),
    views=VIEWS,
    apis=APIS,
)
