"""The referrals of the demonstration: some that wait, some accepted, one rejected for want of a place.

Sent by the service that people use, under the consents of the demonstration's victims; in an empty list only.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.consent.models import Consent, live_on
from itm_admin.demonstration.staff import FOCAL_POINT
from itm_admin.demonstration.staffing import Office, working
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.institutions.models import Institution
from itm_admin.record.checks import today
from itm_admin.referrals.models import Referral
from itm_admin.referrals.services import DRAFTS, REFERRALS

SENDERS = ("JGK", "EGM")
MOST = 6
_SERVICES: Mapping[str, list[str]] = {
    "SHARING": ["SAFE_PLACE"], "MEDICAL": ["HEALTH_CARE", "FORENSIC_REPORT"], "LEGAL": ["LAWYER"],
    "PSYCHOSOCIAL": ["PSYCHOSOCIAL"], "RETURN": ["RETURN"], "IDENTIFICATION": ["IDENTIFICATION"],
}  # fmt: skip
"""The services for which a consent of each purpose is asked."""
_MESSAGE = "Sentetik: Kişi hizmeti istiyor, tercüman gerekebilir."


def send(sessions: sessionmaker[Session], keyring: Keyring, office: Office) -> None:
    """Two institutions refer some of their persons; receivers answer every other one."""
    for code in SENDERS:
        for sender in office.of(code, FOCAL_POINT)[:1]:
            with sessions() as session, working(session, sender, INSTITUTION):
                if session.scalar(select(Referral.id).limit(1)) is None:
                    for person, case, consent in list(_wanted(session)):
                        _send(session, keyring, person, case, consent)
                session.commit()
    _answer(sessions, keyring, office)


def _wanted(session: Session) -> Iterator[tuple[uuid.UUID, uuid.UUID, Consent]]:
    """Persons in open cases, each once, with a consent that lets an institution be told."""
    statement = (
        select(Consent, CasePerson.case_id)
        .join(Person, Person.id == Consent.person_id)
        .join(CasePerson, CasePerson.person_id == Person.id)
        .join(Case, Case.id == CasePerson.case_id)
        .where(live_on(today()), Consent.institutions != [], Case.closed_on.is_(None), Case.deleted_at.is_(None))
        .where(Person.deleted_at.is_(None), Person.erased_at.is_(None), CasePerson.deleted_at.is_(None))
        .where(Person.is_child.is_not(True), Case.confidentiality != "SPECIAL")
        .order_by(Case.opened_on.desc(), Case.reference, Person.pseudonym, Consent.purpose)
    )
    known: set[uuid.UUID] = set()
    for consent, case in session.execute(statement):
        if consent.person_id not in known and len(known) < MOST:
            known.add(consent.person_id)
            yield consent.person_id, case, consent


def _send(session: Session, keyring: Keyring, person: uuid.UUID, case: uuid.UUID, consent: Consent) -> None:
    values = {
        "receiver_id": str(consent.institutions[0]), "services": _SERVICES.get(consent.purpose, ["NGO_PROGRAMME"]),
        "urgency": "NORMAL", "case_id": str(case), "words": _MESSAGE,
    }  # fmt: skip
    draft = DRAFTS.add(session, keyring, person, values, tuple(values))
    DRAFTS.send(session, keyring, draft.id, draft.row_version, DRAFTS.parcel(session, keyring, draft).seen)


def _answer(sessions: sessionmaker[Session], keyring: Keyring, office: Office) -> None:
    with sessions() as session, working(session, office.of(SENDERS[0], FOCAL_POINT)[0], INSTITUTION):
        codes = list(session.scalars(select(Institution.code).order_by(Institution.code)))
    for code in codes:
        for receiver in office.of(code, FOCAL_POINT)[:1]:
            with sessions() as session, working(session, receiver, INSTITUTION):
                if session.scalar(select(Referral.id).where(Referral.party == "to", Referral.act > 1).limit(1)) is None:
                    _answer_some(session, keyring)
                session.commit()


def _answer_some(session: Session, keyring: Keyring) -> None:
    waiting = select(Referral).where(Referral.party == "to", Referral.state == "sent")
    for number, side in enumerate(session.scalars(waiting.order_by(Referral.service, Referral.id)).all()):
        act, data = ("accept", {}) if number % 4 < 2 else ("reject", {"reject_reason": "NO_CAPACITY"})
        if number % 2:
            REFERRALS.move(session, keyring, side.id, act, data, side.row_version)
