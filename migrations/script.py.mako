"""${message}

Rules of this house, to be kept or to be argued with here:
- A lock is waited for 4 s, a statement runs 30 s (migrations/env.py): fill and check large tables in steps.
- Row-level security is forced, for the owner too: a data migration sees no row without a policy for it.
  Give it one for its duration and assert the number of rows that it changed.
- A table of records is made like itm.record and kept by itm.keep (0013/30_keep.sql); columns that are added to it
  later by itm.keep_columns. Another table with an institution has policies (USING and WITH CHECK, naming their
  roles), composite foreign keys, its capture trigger, its grants, and a COMMENT on every column with personal data.
- A rule's trigger is ENABLE ALWAYS, states are steps (itm.keep_states), a sealed column stands in itm.protected.
- A change of covered columns or of their values appends baseline events in a new shape: without them every row is
  found changed (audit/DESIGN.md).
- What it makes is written down beside it, for verification: python -m tests.house.catalogue (catalogue.json).
- Nothing is dropped in the release that stops using it. There is no downgrade.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
