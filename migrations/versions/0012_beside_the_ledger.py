"""The tables beside the ledger are compared with it, and an upgrade is told in it."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
