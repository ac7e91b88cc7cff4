"""Consent (rıza): what a person answered to one purpose, to whom what may be told, and until when.

A row is one asking. What was answered never changes and a withdrawal is final (the database holds both); who is asked
again has another row. A refusal stands beside the others and hinders nothing.
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, and_, not_
from sqlalchemy.orm import Mapped

from itm_admin.cases.models import Person
from itm_admin.consent.standing import EXPIRED, GIVEN, RECORDED, WITHDRAWN, ConsentStanding, standing_of
from itm_admin.foundation.formats import day, label
from itm_admin.institutions.names import names_by_id
from itm_admin.record.checks import today
from itm_admin.record.field import field, protected
from itm_admin.record.fields import Choice, Code, Codes, Day, Flag, Link, ManyLinks, Text, Whole
from itm_admin.record.kind import RecordInfo, States, Transition
from itm_admin.record.models import Record, linked

ANSWERS = (GIVEN, "REFUSED", "NOT_ASKED", "NOT_ABLE")
"""Answers that people enter: a withdrawal is an act of its own."""
STATES = States(
    RECORDED,
    {"withdraw": Transition(WITHDRAWN, (RECORDED,), _l("Withdraw"), ("withdrawal_reason", "withdrawn_on"))},
)
_COVERED = (
    "The recipients, and the active institutions of the kinds on the day of entry. One that joins later is not covered."
)
STATE_WORDS = {RECORDED: _l("Recorded"), WITHDRAWN: _l("Withdrawn")}


class Consent(Record, Model):
    """One person's answer to one purpose."""

    __tablename__ = "consent"
    __record__: ClassVar = RecordInfo(
        _l("Consent"), _l("Consents"), parent="person_id", about="person", history="Person", states=STATES,
        recent="given_on",
    )  # fmt: skip

    person_id: Mapped[uuid.UUID] = field(Link(label=_l("Person"), shown="person", to="person"))
    state: Mapped[str] = field(Choice(label=_l("State"), choices=STATE_WORDS), default=RECORDED)
    purpose: Mapped[str] = field(
        Code(label=_l("Purpose of the consent"), codes="consent_purpose", ask=_l("Choose the purpose that was asked."))
    )
    answer: Mapped[str] = field(
        Code(label=_l("Answer"), codes="consent_answer", among=ANSWERS, ask=_l("Choose what the person answered."))
    )
    given_on: Mapped[date] = field(
        Day(label=_l("Day of the answer"), short=_l("Answered"), ask=_l("Write the day of the answer."))
    )
    expires_on: Mapped[date | None] = field(
        Day(
            label=_l("Holds until"), future=True,
            hint=_l("The last day on which it holds; empty: until it is withdrawn. A child's consent ends at 18."),
        )
    )  # fmt: skip
    ends_of_age: Mapped[bool] = field(Flag(label=_l("Asked anew at 18")), default=False)
    recipients: Mapped[list[uuid.UUID]] = field(ManyLinks(label=_l("Institutions"), shown="recipient_names"))
    kinds: Mapped[list[str]] = field(
        Codes(
            label=_l("Kinds of institutions"), codes="institution_kind",
            hint=_l("Covers those that are members on the day of entry; who joins later is asked for anew."),
        )
    )  # fmt: skip
    institutions: Mapped[list[uuid.UUID]] = field(
        ManyLinks(label=_l("May be told"), shown="institution_names"), comment=_COVERED
    )
    scopes: Mapped[list[str]] = field(Codes(label=_l("What may be told"), codes="data_scope"))
    form: Mapped[str | None] = field(Code(label=_l("Form of the consent"), codes="consent_form"))
    language: Mapped[str | None] = field(Code(label=_l("Language of what was read out"), codes="language"))
    text_version: Mapped[int | None] = field(
        Whole(
            label=_l("Version of the text"), low=1, high=9999,
            hint=_l("It stands at the foot of the printed form."),
        )
    )  # fmt: skip
    guardian_kind: Mapped[str | None] = field(Code(label=_l("Answered through"), codes="guardian_kind"))
    guardian_suspected: Mapped[bool] = field(
        Flag(
            label=_l("The guardian is a suspect, or kin of one"),
            hint=_l("Such a guardian cannot give consent: a court or the family directorate is asked."),
        ),
        default=False,
    )  # fmt: skip
    interpreter_enc: Mapped[bytes | None] = protected(Text(label=_l("Interpreter")), comment="Personal data, sealed.")
    guardian_enc: Mapped[bytes | None] = protected(Text(label=_l("Guardian")), comment="Personal data, sealed.")
    paper_enc: Mapped[bytes | None] = protected(
        Text(
            label=_l("Signed paper kept at"),
            hint=_l("Where the signed paper lies: archive, folder, number."),
        ),
        comment="Personal data, sealed.",
    )  # fmt: skip
    withdrawn_on: Mapped[date | None] = field(Day(label=_l("Withdrawn on"), hint=_l("Empty: today."), follows=True))
    withdrawal_reason: Mapped[str | None] = field(
        Code(
            label=_l("Reason of the withdrawal"), codes="consent_withdrawal_reason", needed=True,
            hint=_l("The person need not give one."), ask=_l("Choose a reason, or that none was given."),
        )
    )  # fmt: skip

    person: Mapped[Person] = linked(Person, "Consent.person_id")

    @property
    def standing(self) -> ConsentStanding:
        """The answer as it stands today, in words."""
        return standing_of(self.answer, self.state, self.given_on, self.expires_on)

    @property
    def recipient_names(self) -> list[str]:
        return names_by_id(self.recipients)

    @property
    def institution_names(self) -> list[str]:
        return names_by_id(self.institutions)

    @property
    def told(self) -> list[str]:
        """The institutions and the kinds, as the person heard them."""
        return [*self.recipient_names, *(label(kind, "institution_kind") for kind in self.kinds)]

    def __str__(self) -> str:
        return f"{label(self.purpose, 'consent_purpose')}, {day(self.given_on)}"


def live_on(at: date) -> ColumnElement[bool]:
    """The condition of itm.consent_live on a day, without recipient and scope."""
    return and_(Consent.answer == GIVEN, Consent.state == RECORDED, Consent.given_on <= at, not_(_over(at)))


def stands_as(code: str) -> ColumnElement[bool]:
    """The condition of a list's filter: an answer, or what became of a consent that was given."""
    given, at = Consent.answer == GIVEN, today()
    conditions: dict[str, ColumnElement[bool]] = {
        GIVEN: live_on(at),
        EXPIRED: and_(given, Consent.state == RECORDED, _over(at)),
        "WITHDRAWN": Consent.state == WITHDRAWN,
    }
    return conditions.get(code, Consent.answer == code)


def _over(at: date) -> ColumnElement[bool]:
    return and_(Consent.expires_on.is_not(None), Consent.expires_on < at)
