"""Changes several records that were chosen on a list: all or none.

Every record is changed by the same service that changes it alone, with the version that the person saw, so each
has an event of its own. They share one transaction: if one is refused none is changed, and the person sees which one
and the reason. A half-changed list would be a state that nobody asked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flask import flash
from flask_babel import lazy_gettext as _l
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.foundation.errors import Conflict, Denied, DomainError, Invalid, Locked, Message, NotFound
from itm_admin.foundation.forms import PanelForm
from itm_admin.foundation.list_parts import PAGE_SIZES

MOST = PAGE_SIZES[-1]
"""The most records at once: those on one page of a list."""
NAME = "chosen"
"""The name of the boxes; their value is an id and a version."""
OFFERED = "offered"
"""The name of the same values of all boxes on the page that asks: a box that is not ticked is not sent."""
NOTHING_CHOSEN = _l("Choose at least one row first.")


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
    chosen: bool = True


class RecordsRefused(DomainError):
    """Nothing was changed, because of these records: id and reason."""

    code = "conflict"
    default = _l("Nothing was changed, because of the records that are named below.")

    def __init__(
        self, reasons: Mapping[uuid.UUID, str], invalid: Mapping[uuid.UUID, Mapping[str, Message]] | None = None
    ) -> None:
        super().__init__()
        self.reasons = dict(reasons)
        self.invalid = dict(invalid or {})
        """Of the records for which a value does not fit: the value's name and what is wrong."""

    def tell(self, form: PanelForm) -> frozenset[uuid.UUID]:
        """Puts what is wrong with the form's own values beside them. The records for which only they are at fault."""
        fields = {field.name: field for field in form}
        fitting = frozenset(id for id, wrong in self.invalid.items() if wrong and wrong.keys() <= fields.keys())
        for id in sorted(fitting):
            for name, message in self.invalid[id].items():
                if str(message) not in fields[name].errors:
                    fields[name].errors = [*fields[name].errors, str(message)]
        return fitting


@dataclass
class Asked:
    """The boxes of the page that asks: those that are there, the chosen ones, and why some were refused."""

    chosen: list[Chosen]
    offered: list[Chosen]
    reasons: Mapping[uuid.UUID, str] = field(default_factory=dict)
    fitting: frozenset[uuid.UUID] = frozenset()
    """Records that were refused for a value of the form alone: they stay chosen."""

    def refuse(self, refused: RecordsRefused, form: PanelForm) -> None:
        self.reasons, self.fitting = refused.reasons, refused.tell(form)
        if not self._value_fits_none():
            form.told.append(str(refused))

    def _value_fits_none(self) -> bool:
        """True if nothing about the records was wrong: what was said for all of them fits none."""
        return self.fitting == {each.id for each in self.chosen}

    def line(self, id: uuid.UUID, version: int, name: str, about: str) -> Line:
        stays = id in {each.id for each in self.chosen} and (id not in self.reasons or id in self.fitting)
        return Line(f"{id}:{version}", name, about, self.reasons.get(id, ""), stays)

    def status(self, form: PanelForm, *, confirmed: bool) -> int:
        if self.reasons and not self._value_fits_none():
            return 409
        return 422 if confirmed or form.told else 200


def asked(chosen: Sequence[str], offered: Sequence[str]) -> Asked:
    """The boxes of a list, or of the page that asks. Raises Invalid if the values are no list's boxes."""
    wanted = read(chosen)
    there = {each.id: each for each in (*read(offered), *wanted)}
    return Asked(wanted, list(there.values()))


def back_to_the_list(address: str) -> Response:
    """The list once more, where nothing was chosen on it: everything else there stays as it was."""
    flash(str(NOTHING_CHOSEN), "warning")
    return redirect(address, 303)


def read(values: Sequence[str]) -> list[Chosen]:
    """The chosen records, each once. Raises Invalid if the values are not a list's boxes."""
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


def all_or_nothing(wanted: Iterable[Chosen], work: Callable[[Chosen], object]) -> bool:
    """Does the work for each record, in the same order for everybody. Raises RecordsRefused if one was refused."""
    reasons: dict[uuid.UUID, str] = {}
    invalid: dict[uuid.UUID, Mapping[str, Message]] = {}
    for each in sorted(wanted, key=lambda chosen: chosen.id):
        try:
            work(each)
        except (Conflict, Denied, Invalid, Locked, NotFound) as error:
            reasons[each.id] = str(error)
            if isinstance(error, Invalid):
                invalid[each.id] = error.fields
    if reasons:
        raise RecordsRefused(reasons, invalid)
    return True
