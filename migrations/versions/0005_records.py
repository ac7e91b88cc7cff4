"""Cases, persons and profiles: who is in the circle, what is locked, what is derived, and how often may be looked.

Rules of the domain that only the services kept are kept by the database too (30_rules.sql, 40_looks.sql).
Ages belong to a person's place in a case: case_person is covered in a new shape, and so is case_file, whose
confidentiality is lowered for a reason.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from itm_admin.foundation.database.migration import run_scripts

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_scripts(op.get_bind(), Path(__file__).parent / revision)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore a backup, or migrate onwards.")
