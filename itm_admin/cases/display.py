"""The facts of a case, as pairs of label and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _

from itm_admin.cases.models import Case
from itm_admin.foundation.formats import moment
from itm_admin.foundation.i18n import language
from itm_admin.institutions.models import Institution
from itm_admin.record.display import Facts, facts
from itm_admin.record.kind import kind_of


def case_facts(case: Case, revealed: Mapping[str, Any] | None = None) -> Facts:
    whose = ("reference", "status", "opened_on", "referral_source", "province", "unit_id")
    what = ("exploitation_types", "industry", "confidentiality", "shared")
    closed = ("closed_on", "closure_reason") if case.closed_on else ()
    return [
        *facts(case, whose),
        (str(kind_of(Case).field("lead_institution_id").label), _institution(case.lead_institution)),
        *facts(case, what),
        (_("Last change"), moment(case.updated_at)),
        *facts(case, (*closed, "narrative", "closure_note"), revealed),
    ]


def _institution(found: Institution | None) -> str | None:
    if found is None:
        return None
    return f"{found.name_en if language() == 'en' else found.name_tr} ({found.code})"
