"""Cases, persons, the links between them, the victim's profile on that link, and who is assigned.

Columns ending in `_enc` hold AES-256-GCM ciphertext under the record's own key; the plain text is
reached through `cases.personal_data` only. Field names follow the HTCDS where it has them.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime

from flask_appbuilder import Model
from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, query_expression, relationship

from itm_admin.foundation.records import Ciphertext, Identifier, Moment, TenantRecord, identifier_column

Codes = ARRAY(String)


class Case(TenantRecord, Model):
    """A suspected or confirmed event of trafficking that an institution works on (Dosya)."""

    __tablename__ = "case_file"
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

    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    reference: Mapped[str] = mapped_column(server_default=FetchedValue())
    status: Mapped[str] = mapped_column(default="Active", server_default=text("'Active'"))
    opened_on: Mapped[date]
    closed_on: Mapped[date | None]
    closure_reason: Mapped[str | None]
    province: Mapped[str]
    referral_source: Mapped[str]
    exploitation_types: Mapped[list[str]] = mapped_column(Codes, default=list, server_default=text("'{}'"))
    industry: Mapped[str | None]
    confidentiality: Mapped[str] = mapped_column(default="INTERNAL", server_default=text("'INTERNAL'"))
    shared: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    lead_institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    narrative_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    closure_note_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    held_at: Mapped[datetime | None] = mapped_column(Moment, server_onupdate=FetchedValue())
    hold_reason: Mapped[str | None]
    lowering_reason: Mapped[str | None]

    people_count: Mapped[int | None] = query_expression()
    """How many people are in the case: filled by `lookup.list_cases` alone."""

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


class CaseCounter(Model):
    """The last number given out in an institution's year; its row lock makes references gapless. The database's own."""

    __tablename__ = "case_counter"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "reference"],
            ["case_file.institution_id", "case_file.reference"],
            name="case_counter_case",
            deferrable=True,
            initially="DEFERRED",
        ),
    )

    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"), primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last: Mapped[int]
    reference: Mapped[str | None]


class Person(TenantRecord, Model):
    """A person met in one or more cases (Kişi). Always linked to at least one case."""

    __tablename__ = "person"
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
        Index("person_recent", "institution_id", text("created_at desc"), text("id desc")),
    )

    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier, ForeignKey("institution.id"))
    pseudonym: Mapped[str]
    gender: Mapped[str]
    citizenships: Mapped[list[str]] = mapped_column(Codes, default=list, server_default=text("'{}'"))
    language: Mapped[str | None]
    age_band: Mapped[str] = mapped_column(default="UNK", server_default=text("'UNK'"))
    is_child: Mapped[bool | None]
    birth_precision: Mapped[str | None]

    data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    given_name_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    family_name_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    birth_date_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    tckn_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    ykn_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    passport_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    phone_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    email_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    address_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    guardian_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    index_terms: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary), default=list, server_default=text("'{}'"))
    held_at: Mapped[datetime | None] = mapped_column(Moment, server_onupdate=FetchedValue())
    hold_reason: Mapped[str | None]
    erased_at: Mapped[datetime | None] = mapped_column(Moment)
    erasure_ground: Mapped[str | None]

    links: Mapped[list[CasePerson]] = relationship(
        "CasePerson", primaryjoin="Person.id == foreign(CasePerson.person_id)", viewonly=True, lazy="raise_on_sql"
    )

    def __str__(self) -> str:
        return self.pseudonym


class CasePerson(TenantRecord, Model):
    """A person's part in a case: victim, witness, relative, guardian."""

    __tablename__ = "case_person"
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

    case_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    person_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    role: Mapped[str]
    age_band: Mapped[str] = mapped_column(default="UNK", server_default=text("'UNK'"))
    is_child: Mapped[bool | None]

    case: Mapped[Case] = relationship(
        "Case", primaryjoin="foreign(CasePerson.case_id) == Case.id", viewonly=True, lazy="raise_on_sql"
    )
    person: Mapped[Person] = relationship(
        "Person", primaryjoin="foreign(CasePerson.person_id) == Person.id", viewonly=True, lazy="raise_on_sql"
    )
    profile: Mapped[VictimProfile | None] = relationship(
        "VictimProfile",
        primaryjoin="CasePerson.id == foreign(VictimProfile.case_person_id)",
        viewonly=True,
        uselist=False,
        lazy="raise_on_sql",
    )


class VictimProfile(TenantRecord, Model):
    """What is known of the exploitation of one victim in one case; encrypted under the person's key."""

    __tablename__ = "victim_profile"
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

    case_person_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    trafficking_status: Mapped[str]
    status_decision_maker: Mapped[str | None]
    recruitment_methods: Mapped[list[str]] = mapped_column(Codes, default=list, server_default=text("'{}'"))
    control_methods: Mapped[list[str]] = mapped_column(Codes, default=list, server_default=text("'{}'"))
    age_when_trafficked: Mapped[int | None]
    relation_to_trafficker: Mapped[str | None]
    sex_exploitation_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    health_enc: Mapped[bytes | None] = mapped_column(Ciphertext)
    needs_enc: Mapped[bytes | None] = mapped_column(Ciphertext)


class CaseAssignment(Model):
    """A person of the institution who works on a case, from one moment to another."""

    __tablename__ = "case_assignment"
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
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    case_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    assigned_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)

    account = relationship(
        "Account", primaryjoin="foreign(CaseAssignment.account_id) == Account.id", viewonly=True, lazy="raise_on_sql"
    )


class AccessNote(Model):
    """Why protected values had to be seen, in words: they may name people, so they stand beside the ledger."""

    __tablename__ = "access_note"
    __table_args__ = (
        ForeignKeyConstraint(
            ["institution_id", "account_id"], ["account.institution_id", "account.id"], name="access_note_account"
        ),
        CheckConstraint("length(words) between 1 and 1000", name="access_note_words"),
        Index("access_note_of_record", "record"),
    )

    id: Mapped[uuid.UUID] = identifier_column()
    institution_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    account_id: Mapped[uuid.UUID] = mapped_column(Identifier)
    kind: Mapped[str]
    record: Mapped[uuid.UUID] = mapped_column(Identifier)
    purpose: Mapped[str]
    words: Mapped[str | None] = mapped_column(
        comment="Personal data, possibly. Destroyed when the person it is about is erased."
    )
    made_at: Mapped[datetime] = mapped_column(Moment, server_default=text("now()"))
