"""Referrals between institutions."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.cases.home import WAITING
from itm_admin.foundation.roles import READ, WORK
from itm_admin.record.area import Area, MenuEntry
from itm_admin.referrals import home
from itm_admin.referrals.api import APIS
from itm_admin.referrals.models import DRAFT_STATES, STATES, Referral, ReferralContent, ReferralDraft
from itm_admin.referrals.views import ReferralDraftView, ReferralView

_DRAFT = WORK | {"reveal", "history", "drop"}
_SENDS = _DRAFT | {*DRAFT_STATES.acts, "disclose", "export"}
_ANSWERS = READ | {*STATES.acts, "open", "open_case", "history", "export"}

if home.waiting not in WAITING:
    WAITING.append(home.waiting)

AREA = Area(
    "referrals",
    models=(ReferralDraft, Referral, ReferralContent),
    views=(
        MenuEntry(ReferralView, _l("Referrals"), "case", "Work"),
        MenuEntry(ReferralDraftView, _l("Referrals to prepare"), "case", "Work"),
    ),
    apis=APIS,
    may={
        "ReferralDraft": {
            "focal_point": _SENDS,
            "caseworker": _DRAFT,
            "institution_manager": READ | {"delete", "restore", "export", "history"},
            "presidency_operator": _SENDS,
        },
        "Referral": {
            "focal_point": _ANSWERS,
            "presidency_operator": _ANSWERS,
            "institution_manager": READ | {*STATES.acts, "open", "delete", "restore", "export", "history"},
        },
    },
    names={"ReferralDraft": _l("Referrals to prepare"), "Referral": _l("Referrals")},
    acts={"Referral": {"open": _l("Show what was sent"), "open_case": _l("Open a case from what was sent")}},
)
