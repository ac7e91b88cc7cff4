"""The page of all roles and their rights: the whole table of foundation.roles in words.

It is made of what the areas have added, and of nothing else: a new subject is on it by being declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.foundation import vocabulary
from itm_admin.foundation.errors import Message
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, INSTITUTION, OVERSIGHT, ROLES, SUBJECTS, Role
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.foundation.views import Page, route

_WORKS: Mapping[str, Message] = {
    INSTITUTION: _l("Institution's work"),
    OVERSIGHT: _l("National oversight"),
    AUDIT: _l("Audit"),
    ACCOUNTS: _l("Accounts"),
}


@dataclass(frozen=True)
class SubjectRows:
    """One subject: for each act the words, for each role in order whether it may, and the names of those that may."""

    name: str
    acts: tuple[tuple[str, tuple[bool, ...], str], ...]


def matrix() -> list[SubjectRows]:
    """Every subject that a role may do something with, by its name."""
    found = [SubjectRows(str(SUBJECTS[code].label), tuple(_acts(code))) for code in SUBJECTS if _held(code)]
    return sorted(found, key=lambda each: turkish_sort_key(each.name))


def _acts(subject: str) -> Iterator[tuple[str, tuple[bool, ...], str]]:
    words = SUBJECTS[subject].acts
    for act in sorted(_held(subject), key=[*words].index):
        who = [role for role in ROLES.values() if act in role.may.get(subject, ())]
        yield str(words[act]), tuple(role in who for role in ROLES.values()), ", ".join(str(role.label) for role in who)


def _held(subject: str) -> frozenset[str]:
    """Acts that some role may do."""
    return frozenset().union(*(role.may.get(subject, frozenset()) for role in ROLES.values()))


class RightsView(Page):
    """The roles and their rights. The page holds nobody's data, so looking at it is no entry."""

    subject = "Rights"
    scopes = (INSTITUTION, OVERSIGHT, AUDIT, ACCOUNTS)
    route_base = "/rights"

    @route("/", act="list", quiet=True)
    def list(self) -> str:
        return self.render(
            "accounts/rights.html",
            heading=_("Roles and rights"),
            roles=[str(role.label) for role in ROLES.values()],
            facts=[_facts(role) for role in ROLES.values()],
            matrix=matrix(),
        )


def _facts(role: Role) -> tuple[str, ...]:
    """The role, where it works, who gives it, and what is special about it."""
    givers = [str(ROLES[code].label) for code in role.granted_by]
    places = ", ".join(vocabulary.label("institution_kind", code) for code in role.held_in)
    special = (
        (role.approvals > 0, _("Several people approve it.")),
        (role.exclusive, _("With no other role.")),
        (bool(places), _("Only in these institutions: %(kinds)s.", kinds=places)),
        (role.whole_institution, _("For the whole institution.")),
    )
    return (
        str(role.label),
        ", ".join(str(_WORKS[scope]) for scope in role.scopes),
        ", ".join(givers),
        " ".join(text for holds, text in special if holds),
    )
