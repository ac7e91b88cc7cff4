"""Erasing a person for good: the key, every protected value, the index; a tombstone with the pseudonym stays.

Promise: the erasure is on the list outside the database before the database commits, so that a restored backup
cannot bring the person back in silence; a legal hold refuses it; narratives of the person's cases were looked
through or shredded. Knows no page.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_babel import lazy_gettext as _l
from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from itm_admin.cases import lookup
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.schemas import EraseInput
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.erasure_list import Erasure, Erasures
from itm_admin.foundation.errors import DomainError, Invalid, Locked, Unavailable, Uncertain
from itm_admin.foundation.records import Identifier
from itm_admin.foundation.transaction import writing
from itm_admin.record import protected_values
from itm_admin.record.lookup import Id, identifier
from itm_admin.record.permissions import require, require_management
from itm_admin.record.schema import load
from itm_admin.record.versions import expect

"""The decision about a narrative: it was read and does not name the person, or it is destroyed too."""


@dataclass(frozen=True)
class Answer:
    """About one case's narrative, in the version that was seen."""

    fate: str
    version: int


def erase(
    erasures: Erasures, person_id: Id, data: Mapping[str, Any], answers: Mapping[uuid.UUID, Answer], version: int
) -> Person:
    """The whole of it, committed. Unavailable, and nothing erased, if the list outside cannot be written."""
    erasure: Erasure | None = None
    try:
        with writing() as session:
            person, erasure = destroy(session, person_id, data, answers, version)
            try:
                erasures.intend(erasure)
            except OSError:
                raise Unavailable(
                    _l("The list of erasures outside the database cannot be written. Nothing was erased.")
                ) from None
    except Uncertain:
        raise  # erased or not: the next check of the list finds out
    except DomainError:
        if erasure is not None:
            _end(erasures, erasure, "abandoned")
        raise
    _end(erasures, erasure, "erased")
    return person


def destroy(
    session: AnySession, person_id: Id, data: Mapping[str, Any], answers: Mapping[uuid.UUID, Answer], version: int
) -> tuple[Person, Erasure]:
    """Erases in this transaction (EraseInput). Locked by a legal hold; Invalid until each narrative is answered for."""
    actor = require("erase", "Person")
    fates = [id for id, answer in answers.items() if answer.fate == "shredded"]
    session.execute(select(func.itm.lock_for_erasure(identifier(person_id), cast(fates, ARRAY(Identifier)))))
    person = lookup.get_person(session, person_id, or_deleted=True, lock=True)
    require_management(person.unit_id, actor)
    protected_values.refuse_erased(person)
    expect(person, version)
    cases = _cases_of(session, person, lock=True)
    if held(person, cases):
        raise Locked(_l("A legal hold keeps this person. Nothing may be erased."))
    values = load(EraseInput, data)
    if values["pseudonym"].upper() != person.pseudonym:
        raise Invalid({"pseudonym": _l("This is not the pseudonym of this person.")})
    asked = _asked(session, cases)
    shredded = _judge(asked, answers, _keeping(session, person, cases))
    ids = tuple(sorted(case.id for case in shredded))
    session.flush()
    # The person, all that the register of protected columns names about them, drafts, these narratives, and the entry
    reviewed = len(asked) - len(shredded)
    done = func.itm.erase_person(person.id, values["ground"], cast(list(ids), ARRAY(Identifier)), reviewed)
    session.execute(select(done))
    for record in (person, *shredded):
        session.refresh(record)
    return person, Erasure(uuid.uuid4(), person.institution_id, person.id, values["ground"], ids)


def narratives_of(session: AnySession, person: Person) -> list[Case]:
    """The person's cases, also former ones, whose narrative, closing note or reasons in words could name them."""
    return _asked(session, _cases_of(session, person))


def held(person: Person, cases: list[Case]) -> bool:
    """True if a legal hold is on the person or on one of these cases."""
    return any(reason is not None for reason in (person.hold_reason, *(case.hold_reason for case in cases)))


def holds_of(session: AnySession, person: Person) -> list[Person | Case]:
    """The held ones among the person and the person's cases."""
    records: list[Person | Case] = [person, *_cases_of(session, person)]
    return [record for record in records if record.hold_reason is not None]


def _cases_of(session: AnySession, person: Person, *, lock: bool = False) -> list[Case]:
    linked = select(CasePerson.case_id).where(CasePerson.person_id == person.id)
    statement = select(Case).where(Case.id.in_(linked)).order_by(Case.reference)
    if lock:
        statement = statement.with_for_update(key_share=True)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def _asked(session: AnySession, cases: list[Case]) -> list[Case]:
    """Those about which something is stored in words: the register of protected columns says in which tables."""
    ids = cast([case.id for case in cases], ARRAY(Identifier))
    telling = set(session.scalar(select(func.itm.cases_that_tell(ids))) or ())
    return [case for case in cases if case.id in telling]


def _keeping(session: AnySession, person: Person, cases: list[Case]) -> set[uuid.UUID]:
    """Cases of which a legal hold keeps another person."""
    others = select(CasePerson.case_id).join(Person, Person.id == CasePerson.person_id)
    mine = CasePerson.case_id.in_([case.id for case in cases])
    return set(session.scalars(others.where(mine, Person.id != person.id, Person.hold_reason.is_not(None))))


def _judge(narratives: list[Case], answers: Mapping[uuid.UUID, Answer], kept: set[uuid.UUID]) -> list[Case]:
    """Those to be shredded. Invalid if one is not answered for, is kept, or was changed since it was looked at."""
    wrong = {}
    for case in narratives:
        answer = answers.get(case.id)
        if answer is None or answer.fate not in ("reviewed", "shredded"):
            wrong[f"case_{case.id}"] = _l("Say whether this narrative was reviewed, or shred it.")
        elif answer.fate == "shredded" and case.id in kept:
            wrong[f"case_{case.id}"] = _l(
                "A legal hold keeps another person of this case. Its narrative may not be shredded."
            )
        elif answer.fate == "reviewed" and answer.version != case.row_version:
            wrong[f"case_{case.id}"] = _l("This case was changed since you looked at it. Review it again.")
    if wrong:
        raise Invalid(wrong)
    return [case for case in narratives if answers[case.id].fate == "shredded"]


def _end(erasures: Erasures, erasure: Erasure | None, end: Literal["erased", "abandoned"]) -> None:
    if erasure is None:
        return
    try:
        erasures.end(erasure, end)
    except OSError as error:  # the database has answered; the next check of the list writes it
        print(f"itm: ALERT: the list of erasures cannot be written ({error.strerror})", file=sys.stderr)
