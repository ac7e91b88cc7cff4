"""Makes the demonstration's units and accounts: the responsible person makes, appoints and invites each.

One transaction per person, so that every account found is complete. Passwords are set by redeeming the invitation, as
the invited person would; the national auditor is appointed by two approvals.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.accounts import actor as actors
from itm_admin.accounts import bootstrap, changes, grants, invitations, services
from itm_admin.accounts.models import AccessChange, Account
from itm_admin.demonstration.clock import StoryClock, moment
from itm_admin.demonstration.staff import (
    BELOW,
    MANAGER,
    NATIONAL_AUDITOR,
    SUPERVISOR,
    TEAM,
    UNITS,
    WAITING,
    StaffMember,
)
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION, OVERSIGHT, ROLES
from itm_admin.foundation.synthetic import ROUTE
from itm_admin.institutions.models import Institution, Unit
from itm_admin.institutions.services import add_unit

BEGINS = moment(date(2023, 12, 4), 9)
"""The story's first day: people first, a month before the cases."""


class Office:
    """The people of the demonstration, found or made. `step` is called for each finished person."""

    def __init__(self, sessions: sessionmaker[Session], passwords: Mapping[str, str], step: Callable[[], None]) -> None:
        self._sessions, self._passwords, self._step = sessions, passwords, step
        self._actors: dict[str, Actor] = {}
        self._clock = StoryClock(BEGINS, timedelta(minutes=35))
        self._route = ROUTE
        with sessions() as session, tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=ROUTE)):
            rows = session.execute(select(Institution.code, Institution.id)).all()
            self._standing = set(session.scalars(select(Account.username)))
        self.institutions: dict[str, uuid.UUID] = {row.code: row.id for row in rows}

    def staff(self) -> None:
        """Managers and the supervisor first, then the units, then everybody else."""
        first = (MANAGER, SUPERVISOR)
        for member in TEAM:
            if member.role in first:
                self._ensure(member)
        for code in UNITS:
            self._ensure_units(code)
        for member in TEAM:
            if member.role not in first:
                self._ensure(member)

    def of(self, institution: str, *roles: str) -> list[Actor]:
        """The institution's people in these roles, in the team's order."""
        found = [member for member in TEAM if member.institution == institution and member.role in roles]
        return [self.actor(member.username, institution) for member in found]

    def actor(self, username: str, institution: str) -> Actor:
        """The person as a sign-in finds them."""
        if username not in self._actors:
            with self._sessions() as session:
                with tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=ROUTE), session):
                    key = session.execute(select(Account.id).where(Account.username == username)).scalar_one()
                found = actors.find(session, key, self.institutions[institution])
            if found is None:
                raise LookupError(username)
            self._actors[username] = found
        return self._actors[username]

    def _administrator(self) -> Actor:
        return self.actor(bootstrap.ADMINISTRATOR, bootstrap.PRESIDENCY)

    def _maker(self, member: StaffMember) -> tuple[Actor, str]:
        """The person who appoints the member, and the scope."""
        managers = self.of(member.institution, MANAGER) if member.role not in (MANAGER, SUPERVISOR) else []
        if managers and MANAGER in ROLES[member.role].granted_by and member.role != NATIONAL_AUDITOR:
            return managers[0], INSTITUTION
        return self._administrator(), ACCOUNTS

    def _ensure(self, member: StaffMember) -> None:
        self._route = self._clock.route()
        if member.username not in self._standing:
            with self._sessions() as session:
                self._appoint(session, member)
                session.commit()
        self._step()

    def _appoint(self, session: Session, member: StaffMember) -> None:
        maker, scope = self._maker(member)
        key, proposed = self._propose(session, member)
        if proposed:
            self._approve(session, member, proposed)
        # A role that another person confirmed voids every earlier link: so the link comes last.
        sender, place = (self._administrator(), ACCOUNTS) if proposed else (maker, scope)
        with self._at_work(session, sender, place):
            token = services.invite(session, sender, key, "FIRST_SIGN_IN")
        with tenancy.acting(tenancy.Context(route=self._route), session):
            invitations.redeem(session, token, self._passwords[member.username])
        self._confirm(session, key)

    def leave_waiting(self, route: str) -> None:
        """One more national auditor is proposed and approved by the Presidency; the second approval is missing."""
        if WAITING.username in self._standing:
            return
        self._route = route
        with self._sessions() as session:
            _account, proposed = self._propose(session, WAITING)
            session.expire_all()
            if proposed:
                with self._at_work(session, self._supervisor(), OVERSIGHT):
                    grants.approve(session, self._supervisor(), proposed)
            session.commit()

    def _propose(self, session: Session, member: StaffMember) -> tuple[uuid.UUID, uuid.UUID | None]:
        """The new account, and its grant if it needs an approval."""
        maker, scope = self._maker(member)
        home = self.institutions[member.institution]
        with self._at_work(session, maker, scope):
            unit = session.scalar(select(Unit.id).where(Unit.institution_id == home, Unit.name == member.unit))
            written = ("first_name", "last_name", "email", "title", "language", "username")
            person = {name: getattr(member, name) for name in written}
            account = services.create(session, {**person, "institution_id": home, "unit_id": unit})
            grant = grants.give(session, maker, account, member.role, unit, "NEW_COLLEAGUE")
            return account.id, grant.id if grant.state == "proposed" else None

    def _at_work(self, session: Session, person: Actor, scope: str) -> AbstractContextManager[None]:
        return working(session, person, scope, route=self._route)

    def _approve(self, session: Session, member: StaffMember, grant: uuid.UUID) -> None:
        """By the Presidency's supervisor; a national auditor by the own manager too. Neither of them proposed it."""
        session.expire_all()
        if member.role == NATIONAL_AUDITOR:
            manager = self.of(member.institution, MANAGER)[0]
            with self._at_work(session, manager, INSTITUTION):
                grants.approve(session, manager, grant)
        with self._at_work(session, self._supervisor(), OVERSIGHT):
            grants.approve(session, self._supervisor(), grant)

    def _confirm(self, session: Session, account: uuid.UUID) -> None:
        """The first sign-in, by a person who did not make the link."""
        session.expire_all()
        with self._at_work(session, self._supervisor(), OVERSIGHT):
            waits = select(AccessChange.id).where(AccessChange.account_id == account, AccessChange.state == "waiting")
            changes.decide(session, self._supervisor(), session.execute(waits).scalar_one(), confirm=True)

    def _supervisor(self) -> Actor:
        return self.of(bootstrap.PRESIDENCY, SUPERVISOR)[0]

    def _ensure_units(self, code: str) -> None:
        manager, self._route = self.of(code, MANAGER)[0], self._clock.route()
        with self._sessions() as session, self._at_work(session, manager, INSTITUTION):
            units = {
                unit.name: unit
                for unit in session.scalars(select(Unit).where(Unit.institution_id == manager.institution_id))
            }
            root = next(unit for unit in units.values() if unit.parent_id is None)
            for name, province in UNITS[code].items():
                if name not in units:
                    units[name] = add_unit(session, name, root.id, province)
            for name, above in BELOW.get(code, {}).items():
                if name not in units:
                    add_unit(session, name, units[above].id, units[above].province)
            session.commit()


@contextmanager
def working(session: Session, person: Actor, scope: str, route: str = ROUTE) -> Iterator[None]:
    """Binds a person's context in a scope, as in a request; the route holds the source and the story's time."""
    with tenancy.acting(replace(person.context(scope), route=route), session):
        yield
