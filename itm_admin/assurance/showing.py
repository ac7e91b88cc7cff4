"""Entries of the ledgers laid out for reading: rows of a list, lines of a history, one entry with its proof.

Recomputing a leaf here is a help for the reader's eye; only a verification gives a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from audit import event, leaf
from itm_admin.assurance import entries, wording
from itm_admin.assurance.entries import AnyRow, Found, Wanted
from itm_admin.assurance.wording import Change
from itm_admin.foundation import vocabulary
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import day, moment
from itm_admin.foundation.lists import Cell, Chip, ShownColumn, ShownFilter, ShownRow
from itm_admin.foundation.roles import ROLES

Link = Callable[[AnyRow], str | None]

_LABELS: Mapping[str, Message] = {
    "from": _l("From"),
    "to": _l("Until"),
    "actor": _l("Who (user name or number of the account)"),
    "action": _l("What"),
    "kind": _l("Kind of record"),
    "target": _l("Number of the record"),
    "outcome": _l("Outcome"),
}
_TONES = {"success": "good", "denied": "warn", "failure": "bad"}


@dataclass(frozen=True)
class ShownEntry:
    """One line of a history."""

    when: datetime
    who: str
    what: str
    target: str
    why: str | None
    outcome: str
    url: str | None
    changes: list[Change]
    details: list[tuple[str, str]]
    seq: int
    code: str


def shown(row: AnyRow, link: Link | None = None) -> ShownEntry:
    content = content_of(row)
    return ShownEntry(
        when=recorded(row),
        who=who(row),
        what=wording.action_words(row.action),
        target=wording.target_words(row.target_kind, row.target_id),
        why=wording.purpose_words(row.purpose),
        outcome=row.outcome,
        url=link(row) if link else None,
        changes=wording.changes(content),
        details=wording.detail_words(content),
        seq=row.seq,
        code=row.code,
    )


def recorded(row: AnyRow) -> datetime:
    return datetime.fromisoformat(row.recorded_at)


def who(row: AnyRow) -> str:
    """The actor as the entry names it, with institution and roles; the system where nobody is named."""
    if not row.actor_name and not row.actor_id:
        return str(_("The system"))
    roles = [str(ROLES[code].label) for code in (row.actor_role or "").split(",") if code in ROLES]
    about = ", ".join(filter(None, (row.actor_institution, *roles)))
    name = str(row.actor_name or row.actor_id)
    return f"{name} ({about})" if about else name


def content_of(row: AnyRow) -> Mapping[str, Any]:
    """The event's content; empty where it cannot be read, which a verification will say."""
    try:
        found = json.loads(row.content)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class EntryList:
    """A page of entries as `ui.listing` shows it (see foundation/lists.py for the same of other lists)."""

    found: Found
    wanted: Wanted
    link: Link
    caption: str
    with_ledger: bool = True
    search: None = None
    sort: str = ""
    total: None = None
    first: int = 0
    last: int = 0
    previous_url: None = None
    exports: Sequence[tuple[str, str]] = ()
    add: None = None
    empty_text: Message = field(default_factory=lambda: _l("There is no entry yet."))

    @property
    def page_size(self) -> int:
        return self.wanted.size

    @property
    def columns(self) -> list[ShownColumn]:
        labels: list[tuple[str, Message]] = [("recorded_at", _l("When")), ("seq", _l("Number"))]
        if self.with_ledger:
            labels.append(("code", _l("Ledger")))
        labels += [("who", _l("Who")), ("what", _l("What")), ("target", _l("On what")), ("why", _l("Why"))]
        labels.append(("outcome", _l("Outcome")))
        return [ShownColumn(name, text, None, None) for name, text in labels]

    @property
    def rows(self) -> list[ShownRow]:
        return [self._row(row) for row in self.found.rows]

    def _row(self, row: AnyRow) -> ShownRow:
        cells = [Cell("link", _moment(row)), Cell("text", str(row.seq))]
        if self.with_ledger:
            cells.append(Cell("text", row.code))
        cells += [
            Cell("text", who(row)),
            Cell("text", wording.action_words(row.action)),
            Cell("text", wording.target_words(row.target_kind, row.target_id)),
            Cell("text", wording.purpose_words(row.purpose)),
            Cell("badge", str(wording.OUTCOMES.get(row.outcome, row.outcome)), _TONES.get(row.outcome, "neutral")),
        ]
        return ShownRow(self.link(row), tuple(cells), str(row.event_id))

    @property
    def filters(self) -> list[ShownFilter]:
        choices: Mapping[str, Sequence[tuple[str, str]]] = {
            "action": vocabulary.choices("audit_event"),
            "outcome": [(code, str(text)) for code, text in wording.OUTCOMES.items()],
            "kind": [(code, str(text)) for code, text in wording.KINDS.items()],
        }
        kinds = {"from": "day", "to": "day"}
        return [
            ShownFilter(name, _LABELS[name], kinds.get(name, "choice"), choices.get(name, ()), self._chosen(name))
            for name in entries.FILTERS
        ]

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(f"{_LABELS[name]}: {self._said(name)}", self._url(after=None, **{name: None}))
            for name in self.wanted.chosen
        ]

    @property
    def next_url(self) -> str | None:
        return self._url(after=self.found.next) if self.found.next else None

    @property
    def page_sizes(self) -> list[tuple[int, str]]:
        return [(size, self._url(size=size, after=None)) for size in entries.SIZES]

    def _chosen(self, name: str) -> str:
        return self.wanted.chosen.get(name, "")

    def _said(self, name: str) -> str:
        code = self._chosen(name)
        for each in self.filters:
            if each.name == name and each.choices:
                return dict(each.choices).get(code, code)
        return day(date.fromisoformat(code)) if name in ("from", "to") else code

    def _url(self, **changed: Any) -> str:
        values = {**(request.view_args or {}), **request.args.to_dict(), **changed}
        kept = {name: value for name, value in values.items() if value not in (None, "")}
        return url_for(request.endpoint or "", **kept)


def _moment(row: AnyRow) -> str:
    return moment(recorded(row), seconds=True)


@dataclass(frozen=True)
class Proof:
    """A leaf as it is stored, and whether it can be computed again from its event and its predecessor's hash."""

    frame: str
    prev: str
    commitment: str
    hash: str
    commitment_matches: bool
    hash_matches: bool

    @property
    def matches(self) -> bool:
        return self.commitment_matches and self.hash_matches


def proof(row: AnyRow) -> Proof:
    frame = leaf.frame(row.origin, row.seq, row.recorded_at, row.prev, row.commitment)
    return Proof(
        frame=frame.decode("utf-8"),
        prev=row.prev.hex(),
        commitment=row.commitment.hex(),
        hash=row.hash.hex(),
        commitment_matches=event.commitment(row.salt, row.content) == row.commitment,
        hash_matches=leaf.leaf_hash(row.origin, row.seq, row.recorded_at, row.prev, row.commitment) == row.hash,
    )
