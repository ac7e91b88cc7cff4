"""The register of institutions, and each one's tree of units: the rules beside those of every record.

The Presidency's supervisor registers, changes and suspends institutions; an institution's manager keeps its units. A
code never changes: references of cases and the ledger's origin carry it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, insert, select

from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import Denied, Invalid, Message
from itm_admin.foundation.key_pairs import add_pair
from itm_admin.foundation.roles import OVERSIGHT
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.foundation.vocabulary import NOT_A_CHOICE
from itm_admin.institutions.models import Institution, InstitutionKey, Unit
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.lookup import Id

AMBIGUOUS = frozenset({"SGK", "TBB"})
"""Codes that two bodies use in daily speech."""


class Institutions(RecordInterface[Institution]):
    """The register. An institution comes with its ledger, its root unit, its key and its key pair."""

    def pre_add(self, session: AnySession, record: Institution, values: Mapping[str, Any], parent: Any) -> None:
        wrong: dict[str, Message] = _backwards(values.get("member_from"), values.get("member_to"))
        if values["code"] in AMBIGUOUS:
            wrong["code"] = _l("This abbreviation stands for several bodies: choose another.")
        elif session.scalar(select(Institution.id).where(Institution.code == values["code"])) is not None:
            wrong["code"] = _l("This code is taken.")
        if wrong:
            raise Invalid(wrong)

    def post_add(self, session: AnySession, keyring: Keyring, record: Institution, parent: Any) -> None:
        root = "Merkez" if record.kind != "international" else "Türkiye Ofisi"  # in Turkish as all units' names are
        session.add(Unit(institution_id=record.id, name=root))
        # Without RETURNING: the wrapped key is written here and read only by those who work in the institution.
        wrapped = keyring.new_institution_key(record.id)
        session.execute(insert(InstitutionKey.__table__).values(institution_id=record.id, wrapped=wrapped))
        add_pair(session, keyring, keyring.unwrap(record.id, wrapped))
        session.flush()

    def pre_update(self, session: AnySession, record: Institution, values: Mapping[str, Any], parent: Any) -> None:
        kind = values.get("kind", record.kind)
        if "presidency" in (record.kind, kind) and record.kind != kind:
            raise Invalid({"kind": _l("There is one Presidency, and it stays.")})
        begins, ends = (values.get(name, getattr(record, name)) for name in ("member_from", "member_to"))
        if wrong := _backwards(begins, ends):
            raise Invalid(wrong)

    def suspend(self, session: AnySession, id: Id, version: int) -> Institution:
        """Stops all work of the institution until it is reactivated; open sessions end with their next request."""
        institution = self.get_to_change(session, id, "edit", version)
        if institution.kind == "presidency":
            raise Denied(_l("The Presidency cannot be suspended."))
        institution.status = "suspended"
        session.flush()
        return institution

    def reactivate(self, session: AnySession, id: Id, version: int) -> Institution:
        institution = self.get_to_change(session, id, "edit", version)
        institution.status = "active"
        session.flush()
        return institution


class Units(RecordInterface[Unit]):
    """The units of the own institution, each below another; the root stays the root."""

    def reach(self) -> Sequence[ColumnElement[bool]]:
        return (Unit.institution_id == tenancy.current().institution,)

    def pre_add(self, session: AnySession, record: Unit, values: Mapping[str, Any], parent: Any) -> None:
        self._above(session, values["parent_id"])

    def edit_found(
        self, session: AnySession, keyring: Keyring, record: Unit, parent: Any, data: Mapping[str, Any], version: int,
        columns: Any,
    ) -> Unit:  # fmt: skip
        """The root's form names no unit above."""
        if record.parent_id is None and not data.get("parent_id"):
            data = {name: value for name, value in data.items() if name != "parent_id"}
        return super().edit_found(session, keyring, record, parent, data, version, columns)

    def pre_update(self, session: AnySession, record: Unit, values: Mapping[str, Any], parent: Any) -> None:
        if "parent_id" not in values:
            return
        if record.parent_id is None:
            raise Invalid({"parent_id": _l("The institution's first unit stays the root of its tree.")})
        above = {found.id: found.parent_id for found, _depth in units(session, record.institution_id)}
        step: uuid.UUID | None = self._above(session, values["parent_id"]).id
        while step is not None:
            if step == record.id:
                raise Invalid({"parent_id": _l("A unit cannot be below itself.")})
            step = above.get(step)

    def _above(self, session: AnySession, id: uuid.UUID) -> Unit:
        found: Unit | None = session.scalar(select(Unit).where(Unit.id == id, *self.reach()))
        if found is None:
            raise Invalid({"parent_id": NOT_A_CHOICE})
        return found


def units(session: AnySession, institution: uuid.UUID | None) -> list[tuple[Unit, int]]:
    """The units in reading order: each with its depth, children in Turkish order below their parent."""
    found = session.scalars(select(Unit).where(Unit.institution_id == institution)).all()
    below: dict[uuid.UUID | None, list[Unit]] = {}
    for unit in sorted(found, key=lambda each: turkish_sort_key(each.name)):
        below.setdefault(unit.parent_id, []).append(unit)
    ordered: list[tuple[Unit, int]] = []
    waiting = [(unit, 0) for unit in reversed(below.get(None, []))]
    while waiting:
        unit, depth = waiting.pop()
        ordered.append((unit, depth))
        waiting.extend((child, depth + 1) for child in reversed(below.get(unit.id, [])))
    return ordered


def add_unit(session: AnySession, name: str, above: uuid.UUID, province: str | None = None) -> Unit:
    """A new unit, as its form makes one."""
    no_keys: Any = None  # a unit has nothing protected
    return UNITS.add(session, no_keys, None, {"name": name, "parent_id": above, "province": province}, UNIT_COLUMNS)


def _backwards(begins: Any, ends: Any) -> dict[str, Message]:
    return {"member_to": _l("The end is before the beginning.")} if begins and ends and ends < begins else {}


INSTITUTIONS = Institutions(Institution, subject="OversightInstitution", scopes=(OVERSIGHT,))
UNITS = Units(Unit)
UNIT_COLUMNS = ("name", "parent_id", "province")
