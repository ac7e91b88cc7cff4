"""Erasing as the page does, for tests of services and of the list outside."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import text

from itm_admin.cases import erasure, lookup
from itm_admin.cases.erasure import Answer
from itm_admin.cases.models import CasePerson
from itm_admin.foundation.erasure_list import Erasure, Erasures
from tests.factories import Factory, Somebody

NAME = {"given_name": "Kanarya", "family_name": "Şahincanary", "phone": "0532 999 88 77"}


def erased(
    factory: Factory, by: Somebody, link: CasePerson, erasures: Erasures | None = None, fate: str = "shredded",
    end: bool = True, **data: Any,
) -> Erasure:  # fmt: skip
    """As the page does, but for the commit, which is this session's."""
    with factory.working(by) as session:
        person = lookup.get_person(session, link.person_id, or_deleted=True)
        answers = {case.id: Answer(fate, case.row_version) for case in erasure.narratives_of(session, person)}
        values = {"ground": "PERSON_REQUEST", "pseudonym": person.pseudonym, **data}
        done = erasure.destroy(session, person.id, values, answers, person.row_version)[1]
        if erasures is not None:
            erasures.intend(done)
    if erasures is not None and end:
        erasures.end(done, "erased")
    return done


def stored(factory: Factory, table: str, id: uuid.UUID) -> dict[str, Any]:
    with factory.superuser() as connection:
        row: dict[str, Any] = connection.scalar(text(f"select to_jsonb(t) from {table} t where id = :id"), {"id": id})
        return row
