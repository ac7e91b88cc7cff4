"""The planned cases, worked on by the demonstration's people through the services behind the panel's pages.

Some ten cases make a transaction; what was committed is not made again, since an institution's counters tell how
many cases it has. Looks are recorded as a request of the panel records them, sealed with the same commit.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.accounts.actor import Actor
from itm_admin.cases import export, lookup, people, personal_data, services
from itm_admin.cases.acting import covers
from itm_admin.cases.models import Case, CaseCounter, CasePerson
from itm_admin.demonstration.plan import PlannedCase
from itm_admin.demonstration.staffing import Office, working
from itm_admin.demonstration.team import CASEWORKER, FOCAL_POINT, MANAGER
from itm_admin.foundation import purposes
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.reading import append_queued, looked_at
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.institutions.models import Unit

BATCH = 10
_NO_PAGES = Flask("itm demo")
_WORDS = "Nöbetçi amirin talebiyle, gecikmeden bilinmesi gerekiyor."
_PURPOSES = ("CASE_WORK", "CASE_WORK", "CASE_WORK", "IDENTIFICATION", "REFERRAL", "EMERGENCY", "COURT")


class Casework:
    """One institution's people and cases."""

    def __init__(self, sessions: sessionmaker[Session], keyring: Keyring, office: Office, institution: str) -> None:
        self._sessions, self._keyring = sessions, keyring
        self._managers = office.of(institution, MANAGER)
        self._workers = office.of(institution, FOCAL_POINT, CASEWORKER, "presidency_operator")
        self._known: deque[uuid.UUID] = deque(maxlen=20)
        """Persons of earlier cases whom the whole institution's workers see."""
        with sessions() as session, working(session, self._workers[0], INSTITUTION):
            home = self._workers[0].institution_id
            units = session.scalars(select(Unit).where(Unit.institution_id == home)).all()
            self._units = {unit.name if unit.parent_id else None: unit.id for unit in units}

    def work(self, planned: Sequence[PlannedCase], step: Callable[[], None]) -> None:
        """Makes what is not there yet; `step` is told of each case that stands."""
        done = self._count()
        for start in range(0, len(planned), BATCH):
            batch = planned[start : start + BATCH]
            if start + len(batch) > done:
                with self._sessions() as session:
                    self._make(session, batch, is_last=start + BATCH >= len(planned))
                    session.commit()
            for _ in batch:
                step()

    def _count(self) -> int:
        with self._sessions() as session, working(session, self._workers[0], INSTITUTION):
            return session.scalar(select(func.coalesce(func.sum(CaseCounter.last), 0))) or 0

    def _make(self, session: Session, batch: Sequence[PlannedCase], is_last: bool) -> None:
        made = [self._case(session, planned) for planned in batch]
        with working(session, self._workers[0], INSTITUTION):
            shown = session.scalars(lookup.list_cases().where(Case.id.in_([case.id for case in made]))).all()
            with _recorded(session):
                looked_at("record.list", "case", subjects=[case.id for case in shown])
        if is_last:
            self._search_and_export(session, batch)

    def _case(self, session: Session, planned: PlannedCase) -> Case:
        lot, unit = planned.lot, self._units[planned.unit]
        author = self._author(lot, unit, planned.known_person)
        with working(session, author, INSTITUTION):
            case = services.open_case(session, self._keyring, {**planned.case, "unit_id": unit})
            links = self._people(session, case, planned)
            if planned.colleague:
                self._assign(session, case, author, unit, lot)
            if planned.follow_up:
                services.change_case(session, self._keyring, case.id, {"status": "FollowUp"}, case.row_version)
            if planned.closing:
                services.close_case(session, self._keyring, case.id, planned.closing, case.row_version)
            if planned.looked_at:
                self._look(session, case, links[0], lot)
        if planned.deleted and self._managers:
            with working(session, self._managers[0], INSTITUTION):
                services.delete_case(session, case.id, {"reason": planned.deleted})
        elif planned.case["confidentiality"] in ("OPEN", "INTERNAL"):
            self._known.extend(link.person_id for link in links[:1] if not link.is_child)
        return case

    def _author(self, lot: Random, unit: uuid.UUID, known_person: bool) -> Actor:
        """Somebody whose grant covers the unit; of the whole institution, if somebody is to be known already."""
        fitting = [worker for worker in self._workers if covers(worker.context(INSTITUTION).create, unit)]
        if known_person:
            return self._workers[0]
        # The narrower the grant, the likelier: a province's own people work on its cases
        return lot.choice(fitting + [worker for worker in fitting if worker.unit_id] * 2)

    def _people(self, session: Session, case: Case, planned: PlannedCase) -> list[CasePerson]:
        links = []
        for each in planned.people:
            link = people.add_person_to_case(session, self._keyring, case.id, each.person)
            if each.profile is not None and link.role == people.VICTIM:
                people.set_profile(session, self._keyring, link.id, each.profile)
            links.append(link)
        if planned.known_person and self._known:
            person = planned.lot.choice(tuple(self._known))
            people.link_person(session, self._keyring, case.id, {"person_id": person, "role": "WITNESS"})
        return links

    def _assign(self, session: Session, case: Case, author: Actor, unit: uuid.UUID, lot: Random) -> None:
        """A colleague of the case's unit, if the author may assign and there is one."""
        colleagues = [
            worker
            for worker in self._workers
            if worker.id != author.id and covers(worker.context(INSTITUTION).create, unit)
        ]
        if colleagues and author.may("assign", "Case"):
            services.assign(session, case.id, {"account_id": lot.choice(colleagues).id})

    def _look(self, session: Session, case: Case, link: CasePerson, lot: Random) -> None:
        """A case is opened and a person in it is revealed, for a purpose."""
        person = lookup.get_person(session, link.person_id)
        with _recorded(session):
            looked_at("record.read", "case", case.id)
            looked_at("record.read", "person", person.id)
            purpose = lot.choice(_PURPOSES)
            words = _WORDS if purpose in purposes.IN_WORDS else None
            personal_data.reveal(session, self._keyring, person, purpose, words)

    def _search_and_export(self, session: Session, batch: Sequence[PlannedCase]) -> None:
        """A worker looks for a name; a manager takes the list of cases away for statistics."""
        with working(session, self._workers[0], INSTITUTION):
            name = batch[0].people[0].person["family_name"]
            found = lookup.find_persons(session, self._keyring, {"name": name})
            with _recorded(session):
                ids = [person.id for person in found.persons]
                looked_at("record.search", "person", subjects=ids, detail={"searched": found.digest})
        for manager in self._managers[:1]:
            with working(session, manager, INSTITUTION):
                ids = export.fix_ids(session, lookup.list_cases(), Case)
                written: list[list[uuid.UUID]] = []
                deque(export.as_csv(export.case_rows(session, ids, written)), maxlen=0)
                with _recorded(session):
                    detail = {"format": "csv", "rows": len(written)}
                    shown = list(dict.fromkeys(id for row in written for id in row))
                    looked_at("record.export", "case", subjects=shown, purpose="STATISTICS", detail=detail)


@contextmanager
def _recorded(session: Session) -> Iterator[None]:
    """Looks are queued as in a request of the panel, whose place an application without pages takes."""
    with _NO_PAGES.app_context():
        yield
        append_queued(session.connection())
