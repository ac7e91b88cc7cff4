"""The signed-in person's facts within one request, and the session context of the scope that a page needs.

Knows no page and no table of accounts: accounts.actor builds it. Decides nothing beyond the roles' table.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from flask import g
from flask_babel import get_locale

from itm_admin.foundation import roles as table
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Unauthenticated
from itm_admin.foundation.roles import AUDIT, OVERSIGHT, ROLES, SCOPES
from itm_admin.foundation.tenancy import Context, Units

_WIDTH = ("none", "actor", "ledger", "all")


@dataclass(frozen=True)
class HeldRole:
    """One held role: over these units (subtrees already spread), or the whole institution ("*")."""

    role: str
    units: Units


@dataclass(frozen=True)
class Here:
    """The session in which a person is at work. Durations are seconds, by the database's clock."""

    id: uuid.UUID
    secret: bytes = field(repr=False)
    methods: tuple[str, ...]
    """The proofs: password, totp, passkey, recovery, provider, machine."""
    factor_age: float | None
    """Since the last second factor; None: there was none."""
    half: bool
    """A second factor is needed and missing: only the pages of the second step open."""
    seen: float
    """Since the last act that was noted."""
    idle: float
    """Until it ends if nothing is done."""
    absolute: float
    """Until it ends in any case."""
    ended: str | None = None
    """The reason if it has ended (AccountSession.why)."""


@dataclass(frozen=True)
class HeldKey:
    """The API key by which a program is at work in its responsible person's name."""

    id: uuid.UUID
    name: str
    secret: bytes = field(repr=False)
    scopes: frozenset[str]
    """As `Case.add`: what of the person's rights the key has."""
    must_be_noted: bool = False
    """Its last use was noted some time ago, or from another address."""

    def covers(self, act: str, subject: str) -> bool:
        return f"{subject}.{act}" in self.scopes


@dataclass(frozen=True)
class Actor:
    """A signed-in person; also Flask-Login's user."""

    id: uuid.UUID
    username: str
    full_name: str
    unit_id: uuid.UUID | None
    institution_id: uuid.UUID
    institution_code: str
    institution_name_tr: str
    institution_name_en: str
    institution_kind: str
    language: str
    epoch: int
    held: tuple[HeldRole, ...]
    obstacle: str | None = None
    """The reason if account or institution may not work now."""
    here: Here | None = None
    """The present session; None outside one."""
    key: HeldKey | None = None
    """The key by which a program is at work; None: the person is."""

    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.obstacle is None and bool(self.roles)

    @property
    def session(self) -> uuid.UUID | None:
        """The present session's id; None outside one."""
        return self.here.id if self.here else None

    def get_id(self) -> str:
        return str(self.id)

    @property
    def is_presidency(self) -> bool:
        return self.institution_kind == "presidency"

    @property
    def institution_name(self) -> str:
        """The institution's name in the language of the page."""
        locale = get_locale()
        return self.institution_name_en if locale and locale.language == "en" else self.institution_name_tr

    @cached_property
    def roles(self) -> frozenset[str]:
        return frozenset(held.role for held in self.held if held.role in ROLES)

    @property
    def role_labels(self) -> list[str]:
        return [str(ROLES[code].label) for code in ROLES if code in self.roles]

    @property
    def scope(self) -> str | None:
        """The present scope, as the page's frame shows it."""
        return tenancy.current().scope

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the roles offer, in the table's order."""
        offered = {scope for role in self.roles for scope in ROLES[role].scopes}
        return tuple(scope for scope in SCOPES if scope in offered)

    def roles_in(self, scope: str | None) -> frozenset[str]:
        """The roles that apply in a scope."""
        return frozenset(role for role in self.roles if scope in ROLES[role].scopes)

    def may(self, act: str, subject: str) -> bool:
        return table.may(self.roles, act, subject) and (self.key is None or self.key.covers(act, subject))

    @property
    def secret(self) -> bytes | None:
        """Of the session or the key: what the database believes."""
        return self.here.secret if self.here else self.key.secret if self.key else None

    def context(self, scope: str | None = None) -> Context:
        """The context for PostgreSQL. A scope that no role offers gives a context that sees no row."""
        scope = scope or (self.scopes[0] if self.scopes else None)
        roles = self.roles_in(scope)
        if not roles:
            return replace(self.own_context(), scope=None)
        held = [each for each in self.held if each.role in roles]
        work = [each.units for each in held if ROLES[each.role].covers == "unit"]
        assigned = [each.units for each in held if ROLES[each.role].covers == "assigned"]
        return Context(
            scope=scope,
            institution=self.institution_id,
            institution_code=self.institution_code,
            account=self.id,
            account_name=self.username,
            roles=roles,
            unit=together(work),
            manage=together(each.units for each in held if ROLES[each.role].covers == "manage"),
            create=together([*work, *assigned]),
            assigned=bool(assigned),
            assigns=table.may(roles, "assign", "Case"),
            national=scope == AUDIT and "auditor_national" in roles,
            approves=scope == OVERSIGHT and "presidency_supervisor" in roles,
            reads=max((ROLES[role].reads for role in roles), key=_WIDTH.index),
            secret=self.secret,
        )

    def own_context(self) -> Context:
        """The scope `login`: sees only this account and its secret. Keeps the request's facts."""
        return replace(
            tenancy.current(),
            scope="login",
            institution=self.institution_id,
            institution_code=self.institution_code,
            account=self.id,
            account_name=self.username,
            roles=self.roles,
            secret=self.secret,
        )


def shown_actor() -> Actor | None:
    """The person whom the frame around a page shows: nobody while the second factor is missing."""
    actor = g.get("actor")
    return actor if isinstance(actor, Actor) and not (actor.here and actor.here.half) else None


def together(parts: Iterable[Units]) -> Units:
    """The union of several grants' units."""
    found: dict[uuid.UUID, None] = {}
    for units in parts:
        if units == "*":
            return "*"
        found.update(dict.fromkeys(units))
    return tuple(found)


def me() -> Actor:
    """The person at work, for views behind the gate."""
    actor = g.actor
    if not isinstance(actor, Actor):
        raise Unauthenticated
    return actor
