"""The auditors' pages: ledgers, histories, verifications, alerts, evidence."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.assurance.alert_views import AlertView
from itm_admin.assurance.decision_views import DecisionView
from itm_admin.assurance.history_views import InstitutionHistoryView
from itm_admin.assurance.looks_views import InstitutionLooksView, LooksView
from itm_admin.assurance.models import Alert, JobRun, LedgerDecision, VerificationRequest
from itm_admin.assurance.views import VIEWS, LedgerView, VerificationView
from itm_admin.foundation.roles import READ
from itm_admin.record.area import Area, MenuEntry

_LEDGER = READ | {"verify", "history", "export"}
_OURS = ("InstitutionEvidenceView", "InstitutionReceiptView")

AREA = Area(
    "assurance",
    models=(Alert, JobRun, LedgerDecision, VerificationRequest),
    views=(
        MenuEntry(LooksView, _l("Who looked?"), "eye", "Audit", ("AuditHistoryView",)),
        MenuEntry(InstitutionLooksView, _l("Who looked?"), "eye", "Audit"),
        MenuEntry(LedgerView, _l("Ledgers"), "ledger", "Audit", ("EvidenceView", "ReceiptView")),
        MenuEntry(VerificationView, _l("Verification"), "check", "Audit"),
        MenuEntry(InstitutionHistoryView, _l("Our access history"), "history", "Audit", _OURS),
        MenuEntry(AlertView, _l("Alerts"), "alert", "Audit"),
        MenuEntry(DecisionView, _l("Decisions about ledgers"), "check", "Audit"),
        *VIEWS,
    ),
    may={
        "Ledger": {"auditor_national": _LEDGER, "auditor_institution": _LEDGER},
        "InstitutionHistory": {
            "focal_point": READ,
            "caseworker": READ,
            "institution_manager": READ | {"export"},
        },
        "Alert": {
            "auditor_national": READ | {"acknowledge"},
            "auditor_institution": READ | {"acknowledge"},
            "institution_manager": READ | {"acknowledge"},
            "presidency_operator": READ,
            "presidency_supervisor": READ | {"acknowledge"},
        },
        "LedgerDecision": {
            "auditor_national": READ | {"approve"},
            "presidency_supervisor": READ | {"add"},
        },
    },
    names={
        "Ledger": _l("Ledgers"),
        "InstitutionHistory": _l("Our access history"),
        "Alert": _l("Alerts"),
        "LedgerDecision": _l("Decisions about ledgers"),
    },
    acts={"Ledger": {"verify": _l("Verify")}, "Alert": {"acknowledge": _l("Acknowledge")}},
)
