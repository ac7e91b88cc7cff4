"""Expectations of each route: its roles, its named records, its reach. One row per endpoint and method.

Written by hand, and not derived from the declarations that it checks: a new route needs a row here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FOCAL, WORKER, MANAGER = "focal_point", "caseworker", "institution_manager"
NATIONAL, INSIDE = "auditor_national", "auditor_institution"
OPERATOR, SUPERVISOR, ADMIN = "presidency_operator", "presidency_supervisor", "system_administrator"
EVERYBODY = frozenset({FOCAL, WORKER, MANAGER, NATIONAL, INSIDE, OPERATOR, SUPERVISOR, ADMIN})
CASE_WORK = frozenset({FOCAL, WORKER, OPERATOR})
CASE_SIGHT = CASE_WORK | {MANAGER}
HOME_SIGHT = frozenset({FOCAL, WORKER, MANAGER})
EXPORT = frozenset({FOCAL, OPERATOR, MANAGER})
MANAGERS = frozenset({MANAGER})
AUDITORS = frozenset({NATIONAL, INSIDE})
BOARD = frozenset({OPERATOR, SUPERVISOR})
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Expected:
    """`names` is the kind of record in the path; `wide` are the roles that reach every institution's.

    `fields` make a request that would be carried out; without a record in the path it is sent empty, and
    answered with `empty`. `quiet`: shows no data, so its answer needs no entry. `public`: without signing in.
    `refused`: the answer to a foreign or missing id; 200 where a history has no entry that the person may see.
    """

    may: frozenset[str] = EVERYBODY
    names: str = ""
    wide: frozenset[str] = NOBODY
    fields: Mapping[str, Any] = field(default_factory=dict)
    empty: int = 422
    shown: int = 200
    refused: int = 404
    quiet: bool = False
    public: bool = False


def _page(endpoint: str, may: frozenset[str], names: str = "", wide: frozenset[str] = NOBODY) -> dict[str, Expected]:
    return {f"GET {endpoint}": Expected(may, names, wide)}


def _form(
    endpoint: str,
    may: frozenset[str],
    names: str = "",
    wide: frozenset[str] = NOBODY,
    fields: Mapping[str, str] | None = None,
    empty: int = 422,
) -> dict[str, Expected]:
    """A page with a form that is posted to the same address."""
    return {**_page(endpoint, may, names, wide), **_post(endpoint, may, names, wide, fields, empty)}


def _post(
    endpoint: str,
    may: frozenset[str],
    names: str = "",
    wide: frozenset[str] = NOBODY,
    fields: Mapping[str, str] | None = None,
    empty: int = 400,
) -> dict[str, Expected]:
    """The body of a page's form or button, with the version that the person saw."""
    return {f"POST {endpoint}": Expected(may, names, wide, {"version": "1", **(fields or {})}, empty)}


