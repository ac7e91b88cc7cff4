"""Replaces an institution's key, its persons' keys or its index key, record by record, while the panel runs.

The panel's login does it, with the keys; the owner's login opens and ends each replacement, so that SQL in the web
server's name replaces nothing. Promise: each record is renewed in a transaction of its own, an interrupted run goes on
after the last one, and the former key is thrown away only after everything was opened with the new one alone.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.cases import person_index
from itm_admin.foundation import blind_index, key_pairs, tenancy
from itm_admin.foundation.command_door import CommandDoor
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.encryption import KEY_BYTES, InstitutionKeys, Key, Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt
from itm_admin.foundation.roles import INSTITUTION

NAME = "itm.keys"
MASTER, KINDS = "master", ("institution", "person", "index")
BATCH = 200
PATIENCE = 120.0
"""Seconds for which one record, or the work of others, is waited for."""
T = TypeVar("T")
Told = Callable[[int, int], None]
_OPEN = text(
    "insert into itm.key_rotation (institution_id, kind) values (:institution, :kind)"
    " on conflict (institution_id) where ended_at is null do nothing"
)
_FIND = text(
    "select id, kind, switched_at is not null as switched, done from itm.key_rotation"
    " where institution_id = :institution and ended_at is null"
)
_END = text("update itm.key_rotation set ended_at = now(), former = null where id = :id")
_ALONE = text(
    "select set_config('lock_timeout', '1s', true), pg_advisory_xact_lock(1229802315, hashtext(:institution))"
)
"""The lock that itm.institution_keys shares."""
_PAIRS = text("select id, public_sealed from institution_pair where institution_id = :institution")
_VOUCH = text("select itm.vouch_anew(:id, :pair, :before, :after)")
_COUNT = text(
    "select (select count(*) from itm.key_owners(:id, '', 2147483647)),"
    " (select count(*) from itm.key_owners(:id, :done, 2147483647))"
)


@dataclass
class Renewal:
    """Counts of one institution."""

    records: int = 0
    unreadable: int = 0
    """Records that did not open before either; they stay as they are."""


@dataclass(frozen=True)
class _Owner:
    """A person or a case, with everything that is sealed under its key."""

    name: str
    id: uuid.UUID
    rows: list[tuple[str, uuid.UUID, dict[str, bytes]]]


class Rotation:
    """The work on one institution. `owner` and `app` are engines of these logins."""

    def __init__(self, owner: Engine, app: Engine, keyring: Keyring, institution: uuid.UUID, code: str) -> None:
        self.owner, self.keyring, self.institution = owner, keyring, institution
        self.context = tenancy.Context(
            scope=INSTITUTION, institution=institution, institution_code=code, manage="*", account_name=NAME
        )
        CommandDoor(owner, NAME).open(app)
        self.sessions = sessionmaker(app, expire_on_commit=False)
        tenancy.install(self.sessions)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with tenancy.acting(self.context), self.sessions() as session:
            yield session
            session.commit()

    def open(self, kind: str) -> Any:
        """Opens a replacement, or finds the interrupted one. Raises Refusal if one of another kind is open."""
        with self.owner.begin() as connection:
            connection.execute(_OPEN, {"institution": self.institution, "kind": kind})
            found = connection.execute(_FIND, {"institution": self.institution}).one()
        if found.kind != kind:
            code = self.context.institution_code
            raise Refusal(f"{code}: a replacement of another key is not finished: itm keys rotate {found.kind}")
        return found

    def end(self, id: uuid.UUID) -> None:
        with self.owner.begin() as connection:
            connection.execute(_END, {"id": id})

    def wrap_anew(self, following: Keyring) -> None:
        """Wraps the institution's keys with the next master key."""
        found = self.open(MASTER)
        if not found.switched:
            self._switch(found.id, lambda secret: following.wrap(self.institution, secret))
        self._vouch_anew(found.id, following)
        self.end(found.id)

    def _vouch_anew(self, id: uuid.UUID, following: Keyring) -> None:
        """The public half of the institution's pair, which only a master key may have put there."""
        with self.transaction() as session:
            for pair, before in session.execute(_PAIRS, {"institution": self.institution}).all():
                place = key_pairs.public_place(self.institution, pair)
                try:
                    following.vouched(place, before)
                except CannotDecrypt:  # not yet: an interrupted run goes on
                    after = following.vouch(place, self.keyring.vouched(place, before))
                    session.execute(_VOUCH, {"id": id, "pair": pair, "before": before, "after": after})

    def renew(self, kind: str, told: Told) -> Renewal:
        found = self.open(kind)
        if not found.switched:
            self._switch(found.id, self._new_secret if kind == "institution" else None)
        done, renewal = str(found.done), Renewal()
        with self.transaction() as session:
            total, left = session.execute(_COUNT, {"id": found.id, "done": done}).one()
        while owners := self._next(found.id, done):
            for name, id in owners:
                done = f"{name} {id}"
                self._patiently(self._renew, found.id, kind, name, id, done, renewal)
                left = max(0, left - 1)
                told(total - left, total)
        self._verify(found.id, renewal)
        self.end(found.id)
        return renewal

    def _new_secret(self, _former: bytes) -> bytes:
        return self.keyring.wrap(self.institution, os.urandom(KEY_BYTES))

    def _switch(self, id: uuid.UUID, make: Callable[[bytes], bytes] | None) -> None:
        def switch() -> None:
            with self.transaction() as session:
                session.execute(text("set local lock_timeout = '1s'"))
                before = session.scalar(
                    text("select wrapped from institution_key where institution_id = :id"), {"id": self.institution}
                )
                after = None
                if make is not None:
                    after = make(self.keyring.unwrapped(self.institution, bytes(before or b"")))
                values = {"id": id, "before": before if after else None, "after": after}
                session.execute(text("select itm.switch_key(:id, :before, :after)"), values)

        self._patiently(switch)

    def _next(self, id: uuid.UUID, done: str) -> list[tuple[str, uuid.UUID]]:
        with self.transaction() as session:
            rows = session.execute(
                text("select owner, id from itm.key_owners(:id, :done, :most)"), {"id": id, "done": done, "most": BATCH}
            )
            return [(row.owner, row.id) for row in rows]

    def _read(self, session: Session, rotation: uuid.UUID, name: str, id: uuid.UUID) -> _Owner:
        rows = session.execute(
            text("select relation, id, sealed from itm.sealed_values(:rotation, :name, :id)"),
            {"rotation": rotation, "name": name, "id": id},
        ).all()
        return _Owner(name, id, [(row.relation, row.id, _bytes(row.sealed)) for row in rows if row.sealed])

    def _renew(self, rotation: uuid.UUID, kind: str, name: str, id: uuid.UUID, done: str, renewal: Renewal) -> None:
        with self.transaction() as session:
            if kind == "person":  # nobody may be at work with the key that is replaced
                session.execute(_ALONE, {"institution": str(self.institution)})
            keys = self.keyring.of_institution(session)
            owner = self._read(session, rotation, name, id)
            try:
                written = self._written(keys, kind, owner)
            except CannotDecrypt:
                written = []
                renewal.unreadable += 1
            for relation, row, sealed, terms in written:
                session.execute(
                    text(
                        "select itm.renew_values(:rotation, :name, :relation, :row, cast(:sealed as jsonb),"
                        " cast(:terms as bytea[]))"
                    ),
                    {"rotation": rotation, "name": name, "relation": relation, "row": row, "terms": terms,
                     "sealed": json.dumps({each: f"\\x{value.hex()}" for each, value in sealed.items()})},
                )  # fmt: skip
            session.execute(text("select itm.renewed_until(:id, :done)"), {"id": rotation, "done": done})
            renewal.records += bool(written)

    def _written(
        self, keys: InstitutionKeys, kind: str, owner: _Owner
    ) -> list[tuple[str, uuid.UUID, dict[str, bytes], list[bytes] | None]]:
        """The new sealed values of an owner: its key in the new wrapping; its values too if the key itself is new."""
        wrapped = owner.rows[0][2].pop("data_key")
        secret = keys.unwrapped(owner.name, owner.id, wrapped)
        plain = {
            (relation, row): self._opened(Key(secret), relation, row, sealed) for relation, row, sealed in owner.rows
        }
        if kind == "person":
            secret = os.urandom(KEY_BYTES)
        key, found = Key(secret), []
        for number, (relation, row, _sealed) in enumerate(owner.rows):
            values = plain[relation, row]
            sealed = {name: key.seal(self._place(relation, row, name), value) for name, value in values.items()}
            terms = None
            if number == 0:
                sealed["data_key"] = keys.wrap(owner.name, owner.id, secret)
                terms = _terms(keys, values) if owner.name == "person" else None
            if sealed:
                found.append((relation, row, sealed, terms))
        return found

    def _verify(self, rotation: uuid.UUID, renewal: Renewal) -> None:
        """Opens everything with the new keys alone. Raises Refusal, and the former key stays."""
        failed, done = 0, ""
        while owners := self._next(rotation, done):
            with self.transaction() as session:
                keys = self.keyring.of_institution(session).alone()
                for name, id in owners:
                    done = f"{name} {id}"
                    owner = self._patiently(self._read, session, rotation, name, id)
                    try:
                        secret = keys.unwrapped(name, id, owner.rows[0][2].pop("data_key"))
                        for relation, row, sealed in owner.rows:
                            self._opened(Key(secret), relation, row, sealed)
                    except CannotDecrypt:
                        failed += 1
        if failed > renewal.unreadable:
            code = self.context.institution_code
            raise Refusal(f"{code}: {failed} records do not open with the new key: the former one is kept")

    def _opened(self, key: Key, relation: str, row: uuid.UUID, sealed: Mapping[str, bytes]) -> dict[str, bytes]:
        return {name: key.open(self._place(relation, row, name), value) for name, value in sealed.items()}

    def _place(self, relation: str, row: uuid.UUID, name: str) -> Place:
        return Place(self.institution, relation, row, name)

    def _patiently(self, work: Callable[..., T], *given: Any) -> T:
        """Does it again while somebody else holds a lock. Raises Refusal after a while."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return work(*given)
            except OperationalError as error:
                if not isinstance(error.orig, psycopg.errors.LockNotAvailable) or time.monotonic() > until:
                    raise
                time.sleep(0.2)


def _bytes(sealed: Mapping[str, str]) -> dict[str, bytes]:
    return {name: bytes.fromhex(value[2:]) for name, value in sealed.items()}


def _terms(keys: InstitutionKeys, values: Mapping[str, bytes]) -> list[bytes]:
    plain = {name.removesuffix("_enc"): value.decode("utf-8") for name, value in values.items()}
    terms = person_index.terms_of(keys, plain)
    return sorted({*terms, os.urandom(blind_index.TERM_BYTES)}) if terms else []
