"""The Presidency's first page: all institutions with counts and last activity, and the nation's totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _

from itm_admin.accounts import grants
from itm_admin.foundation import access, charts, national
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.charts import ChartRow, Count, Picture
from itm_admin.foundation.formats import label, number
from itm_admin.oversight import board
from itm_admin.oversight.board import AnyRow, AnySession
from itm_admin.oversight.lists import INSTITUTIONS
from itm_admin.oversight.provinces import PLACES


def presidency_home(session: AnySession) -> dict[str, Any]:
    """The values for `oversight/home.html`: counts without identities."""
    rows = board.institutions(session)
    record_read("record.list", "institution", subjects=[row.id for row in rows], detail={"page": "home"})
    wanted = INSTITUTIONS.read(request.args)
    totals = board.totals(rows)
    return {
        "at_work": INSTITUTIONS.all((row for row in rows if row.last_activity), wanted),
        "idle": INSTITUTIONS.all((row for row in rows if not row.last_activity), wanted),
        "totals": totals,
        "waiting": grants.what_waits(session, g.actor),
        "figures": [(_("Institutions"), totals.institutions, "#institutions"), *figures(totals)],
        "provinces": _provinces(board.by_province(session)),
        "years": _years(board.by_year(session)),
        "exploitations": _exploitations(board.by_exploitation(session)),
    }


def figures(counts: board.Totals | AnyRow, **chosen: Any) -> list[tuple[str, int, str | None]]:
    """(name, count, address of exactly the counted records) for all institutions or one."""
    accounts = access.allowed("AuditAccountView.list", g.actor)
    return [
        (_("Cases"), counts.cases, None),
        (_("Open cases"), counts.open_cases, None),
        (_("Not shared"), counts.unshared, None),
        (_("Shared cases"), counts.shared, _cases(**chosen)),
        (_("Open shared cases"), counts.shared_open, _cases(open="yes", **chosen)),
        (_("Persons"), counts.persons, None),
        (_("Accounts"), counts.accounts, url_for("AuditAccountView.list", **chosen) if accounts else None),
    ]


def _provinces(rows: Sequence[AnyRow]) -> Picture:
    counts = {
        code: Count(label(code, "province"), times, _cases(province=code)) for code, times in rows if code in PLACES
    }
    head = (_("Province"), _("Shared cases"))
    return charts.tiles("provinces", _("By province"), PLACES, counts, head, lambda code: code.removeprefix("TR-"))


def _years(rows: Sequence[AnyRow]) -> Picture:
    """Shared cases by year; behind them the victims whom the country identified, as published."""
    published, counted = national.by_year(), {int(year): times for year, times in rows}
    counts = [
        Count(
            str(year),
            counted.get(year, 0),
            _cases(**{"from": f"{year:04}-01-01", "to": f"{year:04}-12-31"}) if year in counted else None,
        )
        for year in sorted({*published, *counted})
    ]
    head = (_("Year"), _("Shared cases"), _("Victims identified in the country, as published"), _("Published in"))
    behind = {str(year): each.value for year, each in published.items()}
    picture = charts.columns("years", _("By year"), counts, head, behind)
    sources = ", ".join(dict.fromkeys(name for each in published.values() for name in each.source.split(", ")))
    said = _(
        "Columns: shared cases of this installation. Line: victims identified in the country, as published"
        " (%(sources)s). The two do not count the same.",
        sources=sources,
    )
    lines = [
        ChartRow((*row.cells, *_published(published.get(int(count.label)))), row.url)
        for row, count in zip(picture.rows, counts, strict=True)
    ]
    return replace(picture, said=said, rows=lines)


def _published(figure: national.Figure | None) -> tuple[str, str]:
    return (number(figure.value), figure.source) if figure else ("–", "–")


def _exploitations(rows: Sequence[AnyRow]) -> Picture:
    counts = [Count(label(code, "exploitation_type"), times, _cases(exploitation=code)) for code, times in rows]
    head = (_("Type of exploitation"), _("Shared cases"))
    return charts.bars("exploitations", _("By type of exploitation"), counts, head)


def _cases(**chosen: Any) -> str:
    """The list of the cases that were counted."""
    return url_for("OversightCaseView.list", **chosen)
