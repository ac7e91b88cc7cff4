"""The rules of consents that the database cannot know, or says in words of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from itm_admin.cases import ages
from itm_admin.cases.models import Person
from itm_admin.cases.persons import PERSONS
from itm_admin.consent import texts
from itm_admin.consent.coming_of_age import last_day
from itm_admin.consent.models import Consent
from itm_admin.consent.standing import GIVEN, WITHDRAWN
from itm_admin.foundation.encryption import AnySession, InstitutionKeys, Keyring
from itm_admin.foundation.errors import REQUIRED, Invalid, Locked, Message
from itm_admin.foundation.vocabulary import NOT_A_CHOICE
from itm_admin.institutions.models import Institution
from itm_admin.record.birth_date import BirthDate
from itm_admin.record.checks import today
from itm_admin.record.datamodel import RecordInterface

FINAL = _l("A withdrawal is final. Ask the person again and enter a new consent.")
NOT_GIVEN = _l("Only a consent that was given can be withdrawn.")


class Consents(RecordInterface[Consent]):
    """Consents of a person, for those who work with the person."""

    def why_locked(self, record: Any) -> Message | None:
        """A withdrawal is possible at any time, also when all cases of the person are closed."""
        return FINAL if record is not None and record.state == WITHDRAWN else None

    def add_checked(
        self, session: AnySession, keyring: Keyring, record: Consent, parent: Person, values: Mapping[str, Any]
    ) -> Consent:
        if values["answer"] == GIVEN:
            born = ages.birth_of(keyring.of_institution(session), parent)
            end = _of_age(born, parent, values.get("form"), values.get("guardian_kind"), values["given_on"])
            if end is not None:
                named = values.get("expires_on")
                values = {**values, "expires_on": min(end, named or end), "ends_of_age": True}
        return super().add_checked(session, keyring, record, parent, values)

    def pre_add(self, session: AnySession, record: Consent, values: Mapping[str, Any], parent: Person) -> None:
        wrong = dict(_about_the_answer(record))
        if record.expires_on is not None and record.expires_on < record.given_on:
            wrong["expires_on"] = _l("It would be over before it was given.")
        told = bool(record.recipients or record.kinds)
        if told and not record.scopes:
            wrong["scopes"] = _l("Choose what they may be told.")
        elif record.scopes and not told:
            wrong["recipients"] = _l("Choose institutions or kinds of institutions that may be told.")
        if not _are_others(session, record.recipients, record.institution_id):
            wrong["recipients"] = NOT_A_CHOICE
        if not _was_read_out(session, record):
            wrong["text_version"] = _l("There is no such version of the text in this language.")
        if wrong:
            raise Invalid(wrong)

    def edit_found(
        self, session: AnySession, keyring: Keyring, record: Consent, parent: Any, data: Mapping[str, Any],
        version: int, columns: Any,
    ) -> Consent:  # fmt: skip
        self._refuse_locked(self.why_locked(record))
        return super().edit_found(session, keyring, record, parent, data, version, columns)

    def pre_update(self, session: AnySession, record: Consent, values: Mapping[str, Any], parent: Any) -> None:
        if values.get("state") == WITHDRAWN:
            self._withdraw(record, values)
        elif "expires_on" in values and values["expires_on"] != record.expires_on:
            day = values["expires_on"]
            if record.expires_on is not None and (day is None or day > record.expires_on):
                raise Invalid({"expires_on": _l("A consent is not prolonged: ask the person again.")})
            if day < record.given_on:
                raise Invalid({"expires_on": _l("It would be over before it was given.")})

    @staticmethod
    def _withdraw(record: Consent, values: Mapping[str, Any]) -> None:
        if record.answer != GIVEN:
            raise Locked(NOT_GIVEN)
        record.withdrawn_on = values.get("withdrawn_on") or today()
        if record.withdrawn_on < record.given_on:
            raise Invalid({"withdrawn_on": _l("It was given after this day.")})


def follow_birth(session: AnySession, keys: InstitutionKeys, person: Person) -> None:
    """Lets consents end when the person comes of age by a birth date that is known now. None lasts longer for it."""
    born = ages.birth_of(keys, person)
    mine = (Consent.person_id == person.id, Consent.deleted_at.is_(None))
    given = (Consent.answer == GIVEN, Consent.state != WITHDRAWN)
    for consent in session.scalars(select(Consent).where(*mine, *given)):
        end = _of_age(born, person, consent.form, consent.guardian_kind, consent.given_on)
        if end is not None and (consent.expires_on is None or end < consent.expires_on):
            consent.expires_on, consent.ends_of_age = end, True
    session.flush()


def _of_age(born: BirthDate | None, person: Person, form: str | None, guardian: str | None, day: date) -> date | None:
    return last_day(born, person.is_child, person.age_band, form == "GUARDIAN" or guardian is not None, day)


def _about_the_answer(record: Consent) -> Mapping[str, Message]:
    """Fields that a consent needs, by what was answered and through whom."""
    wrong: dict[str, Message] = {}
    if record.form == "GUARDIAN" and record.guardian_kind in (None, "NONE"):
        wrong["guardian_kind"] = _l("Choose through whom the person answered.")
    if record.answer == GIVEN:
        if record.form is None:
            wrong["form"] = REQUIRED
        if record.language is None:
            wrong["language"] = REQUIRED
        if record.guardian_suspected:
            wrong["guardian_suspected"] = _l("A guardian who is a suspect, or kin of one, cannot give consent.")
    return wrong


def _was_read_out(session: AnySession, record: Consent) -> bool:
    """False for a version that the Presidency never made, of a text that it has in this language."""
    if record.text_version is None or record.language is None:
        return True
    last = texts.newest(session, record.purpose, record.language)
    return last is None or record.text_version <= last


def _are_others(session: AnySession, ids: list[uuid.UUID], own: uuid.UUID) -> bool:
    """True if each is an active institution, and none the own one."""
    wanted = set(ids)
    found = select(Institution.id).where(
        Institution.id.in_(wanted), Institution.id != own, Institution.status == "active"
    )
    return not wanted or set(session.scalars(found)) == wanted


CONSENTS = Consents(Consent, parent=PERSONS)
