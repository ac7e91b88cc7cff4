"""The identifiers of an institution's rows, by table: somebody of another institution may come to know them."""

from __future__ import annotations

import uuid

from tests.factories import Tenant
from tests.panel.panel_app import RunningPanel

_TABLES = """
select c.relname as name,
       array_agg(a.attname::text order by a.attname) as columns,
       array_agg(a.attname::text) && array['institution_id', 'holder'] as owned,
       case when 'institution_id' = any (array_agg(a.attname::text)) then 'institution_id' else 'holder' end as owner
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where a.atttypid = 'uuid'::regtype and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
 group by c.relname order by c.relname
"""


def of(panel: RunningPanel, tenant: Tenant) -> dict[str, uuid.UUID]:
    """One identifier of the institution's from each table that has rows of it, and its ledger's."""
    found = {"audit.ledger": panel.value("select id from audit.ledger where holder = :id", id=tenant.id)}
    for table in panel.rows(_TABLES):
        own = [column for column in table.columns if column not in ("institution_id", "holder")]
        if not table.owned or not own:
            continue
        key = "id" if "id" in own else own[0]
        rows = panel.rows(
            f"select {key} from {table.name} where {table.owner} = :id and {key} is not null order by {key} limit 1",
            id=tenant.id,
        )
        if rows:
            found[table.name] = rows[0][0]
    return found
