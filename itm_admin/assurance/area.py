"""The auditors' pages: ledgers, histories, verifications, alerts, evidence."""

from __future__ import annotations

from itm_admin.assurance.models import Alert, JobRun, LedgerDecision, VerificationRequest
from itm_admin.assurance.views import VIEWS
from itm_admin.record.area import Area

AREA = Area(
    "assurance",
    models=(Alert, JobRun, LedgerDecision, VerificationRequest),
    views=VIEWS,
)
