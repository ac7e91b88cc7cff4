"""Prepares entries for pages: lines of a history, one entry with its proof. Lists: entry_list.py.

Recomputing a leaf here only helps the reader; a verdict comes from a verification alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _

from audit import event, leaf
from itm_admin.assurance import detail, disclosure, labels, ledger_queries, naming, upgrades
from itm_admin.assurance.labels import Change
from itm_admin.assurance.ledger_queries import AnyRow, AnySession
from itm_admin.foundation.roles import ROLES

Link = Callable[[AnyRow], str | None]

SAME = timedelta(seconds=5)
"""The usual time, at most, between an event and its seal."""


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
    """The reason to look, if one was given."""
    note: str | None
    """The reason to look in words, where one was asked for and this reader may see it."""
    reasons: list[tuple[str, str]]
    """The own reasons of a change: the field that holds one, and its words."""
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
    """The ids that a list of entries shows, once its names are learned: of records and people, and of its ledgers."""
    return naming.told_with(id for row in rows for id in (row.target_id, *_actor(row), str(row.ledger_id)) if id)


def _actor(row: AnyRow) -> list[str]:
    """The account whose name the line shows."""
    return [row.actor_id] if row.actor_id and naming.name_of(row.actor_id) else []


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
        note=_note(content),
        reasons=labels.own_reasons(content, row.target_kind),
        outcome=ledger_queries.outcome_of(row),
        url=link(row) if link else None,
        changes=labels.changes(content, row.target_kind, naming.named()),
        details=detail.words(content, naming.named()),
        technical=detail.technical(content),
        seq=row.seq,
        code=row.code,
        story=detail.story_words(content),
    )


def _note(content: Mapping[str, Any]) -> str | None:
    found = content.get("detail")
    return naming.name_of(found.get("note")) if isinstance(found, Mapping) else None


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
    return upgrade_words(row) if upgrades.says(row) else by_key(row, person(row))


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


def by_key(row: AnyRow, name: str) -> str:
    """The person, with the API key of an act that a program did in the person's name."""
    kind, _space, rest = str(content_of(row).get("on_behalf_of") or "").partition(" ")
    key = rest.partition(" ")[2]
    return str(_("With the API key “%(key)s”, responsible: %(who)s", key=key, who=name)) if kind == "api_key" else name


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
