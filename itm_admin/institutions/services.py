"""The register of institutions, and each one's tree of units.

The Presidency's supervisor registers, changes and suspends institutions; an institution's manager keeps its
units. Takes the session in a bound scope, checks, flushes, never commits. A code never changes: references of
cases and the ledger's origin carry it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from flask_babel import lazy_gettext as _l
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from itm_admin.foundation import tenancy, vocabulary
from itm_admin.foundation.errors import Conflict, Denied, Invalid, Message, NotFound
from itm_admin.foundation.name_folding import clean_name
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION, OVERSIGHT
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.institutions.models import Institution, InstitutionKey, Unit

AMBIGUOUS = frozenset({"SGK", "TBB"})
"""Codes that two bodies use in daily speech."""
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,15}")


class MakesKeys(Protocol):
    """The part of the keyring that a new institution needs."""

    def new_institution_key(self, institution: uuid.UUID) -> bytes: ...


@dataclass(frozen=True)
class Membership:
    """An institution's facts in the register, besides its code."""

    name_tr: str
    name_en: str
    kind: str
    member_from: date | None = None
    member_to: date | None = None
    votes: bool = True
    k_threshold: int | None = None


def register(session: Session, keyring: MakesKeys, code: str, membership: Membership) -> Institution:
    """A new institution with its ledger, its root unit and its key. For a supervisor, or `itm init`."""
    _require(OVERSIGHT, ACCOUNTS)
    values = _checked(membership, code)
    if session.scalar(select(Institution.id).where(Institution.code == code)) is not None:
        raise Invalid({"code": _l("This code is taken.")})
    institution = Institution(id=uuid.uuid4(), code=code, **values)
    session.add(institution)
    session.flush()
    session.add(Unit(institution_id=institution.id, name=_headquarters(membership)))
    # Without RETURNING: the wrapped key is written here and read only by those who work in the institution.
    wrapped = keyring.new_institution_key(institution.id)
    session.execute(insert(InstitutionKey.__table__).values(institution_id=institution.id, wrapped=wrapped))
    session.flush()
    return institution


def _headquarters(membership: Membership) -> str:
    """The root unit's name, in Turkish as all units' names are."""
    return "Merkez" if membership.kind != "international" else "Türkiye Ofisi"


def get(session: Session, institution_id: uuid.UUID) -> Institution:
    found = session.get(Institution, institution_id)
    if found is None:
        raise NotFound
    return found


def change(session: Session, institution_id: uuid.UUID, version: int, membership: Membership) -> Institution:
    """Changes the register's entry. Conflict if somebody else saved since `version`."""
    institution = _changeable(session, institution_id, version)
    values = _checked(membership)
    if "presidency" in (institution.kind, values["kind"]) and institution.kind != values["kind"]:
        raise Invalid({"kind": _l("There is one Presidency, and it stays.")})
    for name, value in values.items():
        setattr(institution, name, value)
    session.flush()
    return institution


def suspend(session: Session, institution_id: uuid.UUID, version: int) -> Institution:
    """Stops all work of the institution until it is reactivated; open sessions end with their next request."""
    institution = _changeable(session, institution_id, version)
    if institution.kind == "presidency":
        raise Denied(_l("The Presidency cannot be suspended."))
    institution.status = "suspended"
    session.flush()
    return institution


def reactivate(session: Session, institution_id: uuid.UUID, version: int) -> Institution:
    institution = _changeable(session, institution_id, version)
    institution.status = "active"
    session.flush()
    return institution


def units(session: Session, institution_id: uuid.UUID) -> list[tuple[Unit, int]]:
    """The tree in reading order: each unit with its depth, children in Turkish order below their parent."""
    found = session.execute(select(Unit).where(Unit.institution_id == institution_id)).scalars().all()
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


