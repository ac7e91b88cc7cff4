"""The Presidency's first page: all institutions with counts and last activity, and the nation's totals."""

from __future__ import annotations

from typing import Any

from itm_admin.foundation.i18n import language
from itm_admin.foundation.reading import looked_at
from itm_admin.oversight import board
from itm_admin.oversight.board import AnyRow, AnySession


def presidency_home(session: AnySession) -> dict[str, Any]:
    """What `oversight/home.html` shows: counts without identities."""
    rows = board.institutions(session)
    looked_at("record.list", "institution", subjects=[row.id for row in rows], detail={"page": "home"})
    return {
        "institutions": rows,
        "totals": board.totals(rows),
        "years": board.by_year(session),
        "provinces": board.by_province(session),
        "exploitations": board.by_exploitation(session),
        "name_of": name_of,
    }


def name_of(row: AnyRow) -> str:
    """An institution's name in the language of the page."""
    return str(row.name_en if language() == "en" else row.name_tr)
