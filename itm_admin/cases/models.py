"""Cases, persons, the links between them, the victim's profile on that link, and who is assigned.

Columns ending in `_enc` hold AES-256-GCM ciphertext under the record's own key; the plain text is
reached through `record.protected_values` only. Field names follow the HTCDS where it has them.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, query_expression, relationship

from itm_admin.cases.computed import CaseColumns, PersonColumns
from itm_admin.foundation.identity_numbers import passport_number, phone_number, tckn, ykn
from itm_admin.foundation.records import identifier_column
from itm_admin.record import fields
from itm_admin.record.field import field, protected
from itm_admin.record.fields import (
    Birth,
    Checked,
    Choice,
    Code,
    Codes,
    Day,
    Email,
    Flag,
    Link,
    Name,
    Opaque,
    Text,
    Whole,
)
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Owner, Record, linked

OPEN_STATUSES = ("Active", "FollowUp")
STATUS_TONES = {"Active": "info", "FollowUp": "warn", "Closed": "neutral", "ClosedReferred": "neutral"}
CONFIDENTIALITY_TONES = {"CONFIDENTIAL": "warn", "SPECIAL": "bad"}
AGE_BAND = Code(label=_l("Age when the case was opened"), short=_l("Age"), codes="age_band")
HELD_AT = fields.Moment(label=_l("Legal hold since"))
HOLD_REASON = Code(label=_l("Reason for the hold"), codes="hold_reason")
CHILD = Flag(label=_l("Child"))
PRECISIONS = {"year": _l("Year"), "month": _l("Month"), "day": _l("Day"), "estimate": _l("Estimate")}


class Case(CaseColumns, Owner, Model):
    """A suspected or confirmed event of trafficking that an institution works on (Dosya)."""

    __tablename__ = "case_file"
    __record__: ClassVar = RecordInfo(_l("Case"), _l("Cases"), name="case", history="Case", called="reference")
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="case_file_in_institution"),
        UniqueConstraint("institution_id", "reference", name="case_file_reference"),
        ForeignKeyConstraint(["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name="case_file_unit"),
        CheckConstraint("(closed_on is null) = (closure_reason is null)", name="case_file_closure"),
        CheckConstraint("(deleted_at is null) = (deletion_reason is null)", name="case_file_deletion"),
        CheckConstraint("sensitivity between 0 and 3", name="case_file_sensitivity"),
        CheckConstraint("(held_at is null) = (hold_reason is null)", name="case_file_hold"),
        Index("case_file_recent", "institution_id", text("opened_on desc"), text("id desc")),
        Index("case_file_unit_status", "institution_id", "unit_id", "status"),
        Index(
            "case_file_shared_recent",
            text("opened_on desc"),
            text("id desc"),
            postgresql_where=text("shared and deleted_at is null"),
        ),
    )

    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")), ForeignKey("institution.id"))
    reference: Mapped[str] = field(Text(label=_l("Reference")), server_default=FetchedValue())
    status: Mapped[str] = field(
        Code(label=_l("Status"), codes="case_status", among=OPEN_STATUSES, tones=STATUS_TONES),
        default="Active", server_default=text("'Active'"),
    )  # fmt: skip
    opened_on: Mapped[date] = field(
        Day(label=_l("Date opened"), short=_l("Opened"), ask=_l("Write the date on which the case was opened."))
    )
    closed_on: Mapped[date | None] = field(Day(label=_l("Date closed")))
    closure_reason: Mapped[str | None] = field(Code(label=_l("Reason for closing"), codes="case_closure_reason"))
    province: Mapped[str] = field(Code(label=_l("Province"), codes="province", ask=_l("Choose a province.")))
    referral_source: Mapped[str] = field(
        Code(label=_l("Source of the referral"), codes="referral_source", ask=_l("Choose a source of the referral."))
    )
    exploitation_types: Mapped[list[str]] = field(
        Codes(label=_l("Types of exploitation"), short=_l("Exploitation"), codes="exploitation_type")
    )
    industry: Mapped[str | None] = field(Code(label=_l("Sector"), codes="industry_isic"))
    confidentiality: Mapped[str] = field(
        Code(
            label=_l("Confidentiality"), codes="confidentiality", ask=_l("Choose a confidentiality."),
            tones=CONFIDENTIALITY_TONES,
        ),
        default="INTERNAL", server_default=text("'INTERNAL'"),
    )  # fmt: skip
    shared: Mapped[bool] = field(
        Flag(label=_l("Open to the Presidency"), no=_l("No, only in counts")),
        default=True, server_default=text("true"),
    )  # fmt: skip
    lead_institution_id: Mapped[uuid.UUID] = field(
        Link(label=_l("Lead institution"), shown="lead", follows=True), ForeignKey("institution.id")
    )
    narrative_enc: Mapped[bytes | None] = protected(Text(label=_l("Narrative"), most=20_000, lines=True))
    closure_note_enc: Mapped[bytes | None] = protected(Text(label=_l("Closing note"), most=5_000, lines=True))
    held_at: Mapped[datetime | None] = field(HELD_AT, server_onupdate=FetchedValue())
    hold_reason: Mapped[str | None] = field(HOLD_REASON)
    lowering_reason: Mapped[str | None] = field(Code(label=_l("Reason for lowering it"), codes="lowering_reason"))

    people_count: Mapped[int | None] = query_expression()
    """The number of persons in the case, filled by `lookup.list_cases` alone."""

    unit = relationship("Unit", primaryjoin="foreign(Case.unit_id) == Unit.id", viewonly=True, lazy="raise_on_sql")
    lead_institution = relationship(
        "Institution", foreign_keys=[lead_institution_id], viewonly=True, lazy="raise_on_sql"
    )
    people: Mapped[list[CasePerson]] = relationship(
        "CasePerson", primaryjoin="Case.id == foreign(CasePerson.case_id)", viewonly=True, lazy="raise_on_sql"
    )
    assignments: Mapped[list[CaseAssignment]] = relationship(
        "CaseAssignment", primaryjoin="Case.id == foreign(CaseAssignment.case_id)", viewonly=True, lazy="raise_on_sql"
    )

    def __str__(self) -> str:
        return self.reference


class Person(PersonColumns, Owner, Model):
    """A person met in one or more cases (Kişi). Always linked to at least one case."""

    __tablename__ = "person"
    __record__: ClassVar = RecordInfo(_l("Person"), _l("Persons"), history="Person", called="pseudonym")
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="person_in_institution"),
        UniqueConstraint("institution_id", "pseudonym", name="person_pseudonym"),
        ForeignKeyConstraint(["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name="person_unit"),
        CheckConstraint("birth_precision in ('year', 'month', 'day', 'estimate')", name="person_birth_precision"),
        CheckConstraint("(deleted_at is null) = (deletion_reason is null)", name="person_deletion"),
        CheckConstraint("sensitivity between 0 and 3", name="person_sensitivity"),
        CheckConstraint("(held_at is null) = (hold_reason is null)", name="person_hold"),
        CheckConstraint("(erased_at is null) = (erasure_ground is null)", name="person_erasure"),
        CheckConstraint(
            "erased_at is null or (index_terms = '{}' and num_nonnulls(data_key, given_name_enc, family_name_enc,"
            " birth_date_enc, tckn_enc, ykn_enc, passport_enc, phone_enc, email_enc, address_enc, guardian_enc) = 0)",
            name="person_erased",
        ),
        Index("person_index_terms", "index_terms", postgresql_using="gin"),
        Index("person_erased", "institution_id", "erased_at", postgresql_where=text("erased_at is not null")),
        Index("person_recent", "institution_id", text("created_at desc"), text("id desc")),
    )

    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")), ForeignKey("institution.id"))
    pseudonym: Mapped[str] = field(Text(label=_l("Pseudonym")))
    gender: Mapped[str] = field(Code(label=_l("Gender"), codes="gender", ask=_l("Choose a gender.")))
    citizenships: Mapped[list[str]] = field(
        Codes(label=_l("Citizenships"), short=_l("Citizenship"), codes="citizenship")
    )
    language: Mapped[str | None] = field(Code(label=_l("Language"), codes="language"))
    age_band: Mapped[str] = field(AGE_BAND, default="UNK", server_default=text("'UNK'"))
    is_child: Mapped[bool | None] = field(CHILD)
    birth_precision: Mapped[str | None] = field(Choice(label=_l("Precision of the date of birth"), choices=PRECISIONS))

    given_name_enc: Mapped[bytes | None] = protected(Name(label=_l("Given names")))
    family_name_enc: Mapped[bytes | None] = protected(Name(label=_l("Family names")))
    birth_date_enc: Mapped[bytes | None] = protected(Birth(label=_l("Date of birth")))
    tckn_enc: Mapped[bytes | None] = protected(
        Checked(
            label=_l("Turkish identity number (TCKN)"), form=tckn,
            refusal=_l("This is not a Turkish identity number: its check digits do not fit."),
        )
    )  # fmt: skip
    ykn_enc: Mapped[bytes | None] = protected(
        Checked(
            label=_l("Foreigner identity number (YKN)"), form=ykn,
            refusal=_l("This is not a foreigner's identity number: 99 first, and check digits that fit."),
        )
    )  # fmt: skip
    passport_enc: Mapped[bytes | None] = protected(
        Checked(
            label=_l("Passport number"), form=passport_number,
            refusal=_l("A passport number has 5 to 20 letters and digits."),
        )
    )  # fmt: skip
    phone_enc: Mapped[bytes | None] = protected(
        Checked(
            label=_l("Telephone"), form=phone_number,
            refusal=_l("This is not a telephone number. Numbers of other countries begin with +."),
        )
    )  # fmt: skip
    email_enc: Mapped[bytes | None] = protected(Email(label=_l("E-mail")))
    address_enc: Mapped[bytes | None] = protected(Text(label=_l("Address"), most=1_000, lines=True))
    guardian_enc: Mapped[bytes | None] = protected(Text(label=_l("Guardian"), most=1_000, lines=True))
    index_terms: Mapped[list[bytes]] = field(
        Opaque(label=_l("Index for searching")), type_=ARRAY(LargeBinary), default=list, server_default=text("'{}'")
    )
    held_at: Mapped[datetime | None] = field(HELD_AT, server_onupdate=FetchedValue())
    hold_reason: Mapped[str | None] = field(HOLD_REASON)
    erased_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Erased on")))
    erasure_ground: Mapped[str | None] = field(Code(label=_l("Legal ground"), codes="erasure_ground"))

    links: Mapped[list[CasePerson]] = relationship(
        "CasePerson", primaryjoin="Person.id == foreign(CasePerson.person_id)", viewonly=True, lazy="raise_on_sql"
    )

    def __str__(self) -> str:
        return self.pseudonym


class CasePerson(Record, Model):
    """A person's part in a case: victim, witness, relative, guardian."""

    __tablename__ = "case_person"
    __record__: ClassVar = RecordInfo(
        _l("Person in a case"), parent="case_id", part_of=("person_id",), about="person", history="Person"
    )
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="case_person_in_institution"),
        ForeignKeyConstraint(
            ["institution_id", "case_id"], ["case_file.institution_id", "case_file.id"], name="case_person_case"
        ),
        ForeignKeyConstraint(
            ["institution_id", "person_id"], ["person.institution_id", "person.id"], name="case_person_person"
        ),
        ForeignKeyConstraint(
            ["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name="case_person_unit"
        ),
        Index(
            "case_person_once", "case_id", "person_id", "role", unique=True, postgresql_where=text("deleted_at is null")
        ),
        Index("case_person_of_person", "institution_id", "person_id"),
    )

    case_id: Mapped[uuid.UUID] = field(Link(label=_l("Case"), shown="case"))
    person_id: Mapped[uuid.UUID] = field(Link(label=_l("Person"), shown="person"))
    role: Mapped[str] = field(
        Code(label=_l("Role in the case"), codes="case_role", ask=_l("Choose a role in the case."))
    )
    age_band: Mapped[str] = field(AGE_BAND, default="UNK", server_default=text("'UNK'"))
    is_child: Mapped[bool | None] = field(CHILD)

    case: Mapped[Case] = linked(Case, "CasePerson.case_id")
    person: Mapped[Person] = linked(Person, "CasePerson.person_id")
    profile: Mapped[VictimProfile | None] = relationship(
        "VictimProfile",
        primaryjoin="CasePerson.id == foreign(VictimProfile.case_person_id)",
        viewonly=True,
        uselist=False,
        lazy="raise_on_sql",
    )


