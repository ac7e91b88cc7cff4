"""Who is at work: the signed-in person, as facts that outlive no request.

Built from the account and its active grants with two statements, and turned into the session context of the
scope that a page needs. Knows no page; decides nothing that the roles' table does not say.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from flask import g, request
from flask import session as cookie
from flask_babel import get_locale
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from itm_admin.accounts import sessions
from itm_admin.foundation import roles as table
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Unauthenticated
from itm_admin.foundation.roles import AUDIT, OVERSIGHT, ROLES, SCOPES
from itm_admin.foundation.tenancy import Context, Units, acting

_ACCOUNT = text(
    """
    select a.id, a.institution_id, a.unit_id, a.username, a.first_name, a.last_name, a.language, a.epoch,
           case when not a.active then 'inactive'
                when i.status <> 'active' then 'institution_suspended'
                when itm.waits(a.id) then 'unconfirmed' end as obstacle,
           i.code, i.name_tr, i.name_en, i.kind,
           case when s.id is null or (s.why is null and s.epoch <> a.epoch) then 'all' else s.why end as ended
      from account a join institution i on i.id = a.institution_id
      left join account_session s on s.id = :session and s.account_id = a.id
     where a.id = :account and a.institution_id = :institution
    """
)
_GRANTS = text(
    """
    select g.role, g.unit_id, array(
             with recursive below as (
               select u.id from unit u where u.id = g.unit_id and u.institution_id = g.institution_id
               union
               select u.id from unit u join below b on u.parent_id = b.id where u.institution_id = g.institution_id
             ) select id from below) as units
      from role_grant g where g.account_id = :account and g.state = 'active' order by g.created_at, g.id
    """
)
_WIDTH = ("none", "actor", "ledger", "all")


@dataclass(frozen=True)
class Held:
    """A role that is held: over these units (subtrees already spread), or the whole institution ("*")."""

    role: str
    units: Units


@dataclass(frozen=True)
class Actor:
    """A signed-in person. Also what Flask-Login calls a user."""

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
    held: tuple[Held, ...]
    obstacle: str | None = None
    """Why account or institution may not work now, if so."""
    session: uuid.UUID | None = None
    """The session at work; None outside one."""
    ended: str | None = None
    """Why that session has ended, if so (AccountSession.why)."""

    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return self.obstacle is None and bool(self.roles)

    def get_id(self) -> str:
        return str(self.id)

    @property
    def is_presidency(self) -> bool:
        return self.institution_kind == "presidency"

    @property
    def institution_name(self) -> str:
        """In the language of the page."""
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
        """The scope at work, as the page's frame shows it."""
        return tenancy.current().scope

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the roles offer, in the table's order."""
        offered = {scope for role in self.roles for scope in ROLES[role].scopes}
        return tuple(scope for scope in SCOPES if scope in offered)

    def roles_in(self, scope: str | None) -> frozenset[str]:
        """The roles that count in a scope."""
        return frozenset(role for role in self.roles if scope in ROLES[role].scopes)

    def may(self, act: str, subject: str) -> bool:
        return table.may(self.roles, act, subject)

    def context(self, scope: str | None = None) -> Context:
        """What PostgreSQL is told. A scope that no role offers gives a context that sees no row."""
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
        )

    def own_context(self) -> Context:
        """The scope `login`: sees this account and its secret alone. Keeps the request's facts."""
        return replace(
            tenancy.current(),
            scope="login",
            login=None,
            institution=self.institution_id,
            institution_code=self.institution_code,
            account=self.id,
            account_name=self.username,
            roles=self.roles,
        )


def together(parts: Iterable[Units]) -> Units:
    """The union of several grants' units."""
    found: dict[uuid.UUID, None] = {}
    for units in parts:
        if units == "*":
            return "*"
        found.update(dict.fromkeys(units))
    return tuple(found)


def find(session: Session, account: uuid.UUID, institution: uuid.UUID, at: uuid.UUID | None = None) -> Actor | None:
    """The person, whether or not they may work now (`obstacle`, `roles`; in session `at`: `ended`).

    None: no such account there.
    """
    alone = replace(tenancy.current(), scope="login", login=None, account=account, institution=institution)
    with acting(alone, session):
        wanted = {"account": account, "institution": institution, "session": at}
        row = session.execute(_ACCOUNT, wanted).mappings().one_or_none()
        if row is None:
            return None
        grants = session.execute(_GRANTS, {"account": account}).all()
    held = tuple(Held(grant.role, tuple(grant.units) if grant.unit_id else "*") for grant in grants)
    return replace(_actor(row, held), session=at, ended=row["ended"] if at else None)


def me() -> Actor:
    """The person whom the gate let in. For views behind it."""
    actor = g.actor
    if not isinstance(actor, Actor):
        raise Unauthenticated
    return actor


def load_actor() -> Actor | None:
    """The person whose session this request carries, if it still stands. Keeps the session alive."""
    claim = sessions.read(cookie)
    if claim is None:
        return None
    actor = find(db.session, claim.account, claim.institution, claim.session)
    if actor is None or not actor.is_active or actor.ended is not None:
        sessions.end(cookie, (actor and actor.ended) or "suspended")
        return None
    if request.endpoint != sessions.PEEK:
        sessions.keep_alive(cookie, claim)
    return actor


def _actor(row: RowMapping, held: tuple[Held, ...]) -> Actor:
    return Actor(
        id=row["id"],
        username=row["username"],
        full_name=f"{row['first_name']} {row['last_name']}",
        unit_id=row["unit_id"],
        institution_id=row["institution_id"],
        institution_code=row["code"],
        institution_name_tr=row["name_tr"],
        institution_name_en=row["name_en"],
        institution_kind=row["kind"],
        language=row["language"],
        epoch=row["epoch"],
        held=held,
        obstacle=row["obstacle"],
    )
