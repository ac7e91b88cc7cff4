"""The auditor's first page: verdicts, what is broken, the latest refusals, reveals and exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from itm_admin.assurance import labels, ledger_queries, paging
from itm_admin.assurance.last_24_hours import last_day
from itm_admin.assurance.ledger_queries import AnyRow, AnySession
from itm_admin.assurance.scheduler_watch import scheduler_seen
from itm_admin.assurance.showing import ids_of, told
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.list_parts import Query

_SHOWN = 5


def auditor_home(session: AnySession) -> dict[str, Any]:
    """The values for `assurance/home.html`."""
    ledgers = ledger_queries.ledgers(session)
    latest = [
        (_("Latest refusals"), None, "denied", _latest(session, outcome="denied")),
        (_("Latest reveals"), "record.reveal", None, _latest(session, action="record.reveal")),
        (_("Latest exports"), "record.export", None, _latest(session, action="record.export")),
    ]
    rows = [row for *_title, found in latest for row in found]
    lines = iter(told(session, rows, _url))
    shown_ids = [str(row.id) for row in ledgers] + ids_of(rows)
    record_read("record.list", "ledger", subjects=list(dict.fromkeys(shown_ids)), detail={"page": "home"})
    counts = Counter(row.verdict for row in ledgers if row.verdict)
    return {
        "ledgers": ledgers,
        "verdicts": [(word, counts[word]) for word in labels.VERDICTS if counts[word]],
        "unverified": sum(1 for row in ledgers if row.verdict is None),
        "broken": [row for row in ledgers if row.verdict not in (None, "intact")],
        "last_verified": max((row.verified_at for row in ledgers if row.verified_at), default=None),
        "alive": scheduler_seen(),
        "last_day": last_day(session),
        "latest": [
            (title, action, outcome, list(islice(lines, len(found)))) for title, action, outcome, found in latest
        ],
        "words": labels,
    }


def _latest(session: AnySession, **chosen: str) -> Sequence[AnyRow]:
    found = paging.page(session, Query(size=_SHOWN, chosen=chosen))
    return found.rows


def _url(row: AnyRow) -> str:
    return url_for("LedgerView.entry", id=row.ledger_id, seq=row.seq)
