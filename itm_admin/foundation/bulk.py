"""Changes several records that were chosen on a list: all or none.

Every record is changed by the same service that changes it alone, with the version that the person saw, so each
has an event of its own. They share one transaction: if one is refused none is changed, and the person sees which one
and the reason. A half-changed list would be a state that nobody asked for.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict

from itm_admin.foundation.errors import Conflict, Denied, DomainError, Invalid, Locked, NotFound
from itm_admin.foundation.list_parts import PAGE_SIZES

MOST = PAGE_SIZES[-1]
"""The most records at once: those on one page of a list."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAME = "chosen"
"""The name of the boxes; their value is an id and a version."""


@dataclass(frozen=True)
class Chosen:
    """A record as the person saw it."""

    id: uuid.UUID
    version: int


@dataclass(frozen=True)
class Line:
    """One record on the page that asks: its words, and the reason if it was refused."""

    value: str
    name: str
    about: str
    refusal: str = ""


class RecordsRefused(DomainError):
    """Nothing was changed, because of these records: id and reason."""

    code = "conflict"
    default = _l("Nothing was changed, because of the records that are marked below.")

    def __init__(self, reasons: Mapping[uuid.UUID, str]) -> None:
        super().__init__()
        self.reasons = dict(reasons)


def read(values: Sequence[str]) -> list[Chosen]:
    """The chosen records, each once. Raises Invalid if none was chosen, or the values are not a list's boxes."""
    if not values:
        raise Invalid({NAME: _l("Choose at least one row first.")})
    if len(values) > MOST:
        raise Invalid({NAME: _l("Choose fewer rows at once.")})
    found: dict[uuid.UUID, Chosen] = {}
    for text in values:
        id, _colon, version = text.partition(":")
        try:
            known = uuid.UUID(id)
        except ValueError:
            raise Invalid from None
        if str(known) != id or not (version.isascii() and version.isdigit() and len(version) <= 9):
            raise Invalid
        found[known] = Chosen(known, int(version))
    return list(found.values())


def ids_in(form: MultiDict[str, str]) -> tuple[str, ...]:
    """The ids among the boxes that were sent, for the entry of a refusal; nothing of what is no id."""
    sent = (text.partition(":")[0] for text in form.getlist(NAME)[: MOST + 1])
    return tuple(dict.fromkeys(id for id in sent if _ID.fullmatch(id)))


def all_or_nothing(wanted: Iterable[Chosen], work: Callable[[Chosen], object]) -> bool:
    """Does the work for each record, in the same order for everybody. Raises RecordsRefused if one was refused."""
    reasons: dict[uuid.UUID, str] = {}
    for each in sorted(wanted, key=lambda chosen: chosen.id):
        try:
            work(each)
        except (Conflict, Denied, Invalid, Locked, NotFound) as error:
            reasons[each.id] = str(error)
    if reasons:
        raise RecordsRefused(reasons)
    return True
