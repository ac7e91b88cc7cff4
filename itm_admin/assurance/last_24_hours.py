"""A chart of the ledgers' last 24 hours: verified, signed, and cosigned by witnesses?

Counts only entries that the reader's row-level security shows, in one statement; the chart's table has it in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import text

from itm_admin.assurance.ledger_queries import AnyRow, AnySession
from itm_admin.foundation import charts
from itm_admin.foundation.charts import Picture, StripCell
from itm_admin.foundation.i18n import TIMEZONE

HOURS = 24
_HERE = ZoneInfo(TIMEZONE)
_COUNTS = """
SELECT h.hour, coalesce(v.intact, 0) AS intact, coalesce(v.tampered, 0) AS tampered, coalesce(v.unknown, 0) AS unknown,
       coalesce(c.signed, 0) AS signed, coalesce(c.cosigned, 0) AS cosigned
FROM generate_series(:since, :until, interval '1 hour') AS h(hour)
LEFT JOIN (
    SELECT date_trunc('hour', recorded_at, 'UTC') AS hour, count(*) FILTER (WHERE verdict = 'intact') AS intact,
           count(*) FILTER (WHERE verdict = 'tampered') AS tampered,
           count(*) FILTER (WHERE verdict = 'cannot tell') AS unknown
    FROM audit.verification WHERE recorded_at >= :since GROUP BY 1
) v USING (hour)
LEFT JOIN (
    SELECT date_trunc('hour', k.signed_at, 'UTC') AS hour, count(*) AS signed,
           count(*) FILTER (WHERE EXISTS (SELECT FROM audit.cosignature s
                                          WHERE s.ledger_id = k.ledger_id AND s.size = k.size)) AS cosigned
    FROM audit.checkpoint k WHERE k.signed_at >= :since GROUP BY 1
) c USING (hour)
ORDER BY h.hour
"""


def last_day(session: AnySession, now: datetime | None = None) -> Picture:
    """One cell an hour, the running hour last."""
    until = (now or datetime.now(UTC)).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    since = until - timedelta(hours=HOURS - 1)
    rows = session.execute(text(_COUNTS), {"since": since, "until": until}).all()
    lines = [
        (_("Checks"), [_check(row) for row in rows]),
        (_("Checkpoints"), [_checkpoint(row) for row in rows]),
        (_("Witnesses"), [_witness(row) for row in rows]),
    ]
    moments = [row.hour.astimezone(_HERE).strftime("%H.00") for row in rows]
    return charts.strip("last-day", _("The last 24 hours"), _said(rows), lines, moments, _("Hour"))


def _said(rows: Sequence[AnyRow]) -> str:
    tampered = sum(row.tampered for row in rows)
    if tampered:
        said = ngettext(
            "%(num)s check found tampering. The table says when.",
            "%(num)s checks found tampering. The table says when.",
            tampered,
        )
    else:
        said = _("✓ all is well · ! tampering · ? could not tell · ~ in part · – nothing in that hour")
    return str(said)


def _check(row: AnyRow) -> StripCell:
    if row.tampered:
        words = ngettext("%(num)s check found tampering", "%(num)s checks found tampering", row.tampered)
        return StripCell("!", "bad", words)
    if row.unknown:
        return StripCell(
            "?", "warn", ngettext("%(num)s check could not tell", "%(num)s checks could not tell", row.unknown)
        )
    if row.intact:
        return StripCell("✓", "good", ngettext("%(num)s check, intact", "%(num)s checks, all intact", row.intact))
    return StripCell("–", "neutral", _("No check"))


def _checkpoint(row: AnyRow) -> StripCell:
    if row.signed:
        return StripCell("✓", "good", ngettext("%(num)s checkpoint signed", "%(num)s checkpoints signed", row.signed))
    return StripCell("–", "neutral", _("Nothing signed"))


def _witness(row: AnyRow) -> StripCell:
    if not row.cosigned:
        return StripCell("–", "neutral", _("Nothing cosigned"))
    words = ngettext("%(num)s checkpoint cosigned", "%(num)s checkpoints cosigned", row.cosigned)
    return StripCell("✓", "good", words) if row.cosigned == row.signed else StripCell("~", "warn", words)
