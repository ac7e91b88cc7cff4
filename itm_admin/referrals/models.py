"""Drafts of referrals, the sides of those that were sent, and what was sent, sealed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Relationship, declared_attr, mapped_column, relationship

from itm_admin.cases.models import Case, Person
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import label
from itm_admin.foundation.records import Identifier, identifier_column
from itm_admin.record.field import field, protected
from itm_admin.record.fields import Choice, Code, Codes, Day, Link, Moment, Opaque, Text
from itm_admin.record.kind import RecordInfo, States, Transition
from itm_admin.record.models import Record, linked
from itm_admin.record.two_parties import Side

STATE = _l("State")
DRAFT_WORDS: Mapping[str, Message] = {"draft": _l("Draft"), "sent": _l("Sent"), "dropped": _l("Dropped")}
DRAFT_STATES = States(
    "draft",
    {
        "send": Transition("sent", ("draft",), _l("Send")),
        "drop": Transition("dropped", ("draft",), _l("Drop the draft")),
    },
)
WORDS: Mapping[str, Message] = {
    "sent": _l("Sent"), "accepted": _l("Accepted"), "rejected": _l("Rejected"), "withdrawn": _l("Withdrawn"),
    "done": _l("Done"), "ended": _l("Ended"),
}  # fmt: skip
TONES = {"sent": "warn", "accepted": "info", "rejected": "bad", "done": "good"}
STATES = States(
    "sent",
    {
        "accept": Transition("accepted", ("sent",), _l("Accept"), party="to"),
        "reject": Transition("rejected", ("sent",), _l("Reject"), ("reject_reason",), party="to"),
        "withdraw": Transition("withdrawn", ("sent",), _l("Withdraw"), ("withdrawal_reason",), party="from"),
        "finish": Transition("done", ("accepted",), _l("Close with an outcome"), ("outcome",), party="to"),
        "end": Transition("ended", ("accepted", "done"), _l("End the sharing"), ("end_reason",), party="both"),
    },
)
SERVICE = _l("Service")
URGENCY = Code(
    label=_l("Urgency"), codes="referral_urgency", ask=_l("Choose an urgency."),
    tones={"IMMEDIATE": "bad", "URGENT": "warn"},
    hint=_l("The receiver answers within 2, 24 or 72 hours, also at night. For a child it is at least urgent."),
)  # fmt: skip
SCOPES = Codes(
    label=_l("Data that go along"), codes="data_scope",
    hint=_l("Before it is sent, you see field by field what the person's consent lets go. Empty: all that it does."),
)  # fmt: skip
GROUND = Code(
    label=_l("Legal ground without consent"), codes="disclosure_ground", needs="disclose",
    hint=_l("Only where a law lets the data go without consent. Your manager and the auditors are told."),
)  # fmt: skip


class ReferralDraft(Record, Model):
    """A referral that is being prepared, for one receiver and one or more services."""

    __tablename__ = "referral_draft"
    __record__: ClassVar = RecordInfo(
        _l("Referral to prepare"), _l("Referrals to prepare"), history="ReferralDraft", parent="person_id",
        about="person", states=DRAFT_STATES, recent="created_at",
    )  # fmt: skip

    person_id: Mapped[uuid.UUID] = field(Link(label=_l("Person"), shown="person", to="person"))
    case_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Case"), shown="case", to="case_file", ask=_l("Choose the case that it is for."))
    )
    state: Mapped[str] = field(Choice(label=STATE, choices=DRAFT_WORDS), default="draft")
    receiver_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Receiver"), shown="receiver", ask=_l("Choose an institution.")), ForeignKey("institution.id")
    )
    services: Mapped[list[str]] = field(
        Codes(
            label=_l("Services"), codes="referral_service", needed=True, ask=_l("Choose a service."),
            hint=_l("Each service becomes a referral of its own, which is answered by itself."),
        )
    )  # fmt: skip
    urgency: Mapped[str] = field(URGENCY, default="NORMAL")
    scopes: Mapped[list[str]] = field(SCOPES)
    ground: Mapped[str | None] = field(GROUND)
    words_enc: Mapped[bytes | None] = protected(
        Text(
            label=_l("Message to the receiver"), most=2_000, lines=True,
            hint=_l("Read before acceptance: no name, number or address. With a legal ground, write the reason here."),
        )
    )  # fmt: skip
    sent_at: Mapped[datetime | None] = field(Moment(label=_l("Sent at")))

    person: Mapped[Person] = linked(Person, "ReferralDraft.person_id")
    case: Mapped[Case] = linked(Case, "ReferralDraft.case_id")

    @declared_attr
    def receiver(cls: Any) -> Relationship[Any]:
        join = f"foreign({cls.__name__}.receiver_id) == Institution.id"
        return relationship("Institution", primaryjoin=join, viewonly=True, lazy="raise_on_sql")

    def __str__(self) -> str:
        return ", ".join(label(each, "referral_service") for each in self.services)


class Referral(Side, Model):
    """One side of a referral that was sent."""

    __tablename__ = "referral"
    __record__: ClassVar = RecordInfo(
        _l("Referral"), _l("Referrals"), history="Referral", about="person", states=STATES, recent="sent_at",
        common=(
            "state", "service", "urgency", "sent_at", "due_at", "answered_at", "ended_at", "reject_reason",
            "withdrawal_reason", "end_reason", "outcome", "scopes", "fields", "ground", "consent_ends",
            "sealed_sha256", "told",
        ),
    )  # fmt: skip

    state: Mapped[str] = field(Choice(label=STATE, choices=WORDS, tones=TONES))
    service: Mapped[str] = field(Code(label=SERVICE, codes="referral_service"))
    urgency: Mapped[str] = field(URGENCY)
    sent_at: Mapped[datetime] = field(Moment(label=_l("Sent at")))
    due_at: Mapped[datetime] = field(Moment(label=_l("Answer due")))
    answered_at: Mapped[datetime | None] = field(Moment(label=_l("Answered at")))
    ended_at: Mapped[datetime | None] = field(Moment(label=_l("Ended at")))
    reject_reason: Mapped[str | None] = field(
        Code(
            label=_l("Reason for rejecting"), codes="referral_reject_reason", needed=True, ask=_l("Choose a reason."),
            hint=_l("No capacity and no suitable place count as unmet need."),
        )
    )  # fmt: skip
    withdrawal_reason: Mapped[str | None] = field(
        Code(
            label=_l("Reason for withdrawing"), codes="referral_withdrawal_reason", needed=True,
            ask=_l("Choose a reason."),
        )
    )  # fmt: skip
    end_reason: Mapped[str | None] = field(
        Code(label=_l("Reason for ending"), codes="referral_end_reason", needed=True, ask=_l("Choose a reason."))
    )
    outcome: Mapped[str | None] = field(
        Code(label=_l("Outcome"), codes="referral_outcome", needed=True, ask=_l("Choose an outcome."))
    )
    scopes: Mapped[list[str]] = field(Codes(label=_l("Data that went along"), codes="data_scope"))
    fields: Mapped[list[str]] = field(Opaque(label=_l("Fields that went")), type_=ARRAY(String))
    ground: Mapped[str | None] = field(Code(label=GROUND.label, codes="disclosure_ground"))
    consent_ends: Mapped[date | None] = field(Day(label=_l("Consent ends"), future=True))
    sealed_sha256: Mapped[str] = field(Opaque(label=_l("SHA-256 of what was sealed")), type_=String)
    told: Mapped[str] = field(Opaque(label=_l("Digest of what was sent")), type_=String)
    draft_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Prepared as"), shown="draft", to="referral_draft"))
    person_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Person"), shown="person", to="person"))
    case_id: Mapped[uuid.UUID | None] = field(Link(label=_l("Case"), shown="case", to="case_file"))
    consents: Mapped[list[uuid.UUID] | None] = field(Opaque(label=_l("Consents")), type_=ARRAY(Identifier))

    draft: Mapped[ReferralDraft | None] = linked(ReferralDraft, "Referral.draft_id")
    person: Mapped[Person | None] = linked(Person, "Referral.person_id")
    case: Mapped[Case | None] = linked(Case, "Referral.case_id")

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        waiting = text("state in ('sent', 'accepted') and deleted_at is null")
        return (
            *super().__table_args__,
            Index("referral_open", "institution_id", "due_at", postgresql_where=waiting),
            Index(
                "referral_of_consents", "consents", postgresql_using="gin", postgresql_where=text("party = 'from'")
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return label(self.service, "referral_service")


class ReferralContent(Model):
    """The fields that were sent with a referral, sealed for the receiver. Nobody else reads a row."""

    __tablename__ = "referral_content"
    __table_args__ = (
        UniqueConstraint("side_id", "part", name="referral_content_once"),
        ForeignKeyConstraint(
            ["institution_id", "side_id"], ["referral.institution_id", "referral.id"], name="referral_content_side"
        ),
        ForeignKeyConstraint(
            ["institution_id", "pair_id"],
            ["institution_pair.institution_id", "institution_pair.id"],
            name="referral_content_pair",
        ),
        {
            "comment": "What was sent with a referral, sealed for the receiver alone."
            " Both columns are emptied where it ends unanswered."
        },
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    side_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    part: Mapped[str]
    pair_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    sealed_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
