"""Consents: what persons answered, and who may be told what of them."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.cases import person_services
from itm_admin.consent.models import STATES, Consent
from itm_admin.consent.services import follow_birth
from itm_admin.consent.text_views import ConsentTextApi, ConsentTextView
from itm_admin.consent.texts import ConsentText
from itm_admin.consent.views import ConsentApi, ConsentView
from itm_admin.foundation.roles import READ, WORK
from itm_admin.record.area import Area, MenuEntry

if follow_birth not in person_services.AFTER_BIRTH:
    person_services.AFTER_BIRTH.append(follow_birth)

_CONSENT = WORK | {"reveal", *STATES.acts}

AREA = Area(
    "consent",
    models=(Consent, ConsentText),
    views=(MenuEntry(ConsentView, _l("Consents"), "check", "Work", ("ConsentTextView",)), ConsentTextView),
    apis=(ConsentApi, ConsentTextApi),
    may={
        "Consent": {
            "focal_point": _CONSENT | {"export"},
            "caseworker": _CONSENT,
            "institution_manager": READ | {"reveal", "export", "delete", "restore", *STATES.acts},
            "presidency_operator": _CONSENT | {"export"},
        },
        "ConsentText": {
            "focal_point": READ,
            "caseworker": READ,
            "institution_manager": READ,
            "presidency_operator": READ | {"add"},
        },
    },
)