def get_unit(session: Session, unit_id: uuid.UUID) -> Unit:
    """A unit of the own institution. Raises NotFound."""
    found = session.execute(
        select(Unit).where(Unit.id == unit_id, Unit.institution_id == tenancy.current().institution)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def add_unit(session: Session, name: str, parent_id: uuid.UUID, province: str | None = None) -> Unit:
    """A new unit below another of the own institution."""
    _require(INSTITUTION)
    parent = _parent(session, parent_id)
    unit = Unit(institution_id=parent.institution_id, parent_id=parent.id, **_unit_values(name, province))
    session.add(unit)
    session.flush()
    return unit


def change_unit(
    session: Session,
    unit_id: uuid.UUID,
    version: int,
    name: str,
    parent_id: uuid.UUID | None,
    province: str | None = None,
) -> Unit:
    """Renames or moves a unit; it cannot move below itself, and the root stays the root."""
    _require(INSTITUTION)
    unit = get_unit(session, unit_id)
    if unit.row_version != version:
        raise Conflict(unit.row_version)
    if (unit.parent_id is None) != (parent_id is None):
        raise Invalid({"parent": _l("The institution's first unit stays the root of its tree.")})
    if parent_id is not None:
        parent = _parent(session, parent_id)
        _no_circle(session, unit, parent)
        unit.parent_id = parent.id
    for field, value in _unit_values(name, province).items():
        setattr(unit, field, value)
    session.flush()
    return unit


def _require(*scopes: str) -> None:
    if tenancy.current().scope not in scopes:
        raise Denied


def _changeable(session: Session, institution_id: uuid.UUID, version: int) -> Institution:
    _require(OVERSIGHT)
    found = session.get(Institution, institution_id, populate_existing=True)
    if found is None:
        raise NotFound
    if found.row_version != version:
        raise Conflict(found.row_version)
    return found


def _checked(membership: Membership, code: str | None = None) -> dict[str, Any]:
    wrong: dict[str, Message] = {}
    values: dict[str, Any] = {
        "kind": membership.kind,
        "member_from": membership.member_from,
        "member_to": membership.member_to,
        "votes": membership.votes,
        "k_threshold": membership.k_threshold,
    }
    if code is not None and not _CODE.fullmatch(code):
        wrong["code"] = _l("A code is 2 to 16 capital letters and digits, a letter first.")
    elif code in AMBIGUOUS:
        wrong["code"] = _l("This abbreviation stands for several bodies: choose another.")
    for field in ("name_tr", "name_en"):
        values[field] = clean_name(getattr(membership, field))
        if not values[field]:
            wrong[field] = _l("This field is required.")
        elif len(values[field]) > 200:
            wrong[field] = _l("This is too long.")
    if membership.kind not in vocabulary.codes("institution_kind"):
        wrong["kind"] = _l("This is not one of the choices.")
    if membership.member_from and membership.member_to and membership.member_to < membership.member_from:
        wrong["member_to"] = _l("The end is before the beginning.")
    if membership.k_threshold is not None and not 3 <= membership.k_threshold <= 100:
        wrong["k_threshold"] = _l("This must be a whole number from 3 to 100.")
    if wrong:
        raise Invalid(wrong)
    return values


def _unit_values(name: str, province: str | None) -> dict[str, Any]:
    tidy = clean_name(name)
    if not tidy:
        raise Invalid({"name": _l("This field is required.")})
    if len(tidy) > 200:
        raise Invalid({"name": _l("This is too long.")})
    return {"name": tidy, "province": vocabulary.check("province", province, "province") if province else None}


def _parent(session: Session, parent_id: uuid.UUID) -> Unit:
    try:
        return get_unit(session, parent_id)
    except NotFound:
        raise Invalid({"parent": _l("This is not one of the choices.")}) from None


def _no_circle(session: Session, unit: Unit, parent: Unit) -> None:
    above = {found.id: found.parent_id for found, _depth in units(session, unit.institution_id)}
    step: uuid.UUID | None = parent.id
    while step is not None:
        if step == unit.id:
            raise Invalid({"parent": _l("A unit cannot be below itself.")})
        step = above.get(step)
