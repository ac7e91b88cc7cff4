"""Roles as data: their acts, reach, givers and exclusions.

The panel's permissions, the row-level scopes and the pages all read this one table. Nothing here touches the database:
a role that is not written here can do nothing. Source of the matrix: DOMAIN (c); the DESIGN.md beside this file
explains departures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

INSTITUTION, OVERSIGHT, AUDIT, ACCOUNTS = "institution", "oversight", "audit", "accounts"
SCOPES = (INSTITUTION, OVERSIGHT, AUDIT, ACCOUNTS)

READ = frozenset({"list", "show"})
WORK = READ | {"add", "edit"}
FULL = WORK | {"delete", "restore"}

# The acts of every signed-in person.
EVERYBODY: Mapping[str, frozenset[str]] = {
    "Home": frozenset({"get"}),
    "Answer": frozenset({"show"}),
    "Profile": frozenset({"show", "edit"}),
    "Language": frozenset({"index"}),
    "Preference": frozenset({"edit"}),
    "ApiDescription": frozenset({"show"}),
    "Vocabulary": frozenset({"list"}),
    "Register": frozenset({"list"}),
}


@dataclass(frozen=True)
class Role:
    """One role. `covers`: the reach of its grant into cases: assigned, unit or manage."""

    code: str
    label: LazyString
    scopes: tuple[str, ...]
    may: dict[str, frozenset[str]]
    covers: str | None = None
    reads: str = "none"
    """The ledger entries that row-level security shows: none, actor, ledger or all."""
    granted_by: tuple[str, ...] = ()
    exclusive: bool = False
    """Excludes every other role."""
    approvals: int = 0
    held_in: tuple[str, ...] = ()
    """The kinds of institutions whose people can hold it; none: all."""
    whole_institution: bool = False
    """Cannot be narrowed to a unit."""


_CASE_WORK = {
    "Case": WORK | {"close", "export", "assign", "reveal", "history"},
    "Person": WORK | {"search", "export", "reveal", "history"},
    "VictimProfile": WORK | {"reveal"},
    "Draft": frozenset({"edit"}),
    "AccessChange": READ | {"approve"},
}

ROLES: Mapping[str, Role] = {
    role.code: role
    for role in (
        Role(
            "focal_point",
            _l("Focal point"),
            (INSTITUTION,),
            {**_CASE_WORK, "InstitutionHistory": READ},
            covers="unit",
            reads="ledger",
            granted_by=("institution_manager", "system_administrator"),
        ),
        Role(
            "caseworker",
            _l("Caseworker"),
            (INSTITUTION,),
            {
                "Case": WORK | {"close", "reveal", "history"},
                "Person": WORK | {"search", "reveal", "history"},
                "VictimProfile": WORK | {"reveal"},
                "Draft": frozenset({"edit"}),
                "InstitutionHistory": READ,
                "AccessChange": READ | {"approve"},
            },
            covers="assigned",
            reads="actor",
            granted_by=("institution_manager",),
        ),
        Role(
            "institution_manager",
            _l("Institution manager"),
            (INSTITUTION,),
            {
                "Case": READ | {"delete", "restore", "assign", "export", "reveal", "history", "close", "hold", "lower"},
                "Person": READ | {"search", "delete", "restore", "export", "reveal", "history", "hold", "erase"},
                "VictimProfile": READ | {"reveal"},
                "Account": WORK | {"suspend", "invite", "history"},
                "RoleGrant": READ | {"add", "end", "approve"},
                "AccessChange": READ | {"add", "approve"},
                "Unit": WORK,
                "InstitutionHistory": READ | {"export"},
            },
            covers="manage",
            reads="ledger",
            granted_by=("system_administrator", "presidency_supervisor"),
            whole_institution=True,
        ),
        Role(
            "auditor_national",
            _l("National auditor"),
            (AUDIT,),
            {
                "Ledger": READ | {"verify", "history", "export"},
                "OversightCase": READ | {"history"},
                "OversightInstitution": READ,
                "AuditAccount": READ,
                "Alert": READ | {"acknowledge"},
                "LedgerDecision": READ | {"approve"},
            },
            reads="all",
            granted_by=("institution_manager", "system_administrator"),
            exclusive=True,
            approvals=2,
            held_in=("ministry", "rapporteur"),
            whole_institution=True,
        ),
        Role(
            "auditor_institution",
            _l("Institution auditor"),
            (AUDIT,),
            {
                "Ledger": READ | {"verify", "history", "export"},
                "OversightCase": READ | {"history"},
                "AuditAccount": READ,
                "Alert": READ,
            },
            reads="ledger",
            granted_by=("institution_manager", "system_administrator"),
            exclusive=True,
            whole_institution=True,
        ),
        Role(
            "presidency_operator",
            _l("Presidency operator"),
            (INSTITUTION, OVERSIGHT),
            {**_CASE_WORK, "OversightCase": READ, "OversightInstitution": READ, "Alert": READ},
            covers="unit",
            reads="actor",
            granted_by=("institution_manager", "system_administrator"),
            held_in=("presidency",),
        ),
        Role(
            "presidency_supervisor",
            _l("Presidency supervisor"),
            (OVERSIGHT,),
            {
                "OversightCase": READ,
                "OversightInstitution": READ | {"add", "edit"},
                "GrantApproval": READ | {"approve"},
                "AccessChange": READ | {"approve"},
                "Alert": READ | {"acknowledge"},
                "LedgerDecision": READ | {"add"},
            },
            granted_by=("system_administrator",),
            held_in=("presidency",),
            whole_institution=True,
        ),
        Role(
            "system_administrator",
            _l("System administrator"),
            (ACCOUNTS,),
            {
                "Account": WORK | {"suspend", "invite"},
                "RoleGrant": READ | {"add", "end", "approve"},
                "AccessChange": READ | {"add", "approve"},
                "Unit": READ,
                "Institution": READ,
            },
            granted_by=("system_administrator",),
            exclusive=True,
            whole_institution=True,
        ),
    )
}


def permit(subject: str, rows: Mapping[str, frozenset[str]]) -> None:
    """Adds an area's subject to the table: what each role may do with it. TypeError for a row that stands otherwise."""
    for code, acts in rows.items():
        if ROLES[code].may.setdefault(subject, acts) != acts:
            raise TypeError(f"{code} may do something else with {subject} already")


def may(roles: frozenset[str], act: str, subject: str) -> bool:
    """True if any of these roles may do this act on this subject. Unknown roles may do nothing."""
    if act in EVERYBODY.get(subject, ()):
        return True
    return any(act in ROLES[code].may.get(subject, ()) for code in roles if code in ROLES)


def grantable_by(roles: frozenset[str]) -> tuple[str, ...]:
    """The roles that these roles may give to others, in the table's order."""
    return tuple(code for code, role in ROLES.items() if roles & set(role.granted_by))
