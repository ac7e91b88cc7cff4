"""Single incidents of the demonstration's story: wrong passwords, an erasure, an appointment that waits, first visits.

Each is a transaction of its own that leaves a trace in the records, by which a later run knows that it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.accounts import session_rows, sign_in, throttle
from itm_admin.accounts.models import Account
from itm_admin.cases import erasure, lookup
from itm_admin.cases.models import CasePerson, Person
from itm_admin.demonstration.casework import recorded
from itm_admin.demonstration.clock import moment
from itm_admin.demonstration.plan import PlannedCase
from itm_admin.demonstration.staff import CASEWORKER, FOCAL_POINT, MANAGER, TEAM
from itm_admin.demonstration.staffing import Office, working
from itm_admin.foundation import tenancy
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.config import Settings
from itm_admin.foundation.erasure_list import Erasures
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION
from itm_admin.foundation.synthetic import ROUTE, route_at

Incident = tuple[datetime, Callable[[], None]]
_ADDRESS = "192.0.2.20"
"""An address that nobody has (RFC 5737)."""


class Incidents:
    def __init__(
        self, sessions: sessionmaker[Session], settings: Settings, office: Office, passwords: Mapping[str, str]
    ) -> None:
        self._sessions, self._settings, self._office, self._passwords = sessions, settings, office, passwords
        with sessions() as session, tenancy.acting(tenancy.Context(scope=ACCOUNTS, account_name=ROUTE), session):
            self._seen = set(session.scalars(select(Account.username).where(Account.last_login.is_not(None))))

    def all(self, drawn: Mapping[str, Sequence[PlannedCase]], last: date) -> list[Incident]:
        """The incidents with the story's time of each, none after `last`."""
        found = [self._wrong_passwords(moment(date(2025, 5, 14), 8, 3))]
        found += [self._erasure(cases, last) for code, cases in drawn.items() if code == "JGK"]
        found.append(self._waiting(moment(date(2026, 11, 19), 10, 20)))
        quiet = [member for member in TEAM if member.role == FOCAL_POINT and member.institution not in drawn]
        for place, member in enumerate(quiet):
            found.append(self._visit(member.username, member.institution, moment(date(2026, 9, 14 + place), 11)))
        return [(min(when, moment(last, 17, 30)), do) for when, do in found]

    def _wrong_passwords(self, when: datetime) -> Incident:
        """Five wrong passwords, a sixth try that comes too early, and after a while the right one."""
        member = next(each for each in TEAM if each.institution == "EGM" and each.role == CASEWORKER)

        def mistype() -> None:
            if member.username in self._seen:
                return
            tries = [timedelta(seconds=seconds) for seconds in (0, 20, 40, 60, 80, 82)]
            for place, later in enumerate(tries):
                self._try(member.username, f"sentetik-yanlis-{place}", when + later)
            self._try(member.username, self._passwords[member.username], when + timedelta(minutes=20))

        return when, mistype

    def _visit(self, username: str, institution: str, when: datetime) -> Incident:
        """An institution without cases looks into its list."""

        def visit() -> None:
            if username in self._seen:
                return
            self._try(username, self._passwords[username], when)
            person = self._office.actor(username, institution)
            with self._sessions() as session, working(session, person, INSTITUTION, route=route_at(when)):
                shown = session.scalars(lookup.list_cases()).all()
                with recorded(session):
                    record_read("record.list", "case", subjects=[case.id for case in shown])
                session.commit()

        return when, visit

    def _try(self, username: str, password: str, when: datetime) -> None:
        key = throttle.key_from(self._settings.secret_key or ROUTE)
        with (
            self._sessions() as session,
            tenancy.acting(tenancy.Context(address=_ADDRESS, route=route_at(when)), session),
        ):
            try:
                actor = sign_in.attempt(session, username, password, key=key, now=when)
                with tenancy.acting(actor.own_context(), session):
                    session_rows.promote(session, actor, "totp")
                sign_in.finished(session, actor, "totp", now=when)
                session.commit()
            except (sign_in.SignInRefused, sign_in.TooManyTries):
                return  # it is in the ledger

    def _waiting(self, when: datetime) -> Incident:
        return when, lambda: self._office.leave_waiting(route_at(when))

    def _erasure(self, cases: Sequence[PlannedCase], last: date) -> Incident:
        """A victim of a closed case asks for it. The narrative goes as well, since it could name the person."""
        ended = [case for case in cases if case.closing and not case.deleted and not case.held]
        planned = ended[0] if ended else None
        closed = date.fromisoformat(planned.closing["closed_on"]) if planned and planned.closing else last
        when = moment(min(closed + timedelta(days=40), last), 14, 10)
        return when, lambda: self._erase(planned, when) if planned else None

    def _erase(self, planned: PlannedCase, when: datetime) -> None:
        manager, erasures = self._office.of("JGK", MANAGER)[0], Erasures.of(self._settings)
        with self._sessions() as session, working(session, manager, INSTITUTION, route=route_at(when)):
            case = lookup.case_called(session, planned.reference)
            linked = select(CasePerson.person_id).where(CasePerson.case_id == case, CasePerson.role == "VICTIM")
            of_case = select(Person).where(Person.id.in_(linked), Person.deleted_at.is_(None))
            persons = session.scalars(of_case.order_by(Person.created_at, Person.id)).all()
            if not persons or any(person.erased_at for person in persons):
                return
            answers = {
                each.id: erasure.Answer("shredded", each.row_version)
                for each in erasure.narratives_of(session, persons[0])
            }
            asked = {"ground": "PERSON_REQUEST", "pseudonym": persons[0].pseudonym}
            _person, told = erasure.destroy(session, persons[0].id, asked, answers, persons[0].row_version)
            erasures.intend(told)
            session.commit()
        erasures.end(told, "erased")
