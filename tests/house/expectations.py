"""Expectations of each route: its roles, its named records, its reach. They follow from the declarations.

The roles come from the roles' table, which tests/house/rights.txt holds as it was decided; the records from the
addresses and the kinds. What does not follow is written here, with its reason. A new area needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from itm_admin.foundation import roles
from itm_admin.foundation.access import Access, scope_for
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, OVERSIGHT, ROLES
from itm_admin.record.api import RecordApi
from itm_admin.record.pages import RecordPage

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
FOCAL, WORKER, MANAGER = "focal_point", "caseworker", "institution_manager"
NATIONAL, INSIDE = "auditor_national", "auditor_institution"
OPERATOR, SUPERVISOR, ADMIN = "presidency_operator", "presidency_supervisor", "system_administrator"
EVERYBODY = frozenset({FOCAL, WORKER, MANAGER, NATIONAL, INSIDE, OPERATOR, SUPERVISOR, ADMIN})
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


PUBLIC: Mapping[str, str] = {
    "SignInView.sign_in": "who signs in is not signed in yet",
    "LanguageView.choose": "the sign-in page has both languages",
    "InvitationView.open_link": "with a one-time link somebody signs in for the first time",
    "InvitationView.redeem": "with a one-time link somebody signs in for the first time",
    "PasskeySignInView.ask": "as the sign-in page",
    "PasskeySignInView.sign_in": "as the sign-in page",
    "ProviderSignInView.begin": "as the sign-in page",
    "ProviderSignInView.come_back": "as the sign-in page",
    "ProviderSignInView.out": "who is led there has signed out",
    "ProviderSignInView.go_on": "who has signed in in another tab may not have",
    "ProviderCallView.signed_out": "the provider calls, and signs its message",
    "ProviderInvitationView.begin": "with a one-time link somebody signs in for the first time",
    "ProviderInvitationView.confirm": "with a one-time link somebody signs in for the first time",
    "DirectorySignInView.sign_in": "as the sign-in page",
    "DirectoryInvitationView.ask": "with a one-time link somebody signs in for the first time",
    "SessionApi.show": "a client asks whether it is signed in, and for its token",
    "SessionApi.begin": "as the sign-in page",
    "SessionApi.end": "a session that has ended already can be ended",
    "HealthView.alive": "asked by a supervisor",
    "HealthView.ready": "asked by a supervisor",
    "static": "styles and scripts",
    "static_vendor": "styles and scripts",
}
"""Endpoints that need no session, and why."""

_CHANGING = (
    "LanguageView.choose", "PasskeySignInView.ask", "PasskeySignInView.sign_in", "SessionApi.begin", "SessionApi.end",
    "ProviderSignInView.go_on", "ProviderCallView.signed_out",
)  # fmt: skip
QUIET: Mapping[str, str] = {
    "OwnProfileView.password": "an empty form",
    "OwnFactorView.app": "the secret of one's own new app, before it counts",
    "StepUpView.code": "the question for one's own second factor",
    "SecondStepView.code": "the question for one's own second factor",
    "SecondStepView.set_up": "the secret of one's own new app, before it counts",
    "ProviderLinkView.begin": "a redirect to the provider",
    "ProviderLinkView.confirm": "what the provider said, which the page asks to confirm",
    "ProviderStepUpView.begin": "a redirect to the provider",
    "DirectoryLinkView.ask": "an empty form",
    "OwnSessionView.left": "the end of one's own session",
    "OpenApiDocument.show": "the description of the interface",
    "SwaggerPage.show": "the description of the interface",
    "RightsView.list": "what roles may do, and nobody's data",
    "VocabularyApi.list": "lists of codes",
    "UnitApi.list": "units hold no personal data",
    "InstitutionApi.list": "the register holds no personal data",
    "VerificationView.progress": "asked every second by a page that is an entry itself",
    **{name: why for name, why in PUBLIC.items() if name not in _CHANGING},
}
"""Endpoints that are looked at without an entry, and why."""

_NAMED: Mapping[str, str] = {
    "Case": "case", "Person": "person", "VictimProfile": "link", "Draft": "case", "Account": "account",
    "AuditAccount": "account", "RoleGrant": "grant", "GrantApproval": "grant", "AccessChange": "change", "Unit": "unit",
    "Institution": "institution", "OversightInstitution": "institution", "OversightCase": "case", "Ledger": "ledger",
    "InstitutionHistory": "ledger", "Alert": "alert", "LedgerDecision": "decision", "Preference": "view",
    "SecondFactor": "factor",
    "Invitation": "token",
}  # fmt: skip
"""The record in an address of a page that is about no kind of its own, by the page's subject."""
_ARGUMENTS = ("link", "case", "account", "token")
"""Arguments that say themselves what they name."""

