"""Prepares entries for pages: rows of a list, lines of a history, one entry with its proof.

Recomputing a leaf here only helps the reader; a verdict comes from a verification alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from audit import event, leaf
from itm_admin.assurance import detail, disclosure, labels, ledger_queries, named, naming, upgrades
from itm_admin.assurance.labels import Change
from itm_admin.assurance.ledger_queries import AnyRow, AnySession, EntryPage, Wanted
from itm_admin.foundation import vocabulary
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import day, moment
from itm_admin.foundation.lists import Cell, Chip, ShownColumn, ShownFilter, ShownRow
from itm_admin.foundation.roles import ROLES

Link = Callable[[AnyRow], str | None]

_LABELS: Mapping[str, Message] = {
    "from": _l("From"),
    "to": _l("Until"),
    "actor": _l("Who (name or user name)"),
    "action": _l("What"),
    "kind": _l("Kind of record"),
    "target": _l("Record (reference, pseudonym or user name)"),
    "outcome": _l("Outcome"),
    "purpose": _l("Why"),
    "ledger": _l("Institution"),
    "outside": _l("Outside the panel"),
}
SAME = timedelta(seconds=5)
"""The usual time, at most, between an event and its seal."""
_TONES = {"success": "good", "denied": "warn", "failure": "bad"}


@dataclass(frozen=True)
class ShownEntry:
    """One line of a history."""

    when: datetime
    """The event's own time."""
    sealed: datetime | None
    """The ledger's time if it differs, because of a wrong clock or a wait."""
    who: str
    outside: bool
    """True if the change came past the panel, by a user of the database."""
    what: str
    target: str
    why: str | None
    outcome: str
    url: str | None
    changes: list[Change]
    details: list[tuple[str, str]]
    technical: list[tuple[str, str]]
    """Ids, digests and keys: for a proof by hand."""
    seq: int
    code: str
    story: list[tuple[str, str]]
    """The time in the demonstration's story, for its entries."""


def ids_of(rows: Sequence[AnyRow]) -> list[str]:
    """The ids that a list of entries shows: of records, and of the ledgers that its links lead to."""
    return list(dict.fromkeys(id for row in rows for id in (row.target_id, str(row.ledger_id)) if id))


def learn_names(session: AnySession, rows: Sequence[AnyRow], *more: str) -> None:
    """Reads names for these entries' ids and for more, in one query."""
    found = {id for row in rows for id in naming.ids_in(row.content, row.actor_id, row.target_id)}
    naming.learn(session, found.union(more))


def told(session: AnySession, rows: Sequence[AnyRow], link: Link | None = None, *more: str) -> list[ShownEntry]:
    """Entries as lines of a history, with names, as far as the reader may see them."""
    learn_names(session, rows, *more)
    shared = disclosure.shared_among(session, rows)
    return [shown(row, link, shared) for row in rows]


def shown(row: AnyRow, link: Link | None = None, shared: Collection[str] = ()) -> ShownEntry:
    content = disclosure.shown_content(content_of(row), row.target_kind, row.target_id, shared)
    return ShownEntry(
        when=row.at,
        sealed=sealed(row),
        who=who(row),
        outside=outside_user(row) is not None,
        what=labels.action_words(row.action, row.actor_id),
        target=target(row),
        why=labels.purpose_words(row.purpose),
        outcome=row.outcome,
        url=link(row) if link else None,
        changes=labels.changes(content, row.target_kind, naming.named()),
        details=detail.words(content, naming.named()),
        technical=detail.technical(content),
        seq=row.seq,
        code=row.code,
        story=detail.story_words(content),
    )


def target(row: AnyRow) -> str:
    return labels.target_words(row.target_kind, naming.name_of(row.target_id), row.action)


def sealed(row: AnyRow) -> datetime | None:
    """The time of sealing, if it is not the event's: the ledger's time never goes back."""
    found = datetime.fromisoformat(row.recorded_at)
    return found if abs(found - row.at) > SAME else None


def who(row: AnyRow) -> str:
    """The actor's name, institution and roles; without a person, the system or a user of the database."""
    user = outside_user(row)
    if user:
        return outside_words(user, row)
    return upgrade_words(row) if upgrades.says(row) else person(row)


def upgrade_words(row: AnyRow) -> str:
    return str(_("%(who)s (database user %(user)s)", who=person(row), user=upgrades.OWNER))


def outside_words(user: str, row: AnyRow) -> str:
    """A user of the database, and the person in whose name that user claims to have acted."""
    if not row.actor_name and not row.actor_id:
        return str(_("Outside the panel (database user %(user)s)", user=user))
    return str(_("Outside the panel (database user %(user)s, in the name of: %(who)s)", user=user, who=person(row)))


def person(row: AnyRow) -> str:
    """The actor's name, institution and roles; the system if there is no person."""
    if not row.actor_name and not row.actor_id:
        return str(_("The system"))
    if upgrades.says(row):
        return str(_("An upgrade of the panel"))
    roles = [str(ROLES[code].label) for code in (row.actor_role or "").split(",") if code in ROLES]
    about = ", ".join(filter(None, (row.actor_institution, *roles)))
    # A user name means nothing to a reader who may not see its account
    known = naming.name_of(row.actor_id) if row.actor_id else _machine(row.actor_name)
    name = known or str(_("A person whose name is not shown here"))
    return f"{name} ({about})" if about else name


def _machine(name: str) -> str:
    """A program of the panel, or a name typed on the server."""
    return str(_("The system")) if name in ledger_queries.OWN_LOGINS else name


