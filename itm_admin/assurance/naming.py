"""Names for ids in the ledger: reference, pseudonym, a colleague's name, a unit's.

Queried once for each page from the database, which names a record only to people who may see it (`itm.names`). An id
without a name is shown by its kind alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from flask import g
from sqlalchemy import Row, text
from sqlalchemy.orm import Session, scoped_session

from itm_admin.foundation import audited_reads, record_ids
from itm_admin.foundation.i18n import language

AnySession = Session | scoped_session[Any]
MOST = 2000
"""The most ids on a page that get a name."""
_NAMES = text(
    "select n.id, n.kind, n.name, i.name_tr, i.name_en, null::uuid as inside"
    " from (select id, kind, name from itm.names(cast(:ids as uuid[]))"
    "  union all select id, kind, name from itm.names_of_access(cast(:ids as uuid[]))) n"
    " left join public.institution i on n.kind in ('institution', 'ledger') and i.code = n.name"
    " union all select id, null, null, null, null, inside from itm.names_inside(cast(:ids as uuid[]))"
)


def ids_in(*texts: str | None) -> set[str]:
    """The ids in these texts."""
    return {id for each in texts if each for id in record_ids.ids_in(each)}


def learn(session: AnySession, ids: Iterable[str | uuid.UUID | None]) -> None:
    """Reads names for the rest of this request."""
    names = _names()
    new = sorted(id for id in ids_in(*(str(id) for id in ids if id)) if id not in names)[:MOST]
    if new:
        names.update(dict.fromkeys(new))
        rows = session.execute(_NAMES, {"ids": new})
        for row in rows:
            if row.inside is None:
                names[str(row.id)] = _name(row)
                _kinds().setdefault(str(row.id), []).append(row.kind)
            else:
                _inside().setdefault(str(row.id), []).append(str(row.inside))


def name_of(id: str | uuid.UUID | None) -> str | None:
    """A name read by `learn`; None if there is none, or none for this reader."""
    return _names().get(str(id)) if id else None


def kinds_of(id: str | uuid.UUID) -> list[str]:
    """The kinds of record that `learn` found under this id; none where the reader sees none."""
    return _kinds().get(str(id), [])


def told_with(ids: Iterable[str]) -> list[str]:
    """These ids, and those of the records whose names stand in theirs: a link's name is of a person and a case."""
    return list(dict.fromkeys(each for id in ids for each in (id, *_inside().get(id, ()))))


def _kinds() -> dict[str, list[str]]:
    if "record_kinds" not in g:
        g.record_kinds = {}
    return g.record_kinds  # type: ignore[no-any-return]


def _inside() -> dict[str, list[str]]:
    if "record_names_inside" not in g:
        g.record_names_inside = {}
    return g.record_names_inside  # type: ignore[no-any-return]


class Names(dict[str, str | None]):
    """Names by id. One that is asked for is shown, so the entry of the page has its id."""

    def get(self, key: Any, default: Any = None) -> Any:
        found = super().get(key, default)
        audited_reads.named(key if found else None)
        return found


def named() -> Mapping[str, str | None]:
    return _names()


def _name(row: Row[Any]) -> str | None:
    """The database calls institutions and their ledgers by code: people read the name first."""
    name = row.name_tr if language() == "tr" else row.name_en
    return f"{name} ({row.name})" if name else row.name


def _names() -> Names:
    if "record_names" not in g:
        g.record_names = Names()
    return g.record_names  # type: ignore[no-any-return]
