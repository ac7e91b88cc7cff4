"""Renews values that the database cannot compute, since they are sealed or keyed: the blind index and the ages.

The index is written anew in the form of this program, after an update; ages that were left behind are put right. As
itm_app with the master key, in what the owner's login or the scheduler opened (0015/84), one institution after the
other, a hundred persons in a transaction: an interrupted run goes on where it was. Each person that changes has an
entry in the institution's ledger.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine, event, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from itm_admin.cases import ages, person_index
from itm_admin.cases.models import Person
from itm_admin.foundation import claims, command_door, key_pairs, tenancy
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import CannotDecrypt, NotFound
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.ledger.job_runs import Halt
from itm_admin.record import protected_values

FORM = 2
"""The form of the index that name_folding.py makes. Raised with it."""
BATCH = 100
NAME = "itm.upkeep"
_CLAIM = text("select itm.open_for_upkeep(:id, :at, :mac)")
_REACHED = text("select up_to from itm.indexed where institution_id = :institution and form = :form")
_DONE = text(
    "select exists (select from itm.indexed where institution_id = :institution and form = :form and up_to is null)"
)
_REACH = text(
    "insert into itm.indexed (institution_id, form, up_to) values (:institution, :form, :up_to)"
    " on conflict (institution_id) do update set form = excluded.form, up_to = excluded.up_to"
)


@dataclass
class Upkeep:
    """Counts of what was corrected: index entries, persons whose ages were, and persons whose values do not open."""

    indexed: int = 0
    ages: int = 0
    unreadable: int = 0


def run(settings: Settings, *, all_ages: bool, halt: Halt = lambda: False) -> Upkeep | None:
    """None where the application's address or the master key is unknown to this process."""
    try:
        keyring = Keyring.from_settings(settings)
    except Refusal:
        return None
    if settings.database_url is None:
        return None
    if settings.owner_url is None:
        engine = _claiming(settings.database_url, settings)
    else:
        engine = command_door.engine(settings, NAME, pooled=False)
    try:
        return keep_up(engine, keyring, all_ages=all_ages, halt=halt)
    finally:
        engine.dispose()


def _claiming(url: str, settings: Settings) -> Engine:
    """The application's engine where the owner's address is unknown: it claims what the scheduler has asked for."""
    key = claims.key_from(settings.secret_key or "")
    engine, asking = (create_engine(url, poolclass=NullPool, hide_parameters=True) for _ in range(2))

    def door(context: tenancy.Context) -> bytes:
        with asking.begin() as connection:
            claim = claims.made(connection, "upkeep", context.institution or "-", key=key)
            return bytes(connection.scalar(_CLAIM, {"id": context.institution, **claim}))

    @event.listens_for(engine, "connect")
    def _connected(_driver: object, record: Any) -> None:
        record.info[tenancy.DOOR] = door

    return engine


def keep_up(engine: Engine, keyring: Keyring, *, all_ages: bool, halt: Halt = lambda: False) -> Upkeep:
    """Goes through every institution; through those whose index is current only if `all_ages` are wanted."""
    found = Upkeep()
    sessions = sessionmaker(engine, expire_on_commit=False)
    tenancy.install(sessions)
    with tenancy.acting(tenancy.Context(scope=INSTITUTION)), sessions() as session:
        institutions = session.execute(text("select id, code from institution order by code")).all()
    for institution in institutions:
        context = tenancy.Context(
            scope=INSTITUTION,
            institution=institution.id,
            institution_code=institution.code,
            manage="*",
            account_name=NAME,
        )
        with tenancy.acting(context), sessions() as session:
            _institution(session, keyring, institution.id, found, all_ages, halt)
    return found


def _institution(
    session: Session, keyring: Keyring, institution: uuid.UUID, found: Upkeep, all_ages: bool, halt: Halt
) -> None:
    with contextlib.suppress(NotFound, CannotDecrypt):  # an institution from before there were pairs
        key_pairs.add_pair(session, keyring, keyring.of_institution(session))
        session.commit()
    place: dict[str, object] = {"institution": institution, "form": FORM}
    current = session.scalar(_DONE, place)
    if current and not all_ages:
        return
    after = None if current else session.scalar(_REACHED, place)
    while not halt():
        persons = _batch(session, after)
        for person in persons:
            _person(session, keyring, person, found)
        after = persons[-1].id if persons else None
        if not current:
            session.execute(_REACH, {**place, "up_to": after})
        session.commit()
        if after is None:
            return


def _batch(session: Session, after: uuid.UUID | None) -> list[Person]:
    statement = select(Person).where(Person.erased_at.is_(None), Person.data_key.is_not(None))
    if after is not None:
        statement = statement.where(Person.id > after)
    return list(session.scalars(statement.order_by(Person.id).limit(BATCH).with_for_update()))


def _person(session: Session, keyring: Keyring, person: Person, found: Upkeep) -> None:
    try:
        keys = keyring.of_institution(session)
        key = protected_values.record_key(keys, person)
        if not person_index.is_indexed(keys, key, person):
            person_index.index(keys, key, person)
            found.indexed += 1
        found.ages += ages.follow(session, keys, person)
    except (CannotDecrypt, NotFound):
        found.unreadable += 1
