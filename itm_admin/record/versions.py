"""Two people and one record: the version that was seen, and what a page shows of the newer one."""

from __future__ import annotations

from typing import Any

from itm_admin.foundation.errors import Conflict
from itm_admin.record import protected_values
from itm_admin.record.models import Stamped

NEVER_SHOWN = frozenset({"id", "institution_id", "data_key", "index_terms"})


def expect(record: Stamped, version: int) -> None:
    """Conflict with the newer version's values, if somebody saved since `version` was read."""
    if record.row_version != version:
        raise Conflict(record.row_version, shown_values(record))


def shown_values(record: Stamped) -> dict[str, Any]:
    """A record's fields as a page may show them, named as in the schemas; protected ones masked."""
    hidden = protected_values.masked(record)
    skipped = NEVER_SHOWN | {f"{name}_enc" for name in hidden}
    plain = {column.key: getattr(record, column.key) for column in type(record).__table__.columns}  # type: ignore[attr-defined]
    return {**{name: value for name, value in plain.items() if name not in skipped}, **hidden}
