"""The numbers that people call a case or a person by.

A case's reference counts its institution's cases of a year without a gap; the database gives it with the case (0011).
A person's pseudonym is random and says nothing, not even who came first.
"""

from __future__ import annotations

import secrets

from sqlalchemy.exc import IntegrityError

from itm_admin.cases.models import Person
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Conflict

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without 0, 1, I, L, O and U: what is read aloud or copied by hand is not mistaken."""
_LENGTH = 6
_TRIES = 10


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
