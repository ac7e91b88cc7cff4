"""A record's table is kept by one call: row security, stamps, rules, states, capture, erasure, grants.

`itm.keep` (30_keep.sql) writes ordinary policies and triggers and notes its arguments in `itm.kept`. What is protected
about whom stands in `itm.protected`: erasing loops over that (40_erasure.sql), and a hold keeps it (70_states.sql). All
rules of today fire always, and lists of states are trigger arguments. Rows of two parties are written together
(70_two_parties.sql).
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