class VictimProfile(Record, Model):
    """Facts about the exploitation of one victim in one case; encrypted under the person's key."""

    __tablename__ = "victim_profile"
    __record__: ClassVar = RecordInfo(
        _l("Victim's profile"), parent="case_person_id", about="link.person", history="Person"
    )
    __table_args__ = (
        UniqueConstraint("institution_id", "id", name="victim_profile_in_institution"),
        UniqueConstraint("case_person_id", name="victim_profile_once"),
        ForeignKeyConstraint(
            ["institution_id", "case_person_id"],
            ["case_person.institution_id", "case_person.id"],
            name="victim_profile_link",
        ),
        ForeignKeyConstraint(
            ["institution_id", "unit_id"], ["unit.institution_id", "unit.id"], name="victim_profile_unit"
        ),
        CheckConstraint("age_when_trafficked between 0 and 120", name="victim_profile_age"),
    )

    case_person_id: Mapped[uuid.UUID] = field(Link(label=_l("Person in a case"), shown="link"))
    trafficking_status: Mapped[str] = field(
        Code(label=_l("Trafficking status"), codes="trafficking_status", ask=_l("Choose a trafficking status."))
    )
    status_decision_maker: Mapped[str | None] = field(Code(label=_l("Decided by"), codes="status_decision_maker"))
    recruitment_methods: Mapped[list[str]] = field(Codes(label=_l("How recruited"), codes="method_of_recruitment"))
    control_methods: Mapped[list[str]] = field(Codes(label=_l("Means of control"), codes="method_of_control"))
    age_when_trafficked: Mapped[int | None] = field(
        Whole(label=_l("Age when trafficked"), hint=_l("In whole years."), high=120)
    )
    relation_to_trafficker: Mapped[str | None] = field(
        Code(label=_l("Relation to the trafficker"), codes="relation_to_trafficker")
    )
    sex_exploitation_enc: Mapped[bytes | None] = protected(
        Codes(label=_l("Kinds of sexual exploitation"), codes="sex_exploitation_type")
    )
    health_enc: Mapped[bytes | None] = protected(Text(label=_l("Health"), most=5_000, lines=True))
    needs_enc: Mapped[bytes | None] = protected(Codes(label=_l("Needs"), codes="support_need"))

    link: Mapped[CasePerson] = linked(CasePerson, "VictimProfile.case_person_id")


class CaseAssignment(Model):
    """A person of the institution who works on a case, from one moment to another."""

    __tablename__ = "case_assignment"
    __record__: ClassVar = RecordInfo(_l("Assignment"), parent="case_id")
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "case_id"],
            ["case_file.institution_id", "case_file.id"],
            name="case_assignment_case",
        ),
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="case_assignment_account"
        ),
        Index("case_assignment_once", "case_id", "account_id", unique=True, postgresql_where=text("ended_at is null")),
        Index("case_assignment_of_account", "account_id", "case_id"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = field(Link(label=_l("Institution")))
    case_id: Mapped[uuid.UUID] = field(Link(label=_l("Case")))
    account_id: Mapped[uuid.UUID] = field(Link(label=_l("Account")))
    assigned_at: Mapped[datetime] = field(fields.Moment(label=_l("Assigned on")), server_default=text("now()"))
    ended_at: Mapped[datetime | None] = field(fields.Moment(label=_l("Ended")))

    account = relationship(
        "Account", primaryjoin="foreign(CaseAssignment.account_id) == Account.id", viewonly=True, lazy="raise_on_sql"
    )