_CASE = {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"}
_WHY = {"reason": "DUPLICATE"}
_PURPOSE = {"purpose": "CASE_WORK"}
_VERSION = {"row_version": 1}
_PERSON = {"role": "WITNESS", "gender": "Feminine"}
_SOMEBODY = {"first_name": "Ad", "last_name": "Soyad", "email": "ad@example.invalid", "language": "tr"}
_PROFILE = {"trafficking_status": "PossibleVictimOfTrafficking"}
_ACCOUNTS = MANAGERS | {ADMIN}
_CONFIRMING = CASE_SIGHT | {ADMIN, SUPERVISOR}
_ALERTED = frozenset({NATIONAL, SUPERVISOR})

ROUTES: Mapping[str, Expected] = {
    # For everybody
    **_page("HomeView.show", EVERYBODY),
    "GET AnswerView.show": Expected(shown=303),
    **_page("OwnProfileView.show", EVERYBODY),
    **_form("OwnProfileView.edit", EVERYBODY, empty=409),
    "GET OwnProfileView.password": Expected(quiet=True),
    "POST OwnProfileView.password": Expected(),
    "GET OwnSessionView.left": Expected(quiet=True),
    "POST OwnSessionView.stay": Expected(empty=200),
    "POST OwnSessionView.sign_out": Expected(empty=303),
    "POST OwnSessionView.sign_out_everywhere": Expected(empty=303),
    **_page("OwnHistoryView.list", EVERYBODY),
    **_post("OwnHistoryView.filter", EVERYBODY, empty=303),
    **_post("PreferenceView.rows", EVERYBODY),
    **_post("PreferenceView.keys", EVERYBODY),
    **_post("PreferenceView.keep", EVERYBODY),
    **_post("PreferenceView.change", EVERYBODY, "view", fields={"label": "Mine"}),
    **_post("PreferenceView.remove", EVERYBODY, "view"),
    "GET OpenApiDocument.show": Expected(quiet=True),
    "GET VocabularyApi.list": Expected(quiet=True),
    "GET UnitApi.list": Expected(CASE_SIGHT | {ADMIN}, quiet=True),
    "GET InstitutionApi.list": Expected(quiet=True),
    "GET SwaggerPage.show": Expected(quiet=True),
    "GET RightsView.list": Expected(EVERYBODY - {FOCAL, WORKER}, quiet=True),
    # For whoever comes
    "GET SignInView.sign_in": Expected(public=True, quiet=True),
    "POST SignInView.sign_in": Expected(public=True, empty=401),
    "POST LanguageView.choose": Expected(public=True, empty=400),
    "GET InvitationView.redeem": Expected(NOBODY, "token", public=True, quiet=True),
    "POST InvitationView.redeem": Expected(NOBODY, "token", public=True),
    "GET SessionApi.show": Expected(public=True, quiet=True),
    "POST SessionApi.begin": Expected(public=True, empty=400),
    "DELETE SessionApi.end": Expected(public=True, empty=200),
    "GET HealthView.alive": Expected(public=True, quiet=True),
    "GET HealthView.ready": Expected(public=True, quiet=True, shown=503),  # no scheduler runs beside these tests
    "GET static": Expected(public=True, quiet=True),
    "GET static_vendor": Expected(public=True, quiet=True),
    # Cases
    **_page("CaseView.list", CASE_SIGHT),
    **_page("CaseView.deleted", MANAGERS),
    **_post("CaseView.assign_together", EXPORT),
    **_post("CaseView.close_together", CASE_SIGHT),
    **_post("CaseView.delete_together", MANAGERS),
    **_post("FindView.find", CASE_SIGHT, empty=303),
    **_post("AccountsTogetherView.suspend", _ACCOUNTS),
    **_page("CaseView.show", CASE_SIGHT, "case"),
    **_form("NewCaseView.source", CASE_WORK),
    "GET NewCaseView.person": Expected(CASE_WORK, shown=303),  # back to the first step: nothing was typed
    "POST NewCaseView.person": Expected(CASE_WORK, empty=303),
    "GET NewCaseView.risk": Expected(CASE_WORK, shown=303),
    "POST NewCaseView.risk": Expected(CASE_WORK, empty=303),
    "GET NewCaseView.check": Expected(CASE_WORK, shown=303),
    "POST NewCaseView.check": Expected(CASE_WORK, empty=303),
    "POST NewCaseView.discard": Expected(CASE_WORK, empty=303),
    "POST NewCaseView.keep": Expected(CASE_WORK, empty=400),
    **_post("DraftView.keep", CASE_WORK, "case"),
    **_post("DraftView.discard", CASE_WORK, "case"),
    **_form("CaseView.edit", CASE_WORK, "case", fields=_CASE),
    **_form("CaseView.close", CASE_SIGHT, "case", fields={"reason": "OTHER"}),
    **_post("CaseView.reopen", CASE_SIGHT, "case"),
    **_form("CaseView.delete", MANAGERS, "case", fields=_WHY),
    **_form("CaseView.lower", MANAGERS, "case", fields={"confidentiality": "OPEN", "reason": "RISK_ENDED"}),
    **_form("CaseHoldView.hold", MANAGERS, "case", fields={"reason": "COURT_ORDER"}),
    **_form("CaseHoldView.release", MANAGERS, "case", fields={"reason": "ENDED"}),
    **_post("CaseView.restore", MANAGERS, "case"),
    **_form("CaseView.assign", EXPORT, "case", fields={"account_id": "colleague"}),
    **_post("CaseView.unassign", EXPORT, "case"),
    **_form("CaseView.reveal", CASE_SIGHT, "case", fields=_PURPOSE),
    **_form("CaseView.export", EXPORT),
    **_page("HistoryView.record", CASE_SIGHT, "case"),
    # Persons and profiles
    **_page("PersonView.list", CASE_SIGHT),
    **_page("PersonView.deleted", MANAGERS),
    **_form("PersonView.search", CASE_SIGHT),
    **_page("PersonView.show", CASE_SIGHT, "person"),
    **_form("PersonView.edit", CASE_WORK, "person", fields={"gender": "Feminine"}),
    **_form("PersonView.reveal", CASE_SIGHT, "person", fields=_PURPOSE),
    **_form("PersonView.delete", MANAGERS, "person", fields=_WHY),
    **_form("ErasureView.erase", MANAGERS, "person", fields={"ground": "PERSON_REQUEST", "pseudonym": "pseudonym"}),
    **_form("PersonHoldView.hold", MANAGERS, "person", fields={"reason": "COURT_ORDER"}),
    **_form("PersonHoldView.release", MANAGERS, "person", fields={"reason": "ENDED"}),
    **_post("PersonView.restore", MANAGERS, "person"),
    **_form("PersonView.export", EXPORT),
    **_form("PersonView.add", CASE_WORK, "case", fields=_PERSON),
    **_form("PersonView.link", CASE_WORK, "case", fields={"role": "WITNESS", "pseudonym": "pseudonym"}),
    **_form("PersonView.unlink", MANAGERS, "link", fields=_WHY),
    **_page("ProfileView.show", CASE_SIGHT, "link"),
    **_form("ProfileView.edit", CASE_WORK, "link", fields=_PROFILE),
    **_form("ProfileView.reveal", CASE_SIGHT, "link", fields=_PURPOSE),
    # What a form's script finds while somebody types: by POST, so that nothing typed is in an address
    "POST CaseChoicesView.units": Expected(CASE_WORK, empty=200),
    "POST CaseChoicesView.institutions": Expected(CASE_WORK, empty=200),
    "POST CaseChoicesView.colleagues": Expected(EXPORT, empty=200),
    "POST PersonChoicesView.persons": Expected(CASE_WORK, empty=200),
    "POST UnitChoicesView.units": Expected(_ACCOUNTS, empty=200),
    # Their API
    **_page("CaseApi.list", CASE_SIGHT),
    **_page("CaseApi.show", CASE_SIGHT, "case"),
    "POST CaseApi.add": Expected(CASE_WORK, empty=400),
    "PATCH CaseApi.edit": Expected(CASE_WORK, "case", fields={**_VERSION, "province": "TR-34"}),
    "DELETE CaseApi.delete": Expected(MANAGERS, "case", fields={**_VERSION, **_WHY}),
    "POST CaseApi.delete": Expected(MANAGERS, "case", fields={**_VERSION, **_WHY}),
    "POST CaseApi.close": Expected(CASE_SIGHT, "case", fields={**_VERSION, "reason": "OTHER"}),
    "POST CaseApi.lower": Expected(
        MANAGERS, "case", fields={**_VERSION, "confidentiality": "OPEN", "reason": "RISK_ENDED"}
    ),
    "POST CaseApi.reopen": Expected(CASE_SIGHT, "case", fields=_VERSION),
    "POST CaseApi.restore": Expected(MANAGERS, "case"),
    "POST CaseApi.assign": Expected(EXPORT, "case", fields={"account_id": "colleague"}),
    "DELETE CaseApi.unassign": Expected(EXPORT, "case"),
    "POST CaseApi.reveal": Expected(CASE_SIGHT, "case", fields=_PURPOSE),
    "POST CaseApi.add_person": Expected(CASE_WORK, "case", fields=_PERSON),
    **_page("PersonApi.list", CASE_SIGHT),
    **_page("PersonApi.show", CASE_SIGHT, "person"),
    "POST PersonApi.search": Expected(CASE_SIGHT, empty=400),
    "PATCH PersonApi.edit": Expected(CASE_WORK, "person", fields={**_VERSION, "gender": "Feminine"}),
    "DELETE PersonApi.delete": Expected(MANAGERS, "person", fields={**_VERSION, **_WHY}),
    "POST PersonApi.delete": Expected(MANAGERS, "person", fields={**_VERSION, **_WHY}),
    "DELETE PersonApi.unlink": Expected(MANAGERS, "link", fields={**_WHY, "then": "DELETE"}),
    "POST PersonApi.unlink": Expected(MANAGERS, "link", fields={**_WHY, "then": "DELETE"}),
    "POST PersonApi.restore": Expected(MANAGERS, "person"),
    "POST PersonApi.reveal": Expected(CASE_SIGHT, "person", fields=_PURPOSE),
    **_page("ProfileApi.show", CASE_SIGHT, "link"),
    "PATCH ProfileApi.edit": Expected(CASE_WORK, "link", fields=_PROFILE),
    "POST ProfileApi.reveal": Expected(CASE_SIGHT, "link", fields=_PURPOSE),
    # Accounts, roles, units
    **_page("AccountView.list", _ACCOUNTS),
    **_page("AccountView.show", _ACCOUNTS, "account", frozenset({ADMIN})),
    **_form("AccountView.add", _ACCOUNTS),
    **_form("AccountView.edit", _ACCOUNTS, "account", frozenset({ADMIN}), fields=_SOMEBODY),
    **_post("AccountView.suspend", _ACCOUNTS, "account", frozenset({ADMIN})),
    **_post("AccountView.reactivate", _ACCOUNTS, "account", frozenset({ADMIN})),
    **_post("AccountView.invite", _ACCOUNTS, "account", frozenset({ADMIN})),
    **_page("AccountHistoryView.record", MANAGERS, "account"),
    **_page("AccountHistoryView.acts", MANAGERS, "account"),
    **_page("GrantView.list", _ACCOUNTS),
    **_form("GrantView.add", _ACCOUNTS, "account", frozenset({ADMIN}), fields={"role": "focal_point"}),
    **_post("GrantView.end", _ACCOUNTS, "grant", frozenset({ADMIN})),
    **_post("GrantView.approve", _ACCOUNTS, "grant", frozenset({ADMIN})),
    **_post("GrantView.refuse", _ACCOUNTS, "grant", frozenset({ADMIN})),
    **_page("AccessChangeView.list", _CONFIRMING),
    **_post("AccessChangeView.confirm", _CONFIRMING, "change", frozenset({ADMIN, SUPERVISOR})),
    **_post("AccessChangeView.refuse", _CONFIRMING, "change", frozenset({ADMIN, SUPERVISOR})),
    **_post("AccessChangeView.reset", _ACCOUNTS, "account", frozenset({ADMIN})),
    **_page("ApprovalView.list", frozenset({SUPERVISOR})),
    **_post("ApprovalView.approve", frozenset({SUPERVISOR}), "grant", frozenset({SUPERVISOR})),
    **_post("ApprovalView.refuse", frozenset({SUPERVISOR}), "grant", frozenset({SUPERVISOR})),
    **_page("UnitView.list", MANAGERS),
    **_form("UnitView.add", MANAGERS),
    **_form("UnitView.edit", MANAGERS, "unit", fields={"name": "Birim"}),
    # The Presidency's boards and register
    **_page("OversightInstitutionView.list", BOARD | {NATIONAL}),
    **_page("OversightInstitutionView.show", BOARD | {NATIONAL}, "institution", BOARD | {NATIONAL}),
    **_page("OversightCaseView.list", BOARD | AUDITORS),
    **_post("OversightFindView.find", BOARD | AUDITORS, empty=303),
    **_page("OversightCaseView.show", BOARD | AUDITORS, "case", BOARD | {NATIONAL}),
    **_page("InstitutionView.list", BOARD),
    **_page("InstitutionView.show", BOARD, "institution", BOARD),
    **_form("InstitutionView.add", frozenset({SUPERVISOR})),
    **_form("InstitutionView.edit", frozenset({SUPERVISOR}), "institution", frozenset({SUPERVISOR})),
    **_post("InstitutionView.suspend", frozenset({SUPERVISOR}), "institution", frozenset({SUPERVISOR})),
    **_post("InstitutionView.reactivate", frozenset({SUPERVISOR}), "institution", frozenset({SUPERVISOR})),
    # Auditors
    **_page("LedgerView.list", AUDITORS),
    **_page("LedgerView.entries", AUDITORS),
    **_post("LedgerView.filter", AUDITORS, empty=303),
    **_page("LedgerView.show", AUDITORS, "ledger", frozenset({NATIONAL})),
    **_page("LedgerView.entry", AUDITORS, "ledger", frozenset({NATIONAL})),
    **_page("VerificationView.list", AUDITORS),
    **_post("VerificationView.ask", AUDITORS, empty=400),
    **_page("VerificationView.show", AUDITORS, "request", frozenset({NATIONAL})),
    "GET VerificationView.progress": Expected(AUDITORS, "request", frozenset({NATIONAL}), quiet=True),
    **_page("AlertView.list", AUDITORS | BOARD),
    **_post("AlertView.acknowledge", _ALERTED, "alert", _ALERTED),
    **_post("AlertsTogetherView.acknowledge", _ALERTED),
    **_page("AuditAccountView.list", AUDITORS),
    **_page("AuditAccountView.show", AUDITORS, "account", frozenset({NATIONAL})),
    "GET AuditHistoryView.record": Expected(AUDITORS, "case", frozenset({NATIONAL}), refused=200),
    "GET AuditHistoryView.acts": Expected(AUDITORS, "account", frozenset({NATIONAL}), refused=200),
    **_page("LooksView.ask", AUDITORS),
    **_post("LooksView.find", AUDITORS, empty=303),
    **_page("LooksView.everything", AUDITORS),
    "GET LooksView.show": Expected(AUDITORS, "case", frozenset({NATIONAL}), refused=200),
    **_page("InstitutionLooksView.ask", MANAGERS),
    **_post("InstitutionLooksView.find", MANAGERS, empty=303),
    **_page("InstitutionLooksView.everything", MANAGERS),
    **_page("InstitutionLooksView.show", MANAGERS, "case"),
    **_page("InstitutionHistoryView.list", HOME_SIGHT),
    **_post("InstitutionHistoryView.filter", HOME_SIGHT, empty=303),
    **_page("InstitutionHistoryView.entry", HOME_SIGHT, "ledger"),
    # Evidence: taken away by managers and auditors; the signed root is for whoever reads the history
    **_page("InstitutionEvidenceView.show", MANAGERS, "ledger"),
    **_post("InstitutionEvidenceView.take", MANAGERS, "ledger", fields={"purpose": "SUPERVISION"}),
    **_page("InstitutionEvidenceView.proof", MANAGERS, "ledger"),
    **_page("InstitutionEvidenceView.root", HOME_SIGHT, "ledger"),
    **_page("InstitutionEvidenceView.verifier_page", MANAGERS),
    **_page("InstitutionEvidenceView.verifier_program", MANAGERS),
    **_page("EvidenceView.show", AUDITORS, "ledger", frozenset({NATIONAL})),
    **_post("EvidenceView.take", AUDITORS, "ledger", frozenset({NATIONAL}), {"purpose": "SUPERVISION"}),
    **_page("EvidenceView.proof", AUDITORS, "ledger", frozenset({NATIONAL})),
    **_page("EvidenceView.root", AUDITORS, "ledger", frozenset({NATIONAL})),
    **_page("EvidenceView.verifier_page", AUDITORS),
    **_page("EvidenceView.verifier_program", AUDITORS),
    # Receipts: taken away by managers and auditors, compared by whoever reads the history
    **_page("InstitutionReceiptView.show", HOME_SIGHT),
    "POST InstitutionReceiptView.compare": Expected(HOME_SIGHT, empty=422),
    **_page("InstitutionReceiptView.take", MANAGERS, "ledger"),
    **_page("ReceiptView.show", AUDITORS),
    "POST ReceiptView.compare": Expected(AUDITORS, empty=422),
    **_page("ReceiptView.take", AUDITORS, "ledger", frozenset({NATIONAL})),
    # Decisions of two people about ledgers: one proposes, the other decides
    **_page("DecisionView.list", frozenset({SUPERVISOR, NATIONAL})),
    **_form("DecisionView.add", frozenset({SUPERVISOR})),
    **_page("DecisionView.show", frozenset({SUPERVISOR, NATIONAL}), "decision", frozenset({SUPERVISOR, NATIONAL})),
    **_post("DecisionView.decide", frozenset({NATIONAL}), "decision", frozenset({NATIONAL}), {"decision": "rejected"}),
}
