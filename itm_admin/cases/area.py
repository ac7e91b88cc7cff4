"""Cases, persons, their links and victims' profiles."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.accounts import open_work
from itm_admin.cases import handover
from itm_admin.cases.api import APIS
from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person, VictimProfile
from itm_admin.cases.person_views import PersonView
from itm_admin.cases.references import CaseCounter
from itm_admin.cases.views import VIEWS, CaseView
from itm_admin.foundation.roles import READ, WORK
from itm_admin.record.area import Area, MenuEntry

_CASE = WORK | {"close", "reveal", "history"}
_PERSON = WORK | {"search", "reveal", "history"}
_MANAGED = READ | {"delete", "restore", "export", "reveal", "history", "hold"}
_DRAFT = frozenset({"edit"})

_IN_CASES = (
    "NewCaseView", "CaseHoldView", "ProfileView", "PersonView.add", "PersonView.link", "PersonView.unlink",
)  # fmt: skip

if handover.KEEPER not in open_work.KEEPERS:
    open_work.KEEPERS.append(handover.KEEPER)

AREA = Area(
    "cases",
    models=(Case, CaseAssignment, CaseCounter, CasePerson, Person, VictimProfile),
    views=(
        MenuEntry(CaseView, _l("Cases"), "case", "Work", _IN_CASES),
        MenuEntry(PersonView, _l("Persons"), "person", "Work", ("PersonHoldView", "ErasureView")),
        *VIEWS,
    ),
    apis=APIS,
    may={
        "Case": {
            "focal_point": _CASE | {"assign", "export"},
            "caseworker": _CASE,
            "institution_manager": _MANAGED | {"assign", "close", "lower"},
            "presidency_operator": _CASE | {"assign", "export"},
        },
        "Person": {
            "focal_point": _PERSON | {"export"},
            "caseworker": _PERSON,
            "institution_manager": _MANAGED | {"search", "erase"},
            "presidency_operator": _PERSON | {"export"},
        },
        "VictimProfile": {
            "focal_point": WORK | {"reveal"},
            "caseworker": WORK | {"reveal"},
            "institution_manager": READ | {"reveal"},
            "presidency_operator": WORK | {"reveal"},
        },
        "Draft": {"focal_point": _DRAFT, "caseworker": _DRAFT, "presidency_operator": _DRAFT},
    },
    names={"VictimProfile": _l("Victims' profiles"), "Draft": _l("Drafts")},
    acts={
        "Case": {
            "assign": _l("Assign"), "close": _l("Close and reopen"), "lower": _l("Lower the confidentiality"),
            "hold": _l("Legal hold"),
        },
        "Person": {
            "search": _l("Search by names and numbers"), "hold": _l("Legal hold"), "erase": _l("Erase for good"),
        },
    },
)  # fmt: skip
