"""The rows on an account's page: its roles, and what was given, ended and decided about it, with the people's names."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from itm_admin.accounts import changes, reasons
from itm_admin.accounts.models import (
    CHANGE_KINDS,
    CHANGE_STATES,
    CHANGE_TONES,
    AccessChange,
    Account,
    RoleGrant,
)
from itm_admin.foundation.errors import Message
from itm_admin.foundation.roles import ROLES
from itm_admin.institutions.services import units


def history(session: Session, account: Account) -> list[dict[str, Any]]:
    """New links, roles and ends, the newest first: time, act, author, confirmer."""
    found = changes.of_account(session, account.id)
    given: dict[uuid.UUID | None, RoleGrant] = {each.id: each for each in account.grants}
    names = changes.names(
        session, [*(each for one in found for each in (one.created_by, one.decided_by)),
                  *(each.created_by for each in given.values())]
    )  # fmt: skip
    told = {each.grant_id for each in found if each.kind in ("rise", "give")}
    alone = [_given(each, names) for each in given.values() if each.id not in told]
    return sorted(alone + _changed(found, given, names), key=lambda row: row["when"], reverse=True)


def _given(grant: RoleGrant, names: Mapping[uuid.UUID | None, str]) -> dict[str, Any]:
    """A role that needed nobody else, or that still waits."""
    waits = grant.state == "proposed"
    return {
        "when": grant.created_at,
        "what": _("Role proposed: %(role)s", role=_label(grant))
        if waits
        else _("Role given: %(role)s", role=_label(grant)),
        "state": (CHANGE_STATES["waiting"], CHANGE_TONES["waiting"])
        if waits
        else (CHANGE_STATES["done"], CHANGE_TONES["done"]),
        "why": None,
        "by": names.get(grant.created_by) or ("–" if grant.created_by else _("the server itself")),
        "confirmed": "–",
    }


def _label(grant: RoleGrant) -> Message:
    return ROLES[grant.role].label if grant.role in ROLES else grant.role


def _changed(
    found: Collection[AccessChange], given: Mapping[uuid.UUID | None, RoleGrant], names: Mapping[uuid.UUID | None, str]
) -> list[dict[str, Any]]:
    return [
        {
            "when": each.created_at,
            "what": _what(each, given),
            "why": reasons.label(each.kind, each.reason),
            "state": _state(each, given),
            "by": names.get(each.created_by) or ("–" if each.created_by else _("the server itself")),
            "confirmed": names.get(each.decided_by, "–"),
        }
        for each in found
    ]


def _state(change: AccessChange, given: Mapping[uuid.UUID | None, RoleGrant]) -> tuple[Message, str]:
    waits = change.kind == "give" and change.grant_id in given and _waits(given[change.grant_id])
    state = "waiting" if waits else change.state
    return CHANGE_STATES[state], CHANGE_TONES[state]


def _what(change: AccessChange, given: Mapping[uuid.UUID | None, RoleGrant]) -> Message:
    """The kind, with the role that it is about."""
    if change.grant_id not in given:
        return CHANGE_KINDS[change.kind]
    kind = _("Role proposed") if change.kind == "give" and _waits(given[change.grant_id]) else CHANGE_KINDS[change.kind]
    return f"{kind}: {_label(given[change.grant_id])}"


def _waits(grant: RoleGrant) -> bool:
    return grant.state == "proposed"


def standing(session: Session, account: Account) -> list[dict[str, Any]]:
    names = {unit.id: unit.name for unit, _depth in units(session, account.institution_id)}
    return [
        {
            "id": grant.id,
            "role": _label(grant),
            "code": grant.role,
            "unit": names.get(grant.unit_id) if grant.unit_id else None,
            "state": grant.state,
            "since": grant.created_at,
            "until": grant.updated_at if grant.state == "ended" else None,
        }
        for grant in sorted(account.grants, key=lambda each: (each.state == "ended", each.created_at, each.id))
    ]
