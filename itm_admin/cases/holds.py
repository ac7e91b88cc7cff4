"""Legal holds: a case or a person that must not be erased, by a manager's word and for a coded reason.

Flushed, never committed, as in services.py. A hold keeps from erasure and shredding, and keeps
what is stored in protected fields (`itm.values_are_held`); people go on working.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask_babel import lazy_gettext as _l

from itm_admin.cases import lookup
from itm_admin.cases.models import Case, Person
from itm_admin.cases.schemas import HoldInput, ReleaseInput
from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Locked
from itm_admin.record import protected_values
from itm_admin.record.lookup import Id
from itm_admin.record.permissions import require, require_management
from itm_admin.record.schema import load
from itm_admin.record.versions import expect


def hold(
    session: AnySession, kind: type[Case | Person], id: Id, data: Mapping[str, Any], version: int
) -> Case | Person:
    """Sets a hold (HoldInput). Locked if there is one, or if the person was erased."""
    record = _record(session, kind, id, version)
    if record.hold_reason is not None:
        raise Locked(_l("There is a legal hold already."))
    record.hold_reason = load(HoldInput, data)["reason"]
    session.flush()
    return record


def release(
    session: AnySession, kind: type[Case | Person], id: Id, data: Mapping[str, Any], version: int
) -> Case | Person:
    """Lifts the hold (ReleaseInput); why stands in the entry, as its purpose. Locked if there is none."""
    record = _record(session, kind, id, version)
    if record.hold_reason is None:
        raise Locked(_l("There is no legal hold."))
    reason = load(ReleaseInput, data)["reason"]
    record.hold_reason = None
    bound = tenancy.current()
    tenancy.bind(replace(bound, purpose=reason), session)
    session.flush()
    tenancy.bind(bound, session)
    return record


def _record(session: AnySession, kind: type[Case | Person], id: Id, version: int) -> Case | Person:
    actor = require("hold", kind.__name__)
    get = lookup.get_case if kind is Case else lookup.get_person
    record: Case | Person = get(session, id, or_deleted=True, lock=True)
    require_management(record.unit_id, actor)
    protected_values.refuse_erased(record)
    expect(record, version)
    return record