_WHY, _PURPOSE = {"reason": "DUPLICATE"}, {"purpose": "CASE_WORK"}
_SEEN, _VERSION = {"version": "1"}, {"row_version": 1}
_OF_ACTS: Mapping[str, Mapping[str, Any]] = {"delete": _WHY, "reveal": _PURPOSE}
_WITHOUT_VERSION = frozenset({"restore", "reveal", "add", "assign"})
"""Acts that the interface carries out on whatever version there is."""
_PERSON, _LOWER = {"role": "WITNESS", "gender": "Feminine"}, {"confidentiality": "OPEN", "reason": "RISK_ENDED"}

FIELDS: Mapping[str, Mapping[str, Any]] = {
    "CaseView.edit": {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"},
    "CaseView.close": {"reason": "OTHER"},
    "CaseView.lower": _LOWER,
    "CaseView.assign": {"account_id": "colleague"},
    "CaseHoldView.hold": {"reason": "COURT_ORDER"},
    "CaseHoldView.release": {"reason": "ENDED"},
    "CaseApi.edit": {"province": "TR-34"},
    "CaseApi.close": {"reason": "OTHER"},
    "CaseApi.lower": _LOWER,
    "CaseApi.assign": {"account_id": "colleague"},
    "PersonView.add": _PERSON,
    "PersonView.edit": {"gender": "Feminine"},
    "PersonView.link": {"role": "WITNESS", "pseudonym": "pseudonym"},
    "PersonHoldView.hold": {"reason": "COURT_ORDER"},
    "PersonHoldView.release": {"reason": "ENDED"},
    "ErasureView.erase": {"ground": "PERSON_REQUEST", "pseudonym": "pseudonym"},
    "PersonApi.edit": {"gender": "Feminine"},
    "ProfileView.edit": {"trafficking_status": "PossibleVictimOfTrafficking"},
    "ProfileApi.edit": {"trafficking_status": "PossibleVictimOfTrafficking"},
    "AccountView.edit": {"first_name": "Ad", "last_name": "Soyad", "email": "ad@example.invalid", "language": "tr"},
    "GrantView.add": {"role": "focal_point", "reason": "NEW_TASK"},
    "GrantView.end": {"reason": "WRITTEN_ORDER"},
    "AccountView.suspend": {"reason": "WRITTEN_ORDER", "successor": "nobody"},
    "AccountView.suspend_together": {"reason": "WRITTEN_ORDER"},
    "AccountView.reactivate": {"reason": "WRITTEN_ORDER"},
    "AccountView.invite": {"reason": "WRITTEN_ORDER"},
    "AccessChangeView.focal_point": {"reason": "NEW_TASK", "rank": "primary"},
    "AccessChangeView.reset": {"reason": "WRITTEN_ORDER"},
    "ApiKeyView.end": {"reason": "not_needed"},
    "AccessChangeView.factors": {"reason": "DEVICE_LOST"},
    "UnitView.edit": {"name": "Birim"},
    "PreferenceView.change": {"label": "Mine"},
    "OwnFactorView.rename": {"name": "Mine"},
    "DecisionView.decide": {"decision": "rejected"},
    "EvidenceView.take": {"purpose": "SUPERVISION"},
    "InstitutionEvidenceView.take": {"purpose": "SUPERVISION"},
}
"""Fields of hand-written forms, beside the version, with which a request would be carried out."""

_ALONE: Mapping[str, Mapping[str, Any]] = {
    "ProfileApi.edit": FIELDS["ProfileApi.edit"],  # there is no profile yet, so it has no version
    "CaseApi.add_person": _PERSON,  # the case is not changed
    "PersonApi.unlink": {**_WHY, "then": "DELETE"},  # a link has no version
}
"""Fields of routes that take none but these."""


@dataclass(frozen=True)
class Deviation:
    """Routes that differ from what their declarations say, and why."""

    why: str
    routes: tuple[str, ...]
    changes: Mapping[str, Any]


def _differ(why: str, routes: str, **changes: Any) -> Deviation:
    method, *endpoints = routes.split()
    return Deviation(why, tuple(f"{method} {endpoint}" for endpoint in endpoints), changes)


DEVIATIONS: tuple[Deviation, ...] = (
    _differ("without an answer's number there is none to show", "GET AnswerView.show", shown=303),
    _differ("no scheduler runs beside these tests", "GET HealthView.ready", shown=503),
    _differ("back to the first step: nothing was typed",
            "GET NewCaseView.person NewCaseView.risk NewCaseView.check", shown=303),
    _differ("back to the first step: nothing was typed",
            "POST NewCaseView.person NewCaseView.risk NewCaseView.check NewCaseView.discard", empty=303),
    _differ("filters and searches lead to their page, so that nothing typed is in an address",
            "POST FindView.find OversightFindView.find LooksView.find InstitutionLooksView.find LedgerView.filter"
            " InstitutionHistoryView.filter OwnHistoryView.filter", empty=303),
    _differ("what a form's script finds while somebody types: an empty text finds the first ones",
            "POST CaseChoicesView.units CaseChoicesView.institutions CaseChoicesView.colleagues"
            " PersonChoicesView.persons UnitChoicesView.units", empty=200),
    _differ("the form has an address of its own", "POST ReceiptView.compare InstitutionReceiptView.compare", empty=422),
    _differ("a wrong password", "POST SignInView.sign_in", empty=401),
    _differ("the sign-in is over: on to the panel", "GET SecondStepView.code SecondStepView.set_up", shown=303),
    _differ("the sign-in is over: on to the panel",
            "POST SecondStepView.code SecondStepView.set_up SecondStepView.add_passkey SecondStepView.show_passkey",
            empty=303),
    _differ("the sign-in is over", "POST SecondStepView.ask_to_add SecondStepView.ask_passkey", empty=403),
    _differ("what a browser's passkeys are asked", "POST PasskeySignInView.ask OwnFactorView.ask_to_add StepUpView.ask",
            empty=200),
    _differ("a passkey that proves nothing", "POST PasskeySignInView.sign_in OwnFactorView.add_passkey"
            " StepUpView.passkey", empty=303),
    _differ("no app was begun", "GET OwnFactorView.app", shown=303),
    _differ("no app was begun", "POST OwnFactorView.app OwnFactorView.begin_app", empty=303),
    _differ("a button without fields", "POST OwnFactorView.new_codes", empty=303),
    _differ("no key was chosen", "GET OwnKeyView.take", shown=303),
    _differ("no key was chosen", "POST OwnKeyView.take", empty=303),
    _differ("no key was chosen", "GET OwnKeyView.wider", shown=303),
    _differ("no key was chosen", "POST OwnKeyView.wider", empty=303),
    _differ("it names no version", "POST OwnProfileView.edit", empty=409),
    _differ("a button without fields", "POST OwnSessionView.sign_out OwnSessionView.sign_out_everywhere"
            " OwnSessionsView.end_others", empty=303),
    _differ("a button without fields", "POST OwnSessionView.stay", empty=200),
    _differ("a button without fields", "DELETE SessionApi.end", empty=200),
    _differ("no provider is set up here", "GET ProviderSignInView.begin ProviderSignInView.come_back"
            " ProviderSignInView.out ProviderInvitationView.begin ProviderInvitationView.confirm"
,
            shown=404),
    _differ("no provider is set up here", "GET ProviderLinkView.begin ProviderStepUpView.begin", shown=303),
    _differ("no provider is set up here", "POST ProviderInvitationView.confirm", empty=404),
    _differ("no provider is set up here", "POST ProviderCallView.signed_out", empty=400),
    _differ("no directory is set up here", "GET DirectorySignInView.sign_in DirectoryInvitationView.ask", shown=404),
    _differ("no directory is set up here", "POST DirectorySignInView.sign_in DirectoryInvitationView.ask", empty=404),
    _differ("no directory is set up here", "GET DirectoryLinkView.ask", shown=303),
    _differ("no directory is set up here", "POST DirectoryLinkView.ask", empty=303),
    _differ("nobody came back from a provider", "GET ProviderLinkView.confirm", shown=303),
    _differ("nobody came back from a provider", "POST ProviderLinkView.confirm", empty=303),
    _differ("no form waits", "POST ProviderSignInView.go_on", empty=303),
    _differ("the link names whom it is for", "GET InvitationView.open_link", may=NOBODY),
    _differ("no link was opened in this browser", "GET InvitationView.redeem", shown=404),
    _differ("no link was opened in this browser", "POST InvitationView.redeem", empty=404),
    _differ("the case is asked for before the colleague", "POST CaseView.unassign", names="case"),
    _differ("the case is asked for before the colleague", "DELETE CaseApi.unassign", names="case"),
    _differ("a verification was asked for", "GET VerificationView.show VerificationView.progress", names="request"),
    _differ("the account whose password ends", "GET AccessChangeView.reset", names="account"),
    _differ("the account whose password ends", "POST AccessChangeView.reset", names="account"),
    _differ("the account that is named", "GET AccessChangeView.focal_point", names="account"),
    _differ("the account that is named", "POST AccessChangeView.focal_point", names="account"),
    _differ("the account whose factors were lost", "GET AccessChangeView.factors", names="account"),
    _differ("the account whose factors were lost", "POST AccessChangeView.factors", names="account"),
    _differ("the account that gets the role", "GET GrantView.add", names="account"),
    _differ("the account that gets the role", "POST GrantView.add", names="account"),
    _differ("a history of a record", "GET InstitutionLooksView.show", names="case"),
    _differ("a history without an entry that the person may see is empty",
            "GET LooksView.show AuditHistoryView.record", names="case", refused=200),
    _differ("a history without an entry that the person may see is empty",
            "GET AuditHistoryView.acts", names="account", refused=200),
)  # fmt: skip


def expectations(app: Flask) -> dict[str, Expected]:
    """By "METHOD endpoint", for every route that is declared."""
    register: Mapping[str, Access] = app.extensions["itm_access"]
    views = {type(view).__name__: type(view) for view in app.extensions["appbuilder"].baseviews}
    found = {}
    for key, rule in routes(app):
        if rule.endpoint in register:
            view = views.get(rule.endpoint.partition(".")[0])
            found[key] = _expected(register[rule.endpoint], rule, key.partition(" ")[0], view, _methods(app, rule))
    for each in DEVIATIONS:
        for key in each.routes:
            found[key] = replace(found[key], **each.changes)
    return found


def routes(app: Flask) -> Iterable[tuple[str, Rule]]:
    """ "METHOD endpoint" of every route, with its rule."""
    return (
        (f"{method} {rule.endpoint}", rule)
        for rule in app.url_map.iter_rules()
        for method in METHODS
        if method in (rule.methods or ())
    )


def _methods(app: Flask, rule: Rule) -> frozenset[str]:
    """All methods of the rule's endpoint, whatever its address."""
    rules = app.url_map.iter_rules(rule.endpoint)
    return frozenset(method for each in rules for method in each.methods or () if method in METHODS)


def _expected(access: Access, rule: Rule, method: str, view: type[Any] | None, methods: frozenset[str]) -> Expected:
    scopes = {code: scope_for(access, frozenset({code})) for code in ROLES}
    names, own = _names(access, rule, view), access.subject in roles.EVERYBODY
    wide = {code for code, scope in scopes.items() if _reaches_all(code, scope)} if names and not own else ()
    return Expected(
        may=EVERYBODY if access.public else frozenset(code for code, scope in scopes.items() if scope is not None),
        names=names,
        wide=frozenset() if access.public else frozenset(wide),
        fields=_fields(access, rule.endpoint) if names and method != "GET" else {},
        empty=_empty(access, rule, methods),
        quiet=access.quiet and method == "GET",
        public=access.public,
    )


def _empty(access: Access, rule: Rule, methods: frozenset[str]) -> int:
    """An act on several rows leads back to its list, a form comes again, an address without a form is refused."""
    if "/together/" in rule.rule and not access.api:
        return 303
    return 400 if access.api or "GET" not in methods else 422


def _reaches_all(role: str, scope: str | None) -> bool:
    """True for those whose work is with every institution's records."""
    return scope in (OVERSIGHT, ACCOUNTS) or (scope == AUDIT and ROLES[role].reads == "all")


def _names(access: Access, rule: Rule, view: type[Any] | None) -> str:
    arguments = rule.arguments - {"filename", "name", "seq", "provider_code"}
    if not arguments:
        return ""
    said = next((each for each in _ARGUMENTS if each in arguments), None)
    if said is not None:
        return said
    if view is not None and issubclass(view, RecordPage | RecordApi):
        model = view.datamodel
        above = model.parent if "parent" in arguments else None
        return str((above or model).kind.name)
    return _NAMED[access.subject]


def _fields(access: Access, endpoint: str) -> Mapping[str, Any]:
    if endpoint in _ALONE:
        return _ALONE[endpoint]
    seen = _SEEN if not access.api else {} if access.act in _WITHOUT_VERSION else _VERSION
    return {**seen, **_OF_ACTS.get(access.act, {}), **FIELDS.get(endpoint, {})}
