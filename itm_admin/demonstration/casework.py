"""Makes the planned cases, as the demonstration's people, through the services behind the panel's pages.

A portion is a transaction; a committed one is not repeated, since an institution's counters show its number of cases.
Each act carries the story's time. Looks and refusals are recorded as in a request of the panel, sealed with the same
commit.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from random import Random

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.cases import holds, lookup, person_services, profiles, services
from itm_admin.cases.models import Case, CasePerson
from itm_admin.cases.persons import PERSONS
from itm_admin.cases.references import CaseCounter
from itm_admin.cases.views import CaseView
from itm_admin.demonstration import acts, consents
from itm_admin.demonstration.acts import Act, Portion
from itm_admin.demonstration.plan import PlannedCase
from itm_admin.demonstration.staff import CASEWORKER, FOCAL_POINT, MANAGER
from itm_admin.demonstration.staffing import Office, working
from itm_admin.foundation import purposes, vocabulary
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.audited_reads import append_queued, record_read
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.synthetic import route_at
from itm_admin.institutions.models import Unit
from itm_admin.record import export
from itm_admin.record.permissions import covers

_NO_PAGES = Flask("itm demo")
_WORDS = "Sentetik: nöbetçi amirin talebiyle, gecikmeden bilinmesi gerekiyor."
_PURPOSES = ("CASE_WORK", "CASE_WORK", "CASE_WORK", "IDENTIFICATION", "REFERRAL", "EMERGENCY", "COURT")


class Casework:
    """One institution's people and cases."""

    def __init__(self, sessions: sessionmaker[Session], keyring: Keyring, office: Office, institution: str) -> None:
        self._sessions, self._keyring = sessions, keyring
        self._managers = office.of(institution, MANAGER)
        self._workers = office.of(institution, FOCAL_POINT, CASEWORKER, "presidency_operator")
        self._known: deque[uuid.UUID] = deque(maxlen=20)
        """Persons of earlier cases whom all the institution's workers see."""
        self._opened: dict[str, uuid.UUID] = {}
        with sessions() as session, working(session, self._workers[0], INSTITUTION):
            home = self._workers[0].institution_id
            units = session.scalars(select(Unit).where(Unit.institution_id == home)).all()
            self._units = {unit.name if unit.parent_id else None: unit.id for unit in units}
            self._done = session.scalar(select(func.coalesce(func.sum(CaseCounter.last), 0))) or 0

    def work(self, portion: Portion, step: Callable[[], None]) -> None:
        """Makes the missing cases; calls `step` for each finished case."""
        if portion.opened > self._done:
            with self._sessions() as session:
                for act in portion.acts:
                    self._do(session, act)
                self._look_back(session, portion)
                session.commit()
        for _ in range(portion.cases):
            step()

    def _do(self, session: Session, act: Act) -> None:
        planned, lot = act.case, Random(f"{act.case.seed} {act.kind}")  # noqa: S311 (made-up data, no secret)
        author = self._author(planned)
        if act.kind == acts.OPEN:
            with _at(session, author, act.moment):
                self._open(session, planned, author, lot)
        elif act.kind == acts.REFUSED:
            self._refuse(session, act, lot)
        elif act.kind in (acts.HOLD, acts.DELETE):
            for manager in self._managers[:1]:
                with _at(session, manager, act.moment):
                    self._manage(session, act, lot)
        else:
            with _at(session, author, act.moment):
                case = lookup.get_case(session, self._id(session, planned))
                if act.kind == acts.LOOK:
                    self._look(session, case, lot)
                elif act.kind == acts.FOLLOW_UP:
                    services.change_case(session, self._keyring, case.id, {"status": "FollowUp"}, case.row_version)
                elif planned.closing:
                    services.close_case(session, self._keyring, case.id, planned.closing, case.row_version)

    def _open(self, session: Session, planned: PlannedCase, author: Actor, lot: Random) -> None:
        unit = self._units[planned.unit]
        case = services.open_case(session, self._keyring, {**planned.case, "unit_id": unit})
        self._opened[planned.reference] = case.id
        links = self._people(session, case, planned, lot)
        if planned.colleague:
            self._assign(session, case, author, unit, lot)
        if planned.case["confidentiality"] in ("OPEN", "INTERNAL") and not planned.deleted:
            self._known.extend(link.person_id for link in links[:1] if not link.is_child)

    def _id(self, session: Session, planned: PlannedCase) -> uuid.UUID:
        """The case that exists, also after an interruption. Raises NotFound for people who do not see it."""
        found = self._opened.get(planned.reference) or lookup.case_called(session, planned.reference)
        if found is None:
            raise NotFound
        return found

    def _manage(self, session: Session, act: Act, lot: Random) -> None:
        id = self._id(session, act.case)
        if act.kind == acts.DELETE:
            services.CASES.delete(session, id, {"reason": act.case.deleted})
        else:
            version = lookup.get_case(session, id).row_version
            holds.hold(session, Case, id, {"reason": lot.choice(vocabulary.codes("hold_reason"))}, version)

    def _refuse(self, session: Session, act: Act, lot: Random) -> None:
        """A colleague without access requests the case; if the colleague sees it all the same, it is a look."""
        with _at(session, self._author(act.case), act.moment):
            id = self._id(session, act.case)
        colleague = lot.choice(self._workers[-2:])
        with _at(session, colleague, act.moment), recorded(session):
            try:
                lookup.get_case(session, id)
            except NotFound:
                record_read("record.read", "case", id, outcome="denied", detail={"act": "show"})
            else:
                record_read("record.read", "case", id)

    def _look_back(self, session: Session, portion: Portion) -> None:
        """A quarter's end: somebody views the list; in the last one there are a search and an export too."""
        opened = [act.case for act in portion.acts if act.kind == acts.OPEN]
        with _at(session, self._workers[0], portion.ends):
            ids = [self._opened[planned.reference] for planned in opened]
            shown = session.scalars(lookup.list_cases().where(Case.id.in_(ids))).all()
            with recorded(session):
                record_read("record.list", "case", subjects=[case.id for case in shown])
        if portion.is_last:
            self._search_and_export(session, opened, portion.ends)

    def _author(self, planned: PlannedCase) -> Actor:
        """A person whose grant covers the unit; of the whole institution, if a known person is to be reused."""
        if planned.known_person:
            return self._workers[0]
        unit = self._units[planned.unit]
        fitting = [worker for worker in self._workers if covers(worker.context(INSTITUTION).create, unit)]
        # The narrower the grant, the likelier: a province's own people work on its cases
        lot = Random(planned.seed)  # noqa: S311 (made-up data, no secret)
        return lot.choice(fitting + [worker for worker in fitting if worker.unit_id] * 2)

    def _people(self, session: Session, case: Case, planned: PlannedCase, lot: Random) -> list[CasePerson]:
        links: list[CasePerson] = []
        for each in planned.people:
            link = person_services.add_person_to_case(session, self._keyring, case.id, each.person)
            if each.profile is not None and link.role == profiles.VICTIM:
                person_services.set_profile(session, self._keyring, link.id, each.profile)
                consents.ask(session, self._keyring, link, case.opened_on, f"{planned.seed} {len(links)}")
            links.append(link)
        if planned.known_person and self._known:
            person = lot.choice(tuple(self._known))
            person_services.link_person(session, self._keyring, case.id, {"person_id": person, "role": "WITNESS"})
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

    def _look(self, session: Session, case: Case, lot: Random) -> None:
        """A case is opened and a person in it is revealed, for a purpose."""
        first = select(CasePerson.person_id).where(CasePerson.case_id == case.id, CasePerson.deleted_at.is_(None))
        person = lookup.get_person(
            session, session.scalars(first.order_by(CasePerson.created_at, CasePerson.id).limit(1)).one()
        )
        with recorded(session):
            record_read("record.read", "case", case.id)
            record_read("record.read", "person", person.id)
            purpose = lot.choice(_PURPOSES)
            words = _WORDS if purpose in purposes.IN_WORDS else None
            PERSONS.reveal(session, self._keyring, person, None, (purpose, words))

    def _search_and_export(self, session: Session, opened: Sequence[PlannedCase], moment: datetime) -> None:
        """A worker looks for a name; a manager takes the list of cases away for statistics."""
        with _at(session, self._workers[0], moment):
            name = opened[0].people[0].person["family_name"]
            found = lookup.find_persons(session, self._keyring, {"name": name})
            with recorded(session):
                ids = [person.id for person in found.persons]
                record_read("record.search", "person", subjects=ids, detail={"searched": found.digest})
        for manager in self._managers[:1]:
            with _at(session, manager, moment):
                ids = export.fix_ids(session, lookup.list_cases(), Case)
                written: list[list[uuid.UUID]] = []
                deque(export.as_csv(CaseView.exporting.rows(session, ids, written)), maxlen=0)
                with recorded(session):
                    detail = {"format": "csv", "rows": len(written)}
                    shown = list(dict.fromkeys(id for row in written for id in row))
                    record_read("record.export", "case", subjects=shown, purpose="STATISTICS", detail=detail)


def _at(session: Session, person: Actor, moment: datetime) -> AbstractContextManager[None]:
    return working(session, person, INSTITUTION, route=route_at(moment))


@contextmanager
def recorded(session: Session) -> Iterator[None]:
    """Queues looks as in a request of the panel, in an application without pages."""
    with _NO_PAGES.app_context():
        yield
        append_queued(session.connection())