def outside_user(row: AnyRow) -> str | None:
    """The database user who acted past the panel, under any claimed name (paging.outside in SQL)."""
    actor = content_of(row).get("actor")
    session = actor.get("session") if isinstance(actor, Mapping) else None
    if session is None or session in ledger_queries.OWN_LOGINS or upgrades.made(row, actor or {}):
        return None
    return str(session)


def content_of(row: AnyRow) -> Mapping[str, Any]:
    """The event's content; empty if it is unreadable, which a verification reports."""
    try:
        found = json.loads(row.content)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class EntryList:
    """A page of entries for `ui.listing` (see foundation/lists.py for other lists)."""

    found: EntryPage
    wanted: Wanted
    link: Link
    caption: str
    with_ledger: bool = True
    codes: Sequence[str] = ()
    """The institutions whose ledgers the list has, if there are several."""
    filter_url: str | None = None
    """The address to which the filters are posted, so that no name is in an address."""
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
        headings: list[tuple[str, Message]] = [("at", _l("When")), ("seq", _l("Number"))]
        if self.with_ledger:
            headings.append(("code", _l("Ledger")))
        headings += [("who", _l("Who")), ("what", _l("What")), ("target", _l("On what")), ("why", _l("Why"))]
        headings.append(("outcome", _l("Outcome")))
        return [ShownColumn(name, text, None, None) for name, text in headings]

    @property
    def rows(self) -> list[ShownRow]:
        return [self._row(row) for row in self.found.rows]

    def _row(self, row: AnyRow) -> ShownRow:
        cells = [Cell("link", _moment(row)), Cell("text", str(row.seq))]
        if self.with_ledger:
            cells.append(Cell("text", row.code))
        cells += [
            Cell("badge", who(row), "bad") if outside_user(row) else Cell("text", who(row)),
            Cell("text", labels.action_words(row.action, row.actor_id)),
            Cell("text", target(row)),
            Cell("text", labels.purpose_words(row.purpose)),
            Cell("badge", str(labels.OUTCOMES.get(row.outcome, row.outcome)), _TONES.get(row.outcome, "neutral")),
        ]
        return ShownRow(self.link(row), tuple(cells), str(row.event_id))

    @property
    def filters(self) -> list[ShownFilter]:
        choices: Mapping[str, Sequence[tuple[str, str]]] = {
            "action": vocabulary.choices("audit_event"),
            "outcome": [(code, str(text)) for code, text in labels.OUTCOMES.items()],
            "kind": [(code, str(text)) for code, text in labels.kinds().items()],
            "purpose": vocabulary.choices("access_purpose"),
            "ledger": [(code, code) for code in self.codes],
        }
        kinds = {"from": "day", "to": "day", "outside": "flag"}
        return [
            ShownFilter(name, _LABELS[name], kinds.get(name, "choice"), choices.get(name, ()), self._typed(name))
            for name in ledger_queries.FILTERS
            if name != "ledger" or len(self.codes) > 1
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
        return [(size, self._url(size=size, after=None)) for size in ledger_queries.SIZES]

    def _chosen(self, name: str) -> str:
        return self.wanted.chosen.get(name, "")

    def _typed(self, name: str) -> str:
        """The field's text: the name instead of an id."""
        code = self._chosen(name)
        return naming.name_of(code) or code if name in ("actor", "target") else code

    def hidden(self, *_without: str) -> list[tuple[str, str]]:
        """Hidden fields of the filters' form: the ids whose names its fields show."""
        shown = [(f"{name}_id", self._chosen(name)) for name in ("actor", "target")]
        path = [(name, str(value)) for name, value in (request.view_args or {}).items()]
        return [("size", str(self.page_size)), *path, *((name, id) for name, id in shown if named.is_id(id))]

    def _said(self, name: str) -> str:
        code = self._chosen(name)
        if named.is_id(code):
            return naming.name_of(code) or str(_("a record without a name here"))
        for each in self.filters:
            if each.name == name and each.choices:
                return dict(each.choices).get(code, code)
        if name == "outside":
            return str(_("Yes"))
        return day(date.fromisoformat(code)) if name in ("from", "to") else code

    def _url(self, **changed: Any) -> str:
        values = {**(request.view_args or {}), **request.args.to_dict(), **changed}
        kept = {name: value for name, value in values.items() if value not in (None, "")}
        return url_for(request.endpoint or "", **kept)


def _moment(row: AnyRow) -> str:
    later, shown = sealed(row), moment(row.at, seconds=True)
    return str(_("%(at)s (sealed %(when)s)", at=shown, when=moment(later, seconds=True))) if later else shown


@dataclass(frozen=True)
class EntryProof:
    """A stored leaf, and the result of recomputing it from its event and its predecessor's hash."""

    frame: str
    prev: str
    commitment: str
    hash: str
    commitment_matches: bool
    hash_matches: bool

    @property
    def matches(self) -> bool:
        return self.commitment_matches and self.hash_matches


def proof(row: AnyRow) -> EntryProof:
    frame = leaf.frame(row.origin, row.seq, row.recorded_at, row.prev, row.commitment)
    return EntryProof(
        frame=frame.decode("utf-8"),
        prev=row.prev.hex(),
        commitment=row.commitment.hex(),
        hash=row.hash.hex(),
        commitment_matches=event.commitment(row.salt, row.content) == row.commitment,
        hash_matches=leaf.leaf_hash(row.origin, row.seq, row.recorded_at, row.prev, row.commitment) == row.hash,
    )
