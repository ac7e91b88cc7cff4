"""The areas of the panel, in the order of their pages. A new area is one more line here."""

from __future__ import annotations

from itm_admin.accounts.area import AREA as ACCOUNTS
from itm_admin.assurance.area import AREA as ASSURANCE
from itm_admin.cases.area import AREA as CASES
from itm_admin.consent.area import AREA as CONSENT
from itm_admin.institutions.area import AREA as INSTITUTIONS
from itm_admin.oversight.area import AREA as OVERSIGHT
from itm_admin.record.area import Area
from itm_admin.referrals.area import AREA as REFERRALS

AREAS: tuple[Area, ...] = (CASES, CONSENT, REFERRALS, OVERSIGHT, ASSURANCE, ACCOUNTS, INSTITUTIONS)
