"""The oldest entry without a checkpoint is told to everybody who asks whether the panel is ready.

Rules of this house: migrations/script.py.mako. No covered column changes here.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
