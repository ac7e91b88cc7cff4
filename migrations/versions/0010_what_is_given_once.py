"""Nobody writes values that are given once, derived or stamped: columns, ages, keys, times, destroyed values.

The panel's login may update the columns that people change, and no others. Protected values go with an erasure by a
manager; else a value that is cleared is a change of content, under the rules of one.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
