"""Names the table that cannot be read, for the person who restores it.

Promise: of PostgreSQL's own message only a table's name is passed on: messages may hold values.
"""

from __future__ import annotations

import re
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from audit.store.session import pinned

_FILE = re.compile(r"\bbase/\d+/(\d+)")
_TOAST = re.compile(r"\bpg_toast_(\d+)")
_NAMED = re.compile(r'\b(?:index|relation|table) "([^"]+)"')
# The file may belong to an index, or to a table's long values (TOAST).
_TABLE = """
SELECT coalesce(x.indrelid, t.oid, c.oid)::regclass::text
FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid LEFT JOIN pg_class t ON t.reltoastrelid = c.oid
WHERE pg_relation_filenode(c.oid) = cast(:file AS oid) OR c.oid = cast(:toast AS oid)
   OR c.relname = :named AND c.relnamespace = ANY (ARRAY['audit', 'itm', 'public']::regnamespace[])
"""


def why(bind: Engine | Connection, error: Exception) -> str:
    """The error's kind and, for a damaged page or index, the table."""
    kind, said = type(error).__name__, str(getattr(error, "orig", error))
    found = {name: match[1] if (match := pattern.search(said)) else None
             for name, pattern in (("file", _FILE), ("toast", _TOAST), ("named", _NAMED))}  # fmt: skip
    if getattr(getattr(error, "orig", error), "sqlstate", None) not in ("XX000", "XX001", "XX002"):
        return kind
    with suppress(Exception), bind.engine.connect() as connection, pinned(connection):
        table = connection.execute(text(_TABLE), found).scalar()
        return f"{kind}: {table} is damaged" if table else kind
    return kind
