"""Roles as data: their reach, givers and exclusions. Each area adds its subjects: what a role may do with them.

The panel's permissions, the row-level scopes and the pages all read this one table. Nothing here touches the database:
a role that is not written here can do nothing, and one that no area names may do nothing with the area's subjects.
The matrix is shown whole on a page (accounts/rights.py) and held by tests/house/rights.txt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from itm_admin.foundation.errors import Message

INSTITUTION, OVERSIGHT, AUDIT, ACCOUNTS = "institution", "oversight", "audit", "accounts"
SCOPES = (INSTITUTION, OVERSIGHT, AUDIT, ACCOUNTS)

READ = frozenset({"list", "show"})
WORK = READ | {"add", "edit"}

# The acts of every signed-in person.
EVERYBODY: Mapping[str, frozenset[str]] = {
    "Home": frozenset({"get"}),
    "Answer": frozenset({"show"}),
    "Profile": frozenset({"show", "edit"}),
    "SecondFactor": frozenset({"list", "edit"}),
    "Language": frozenset({"index"}),
    "Preference": frozenset({"edit"}),
    "ApiDescription": frozenset({"show"}),
    "Vocabulary": frozenset({"list"}),
    "Register": frozenset({"list"}),
}


Rights = Mapping[str, frozenset[str]]
"""Acts by role."""


@dataclass(frozen=True)
class Subject:
    """A subject of the table: its rows, its name, and words for acts that no other subject has."""

    rows: Rights
    label: Message
    acts: Mapping[str, Message]
    kind: str = ""
    """The name in the ledger of the records that it is about; none: it is a page."""


@dataclass(frozen=True)
class Role:
    """One role. `covers`: the reach of its grant into cases: assigned, unit or manage."""

    code: str
    label: LazyString
    scopes: tuple[str, ...]
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
    may: dict[str, frozenset[str]] = field(default_factory=dict)
    """Acts by subject. Written by `permit` alone."""


ROLES: Mapping[str, Role] = {
    role.code: role
    for role in (
        Role(
            "focal_point",
            _l("Focal point"),
            (INSTITUTION,),
            covers="unit",
            reads="ledger",
            granted_by=("institution_manager", "system_administrator"),
        ),
        Role(
            "caseworker",
            _l("Caseworker"),
            (INSTITUTION,),
            covers="assigned",
            reads="actor",
            granted_by=("institution_manager",),
        ),
        Role(
            "institution_manager",
            _l("Institution manager"),
            (INSTITUTION,),
            covers="manage",
            reads="ledger",
            granted_by=("system_administrator", "presidency_supervisor"),
            whole_institution=True,
        ),
        Role(
            "auditor_national",
            _l("National auditor"),
            (AUDIT,),
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
            reads="ledger",
            granted_by=("institution_manager", "system_administrator"),
            exclusive=True,
            whole_institution=True,
        ),
        Role(
            "presidency_operator",
            _l("Presidency operator"),
            (INSTITUTION, OVERSIGHT),
            covers="unit",
            reads="actor",
            granted_by=("institution_manager", "system_administrator"),
            held_in=("presidency",),
        ),
        Role(
            "presidency_supervisor",
            _l("Presidency supervisor"),
            (OVERSIGHT,),
            granted_by=("system_administrator",),
            held_in=("presidency",),
            whole_institution=True,
        ),
        Role(
            "system_administrator",
            _l("System administrator"),
            (ACCOUNTS,),
            granted_by=("system_administrator",),
            exclusive=True,
            whole_institution=True,
        ),
    )
}


SUBJECTS: dict[str, Subject] = {}
"""The subjects that the areas have added."""


def permit(
    subject: str, rows: Rights, label: Message = "", acts: Mapping[str, Message] | None = None, kind: str = ""
) -> None:
    """Adds an area's subject to the table: what each role may do with it, and the words for the page of all rights.

    TypeError for a subject that stands otherwise already, and for a role that does not exist.
    """
    added = Subject(rows, label, acts or {}, kind)
    if SUBJECTS.setdefault(subject, added).rows != rows:
        raise TypeError(f"{subject}: roles may do something else with it already")
    for code, each in rows.items():
        if code not in ROLES:
            raise TypeError(f"{subject}: there is no role {code!r}")
        ROLES[code].may[subject] = each


def kind_of_subject(subject: str) -> str:
    """The target of an entry about this subject, where the entry names no other: a kind of record, or the page."""
    known = SUBJECTS.get(subject)
    return (known.kind if known else "") or subject.lower()


def subject_words(kind: str) -> Message | None:
    """The name of the subject that an entry has as its target; None for another target."""
    return next((each.label for name, each in SUBJECTS.items() if name.lower() == kind), None)


def may(roles: frozenset[str], act: str, subject: str) -> bool:
    """True if any of these roles may do this act on this subject. Unknown roles may do nothing."""
    if act in EVERYBODY.get(subject, ()):
        return True
    return any(act in ROLES[code].may.get(subject, ()) for code in roles if code in ROLES)


def grantable_by(roles: frozenset[str]) -> tuple[str, ...]:
    """The roles that these roles may give to others, in the table's order."""
    return tuple(code for code, role in ROLES.items() if roles & set(role.granted_by))
