"""Accounts, sessions, roles and what two people decide about them."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.accounts import focal_points, provider_facts
from itm_admin.accounts.account_views import AccountView, AuditAccountView
from itm_admin.accounts.api import SessionApi
from itm_admin.accounts.api_key_model import ApiKey, ApiKeySecret
from itm_admin.accounts.api_key_views import VIEWS as KEY_VIEWS
from itm_admin.accounts.api_key_views import ApiKeyView
from itm_admin.accounts.factor_rows import RecoveryCodes, SecondFactor
from itm_admin.accounts.focal_point_views import FocalPointView
from itm_admin.accounts.grant_views import AccessChangeView, ApprovalView
from itm_admin.accounts.models import (
    AccessChange,
    Account,
    Credential,
    GrantApproval,
    Invitation,
    RoleGrant,
    SavedView,
)
from itm_admin.accounts.provider_rows import ExternalIdentity, IdentityProvider, ProviderBinding
from itm_admin.accounts.rights import RightsView
from itm_admin.accounts.session_model import AccountSession
from itm_admin.accounts.views import VIEWS
from itm_admin.foundation.roles import READ, ROLES, WORK
from itm_admin.institutions.views import MORE_FACTS
from itm_admin.record.area import Area, MenuEntry

for _facts in (focal_points.facts, provider_facts.of_institution):
    if _facts not in MORE_FACTS:
        MORE_FACTS.append(_facts)
_GRANTS = READ | {"add", "end", "approve"}
_CONFIRMS = READ | {"approve"}
_RIGHTS = frozenset({"list"})

AREA = Area(
    "accounts",
    models=(
        AccessChange, Account, AccountSession, ApiKey, ApiKeySecret, Credential, ExternalIdentity, GrantApproval,
        IdentityProvider, Invitation, ProviderBinding, RecoveryCodes, RoleGrant, SavedView, SecondFactor,
    ),
    views=(
        MenuEntry(AuditAccountView, _l("Accounts and roles"), "people", "Audit"),
        MenuEntry(
            AccountView, _l("Accounts"), "people", "Administration",
            ("AccountHistoryView", "GrantView"),
        ),
        MenuEntry(ApprovalView, _l("Approvals"), "check", "Administration"),
        MenuEntry(AccessChangeView, _l("Waiting for confirmation"), "check", "Administration"),
        MenuEntry(FocalPointView, _l("Focal points"), "people", "Administration"),
        MenuEntry(RightsView, _l("Roles and rights"), "key", "Administration"),
        MenuEntry(ApiKeyView, _l("API keys"), "key", "Administration"),
        *VIEWS,
        *KEY_VIEWS,
    ),
    apis=(SessionApi,),
    may={
        "Account": {
            "institution_manager": WORK | {"suspend", "invite", "history"},
            "system_administrator": WORK | {"suspend", "invite"},
        },
        "RoleGrant": {"institution_manager": _GRANTS, "system_administrator": _GRANTS},
        "GrantApproval": {"presidency_supervisor": _CONFIRMS},
        "AccessChange": {
            "focal_point": _CONFIRMS,
            "caseworker": _CONFIRMS,
            "institution_manager": _CONFIRMS | {"add"},
            "presidency_operator": _CONFIRMS,
            "presidency_supervisor": _CONFIRMS,
            "system_administrator": _CONFIRMS | {"add"},
        },
        "ApiKey": {
            "institution_manager": READ | {"add", "edit", "end", "history"},
            "auditor_national": READ | {"end"},
            "auditor_institution": READ | {"end"},
            "presidency_operator": READ,
            "presidency_supervisor": READ,
        },
        "AuditAccount": {"auditor_national": READ, "auditor_institution": READ},
        "FocalPoint": dict.fromkeys(ROLES, _RIGHTS),
        "Rights": {
            "institution_manager": _RIGHTS,
            "auditor_national": _RIGHTS,
            "auditor_institution": _RIGHTS,
            "presidency_operator": _RIGHTS,
            "presidency_supervisor": _RIGHTS,
            "system_administrator": _RIGHTS,
        },
    },
    names={
        "RoleGrant": _l("Roles of persons"),
        "GrantApproval": _l("Approvals of roles by the Presidency"),
        "AccessChange": _l("Changes of access that a second person confirms"),
        "AuditAccount": _l("Accounts and roles, for auditors"),
        "Rights": _l("Roles and rights"),
        "FocalPoint": _l("Focal points of the institutions"),
    },
    acts={
        "Account": {"suspend": _l("Suspend and reactivate"), "invite": _l("Give a one-time link")},
        "ApiKey": {"add": _l("Make a key"), "edit": _l("Change a key's limits"), "end": _l("End a key")},
        "RoleGrant": {"add": _l("Give a role"), "end": _l("End a role")},
    },
)  # fmt: skip
