"""Finding one record by its id: a foreign, a missing and a malformed id are the same NotFound."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.sql.base import ExecutableOption

from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.roles import may
from itm_admin.record.models import TenantRecord

Id = uuid.UUID | str
_Record = TypeVar("_Record", bound=TenantRecord)


def identifier(value: uuid.UUID | str) -> uuid.UUID:
    """The id in its one written form; NotFound for anything else."""
    if isinstance(value, uuid.UUID):
        return value
    try:
        known = uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise NotFound from None
    if str(known) != value.lower():
        raise NotFound
    return known


def only_deleted(model: Any, wanted: bool) -> tuple[ColumnElement[bool], ...]:
    """The condition for deleted records, or for the others; none for a kind that nobody can delete."""
    gone = getattr(model, "deleted_at", None)
    return () if gone is None else (gone.is_not(None) if wanted else gone.is_(None),)


def get_visible(
    session: AnySession,
    model: type[_Record],
    record_id: uuid.UUID | str,
    subject: str,
    or_deleted: bool,
    lock: bool,
    options: tuple[ExecutableOption, ...],
) -> _Record:
    """The record that row-level security shows. NotFound if there is none; a deleted one needs `or_deleted`.

    `or_deleted` holds only for those who may restore the subject; `lock` keeps others from saving it until the
    transaction ends.
    """
    # populate_existing: what another transaction saved since is seen, not what this session remembers
    statement = select(model).where(model.id == identifier(record_id)).execution_options(populate_existing=True)
    if not (or_deleted and may(tenancy.current().roles, "restore", subject)):
        statement = statement.where(model.deleted_at.is_(None))
    if lock:
        statement = statement.with_for_update(key_share=True, of=model)
    found = session.scalars(statement.options(*options)).one_or_none()
    if found is None:
        raise NotFound
    return found
