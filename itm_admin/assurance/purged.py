"""The refusal for an entry whose content was purged: it names the entry that records the purge."""

from __future__ import annotations

import uuid
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session, scoped_session

from audit.store.snapshot import purges
from itm_admin.foundation.errors import NotFound


def not_found(session: Session | scoped_session[Any], ledger: uuid.UUID, seq: int) -> NotFound:
    """The refusal for an entry that is missing, or not for this person: row-level security shows them no purge."""
    for purge in purges(session.connection(), ledger):
        if purge.first <= seq < purge.stop:
            return NotFound(
                _l(
                    "The content of entry %(seq)s was destroyed after its retention time. "
                    "Entry %(by)s says so; the hashes remain and still prove.",
                    seq=seq,
                    by=purge.seq,
                )
            )
    return NotFound()
