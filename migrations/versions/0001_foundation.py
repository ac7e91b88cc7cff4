"""The first schema: the ledger, the tenants, their records, and every rule the database keeps.

Written as SQL files beside this one, in the order of their numbers, since policies, triggers and
privileges are what matters here. Frozen once released: later changes are migrations of their own.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from audit import store
from itm_admin.foundation.database import roles

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parent / "0001"


def upgrade() -> None:
    connection = op.get_bind()
    roles.check(connection)
    store.install(connection)
    for script in sorted(SCRIPTS.glob("*.sql")):
        connection.exec_driver_sql(script.read_text("utf-8"), execution_options={"no_parameters": True})


def downgrade() -> None:
    raise NotImplementedError("The ledger is append-only: there is no way back before its first entry.")
