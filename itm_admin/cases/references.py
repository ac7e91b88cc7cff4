"""The numbers that people call a case or a person by.

A case's reference counts its institution's cases of a year without a gap; the database gives it with the case (0011).
A person's pseudonym is random and says nothing, not even who came first.
"""

from __future__ import annotations

import secrets
import uuid

from flask_appbuilder import Model
from sqlalchemy import ForeignKey, ForeignKeyConstraint, Integer
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from itm_admin.cases.models import Person
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Conflict
from itm_admin.foundation.records import Identifier

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without 0, 1, I, L, O and U: what is read aloud or copied by hand is not mistaken."""
_LENGTH = 6
_TRIES = 10


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


def new_pseudonym(code: str) -> str:
    """A random name for a person of an institution: JGK-K-7F3A9X (K for kişi)."""
    return f"{code}-K-{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"


def add_with_pseudonym(session: AnySession, person: Person, code: str) -> None:
    """Stores a new person under a pseudonym that is free. Row-level security hides most of them, so it is tried."""
    for _ in range(_TRIES):
        person.pseudonym = new_pseudonym(code)
        try:
            with session.begin_nested():
                session.add(person)
            return
        except IntegrityError as fault:
            if getattr(getattr(fault.orig, "diag", None), "constraint_name", None) != "person_pseudonym":
                raise
    raise Conflict
