"""Mail: what is told to people and to auditors, and links that nobody but the receiver sees."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
