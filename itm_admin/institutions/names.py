"""Names of institutions by the code that stands in a ledger or an address, or by the id that stands in a record.

The register is read at most once in a request; everybody who is signed in may read it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from flask import g
from sqlalchemy import select

from itm_admin.foundation.database import db
from itm_admin.foundation.i18n import language
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.institutions.models import Institution


def name_by_code(code: str | None) -> str:
    """The name in the page's language; the code itself if the register has no such institution."""
    return _names().get(code, code) if code else ""


def full_name_by_code(code: str | None) -> str:
    """The name with its code behind it; the code alone if the register has no such institution."""
    name = _names().get(code) if code else None
    return f"{name} ({code})" if name else code or ""


def names_by_id(ids: Iterable[uuid.UUID]) -> list[str]:
    """Their names with their codes behind them, in the alphabet's order; an unknown one is left out."""
    wanted = frozenset(ids)
    return sorted((full_name_by_code(code) for code, id in _ids().items() if id in wanted), key=turkish_sort_key)


def _ids() -> Mapping[str, uuid.UUID]:
    _names()
    return g.institution_ids  # type: ignore[no-any-return]


def _names() -> Mapping[str, str]:
    if "institution_names" not in g:
        columns = (Institution.id, Institution.code, Institution.name_tr, Institution.name_en)
        rows = db.session.execute(select(*columns)).all()
        g.institution_ids = {row.code: row.id for row in rows}
        g.institution_names = {row.code: (row.name_tr, row.name_en) for row in rows}
    place = 0 if language() == "tr" else 1
    return {code: names[place] for code, names in g.institution_names.items()}
