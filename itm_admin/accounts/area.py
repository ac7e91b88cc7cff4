"""Accounts, sessions, roles and what two people decide about them."""

from __future__ import annotations

from itm_admin.accounts.api import SessionApi
from itm_admin.accounts.models import (
    AccessChange,
    Account,
    AccountSession,
    Credential,
    GrantApproval,
    Invitation,
    RoleGrant,
    SavedView,
)
from itm_admin.accounts.views import VIEWS
from itm_admin.record.area import Area

AREA = Area(
    "accounts",
    models=(AccessChange, Account, AccountSession, Credential, GrantApproval, Invitation, RoleGrant, SavedView),
    views=VIEWS,
    apis=(SessionApi,),
)
