"""The lists of entries: columns, filters, and how an address is read. Pages go by key (paging.py).

A name is typed and posted; the address holds the id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import g
from flask import session as flask_session
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement
from werkzeug.datastructures import MultiDict

from itm_admin.assurance import labels, ledger_queries, named, naming, paging, showing
from itm_admin.assurance.ledger_queries import AnyRow, AnySession, EntryPage
from itm_admin.foundation import vocabulary
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.formats import moment
from itm_admin.foundation.list_parts import Cell, Column, Filter, Query
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.shown_list import Shown
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.institutions.names import name_by_code

_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)
NOBODY = "-"
"""Stands in the address for a name that nobody has: such a filter fits no entry."""
_TYPED = "mistyped_filters"
_TONES = {"success": "good", "denied": "warn", "failure": "bad", "half_way": "info"}


@dataclass(frozen=True)
class _Day(Filter):
    """A day whose midnight in Türkiye is a moment of the database."""

    def read(self, text: str) -> Any:
        found = super().read(text)
        if 1 < found.year < 9999:
            return found
        raise Invalid({self.name: _("This filter's value is not correct.")})


@dataclass(frozen=True)
class _Word(Filter):
    """A choice that also takes a code which is offered no longer, or never was: entries stay for ever."""

    def read(self, text: str) -> Any:
        if _WORD.fullmatch(text):
            return text
        raise Invalid({self.name: _("This filter's value is not correct.")})


@dataclass(frozen=True)
class _Named(_Word):
    """A record or a person: typed by name, kept by id."""

    def read(self, text: str) -> Any:
        if text == NOBODY:
            raise Invalid({self.name: named.UNKNOWN[self.name]})
        return super().read(text)

    def said(self, text: str) -> str:
        return naming.name_of(text) or (str(_("a record without a name here")) if named.is_id(text) else text)

    def typed(self, text: str) -> str:
        return naming.name_of(text) or text

    def kept(self, text: str) -> Sequence[tuple[str, str]]:
        """The id whose name the field shows."""
        return [(f"{self.name}_id", text)] if named.is_id(text) else []


def _condition(name: str) -> Callable[[Any], ColumnElement[bool]]:
    def condition(value: Any) -> ColumnElement[bool]:
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        return paging.CONDITIONS[name](ledger_queries.entry, text)

    return condition


def _outcomes() -> list[tuple[str, str]]:
    return [(code, str(text)) for code, text in labels.OUTCOMES.items()]


def _kinds() -> list[tuple[str, str]]:
    return [(code, str(text)) for code, text in labels.kinds().items()]


def ledgers() -> Sequence[AnyRow]:
    """The ledgers that the reader may see. Read once in a request."""
    if "ledgers" not in g:
        g.ledgers = ledger_queries.ledgers(db.session)
    found: Sequence[AnyRow] = g.ledgers
    return found


def ledger_choices() -> list[tuple[str, str]]:
    """The institutions whose ledgers the reader may see: code and name."""
    named_ones = {(row.code, labels.ledger_name(row)) for row in ledgers()}
    return sorted(named_ones, key=lambda each: turkish_sort_key(each[1]))


_OF_LEDGER = _Word("ledger", _l("Institution"), "choice", _condition("ledger"), ledger_choices)
FILTERS: tuple[Filter, ...] = (
    _Day("from", _l("From"), "day", _condition("from")),
    _Day("to", _l("Until"), "day", _condition("to")),
    _Named("actor", _l("Who (name or user name)"), "text", _condition("actor")),
    Filter("action", _l("What"), "choice", _condition("action"), lambda: vocabulary.choices("audit_event")),
    Filter("purpose", _l("Why"), "choice", _condition("purpose"), lambda: vocabulary.choices("access_purpose")),
    _Word("kind", _l("Kind of record"), "choice", _condition("kind"), _kinds),
    _Named("target", _l("Record (reference, pseudonym or user name)"), "text", _condition("target")),
    Filter("outcome", _l("Outcome"), "choice", _condition("outcome"), _outcomes),
    _OF_LEDGER,
    Filter("outside", _l("Outside the panel"), "flag", _condition("outside")),
)
NAMES = tuple(each.name for each in FILTERS)


def _when(row: AnyRow) -> Cell:
    later, at = showing.sealed(row), moment(row.at, seconds=True)
    if later is None:
        return Cell("link", at)
    return Cell("link", str(_("%(at)s (sealed %(when)s)", at=at, when=moment(later, seconds=True))))


def _who(row: AnyRow) -> Cell:
    return Cell("badge" if showing.outside_user(row) else "text", showing.who(row), "bad")


def _outcome(row: AnyRow) -> Cell:
    outcome = ledger_queries.outcome_of(row)
    return Cell("badge", str(labels.OUTCOMES.get(outcome, outcome)), _TONES.get(outcome, "neutral"))


def _text(name: str, label: Message, words: Callable[[AnyRow], Any]) -> Column[AnyRow]:
    return Column(name, label, lambda row: Cell("text", words(row)))


COLUMNS: tuple[Column[AnyRow], ...] = (
    Column("at", _l("When"), _when),
    _text("seq", _l("Number"), lambda row: str(row.seq)),
    _text("code", _l("Ledger"), lambda row: name_by_code(row.code)),
    Column("who", _l("Who"), _who),
    _text("what", _l("What"), lambda row: labels.action_words(row.action, row.actor_id)),
    _text("target", _l("On what"), showing.target),
    _text("why", _l("Why"), lambda row: labels.purpose_words(row.purpose)),
    Column("outcome", _l("Outcome"), _outcome),
)


def _shows(row: AnyRow) -> list[str]:
    """The record and the person that are named, and the ledger that the link leads to."""
    return showing.ids_of([row])


ENTRIES: Listing[AnyRow] = Listing(
    caption=_l("Entries of all ledgers"),
    empty_text=_l("There is no entry yet."),
    identify=lambda row: str(row.event_id),
    shows=_shows,
    columns=COLUMNS,
    filters=FILTERS,
    by_key=paging.place,
)


HISTORY: Listing[AnyRow] = replace(
    ENTRIES, filters=tuple(each for each in FILTERS if each.name in ("from", "to", "action", "purpose", "outcome"))
)
"""The filters of a history, which is about one record or one person already."""


def of_one_ledger(caption: Message, link: Callable[[AnyRow], str] | None) -> Listing[AnyRow]:
    """The list of one ledger's entries: no column and no choice of ledgers."""
    return replace(
        ENTRIES,
        caption=caption,
        link=link,
        columns=tuple(each for each in COLUMNS if each.name != "code"),
        filters=tuple(replace(each, choices=list) if each is _OF_LEDGER else each for each in FILTERS),
    )


def asked(session: AnySession, args: MultiDict[str, str]) -> Query:
    """As `read`, for a page with filters: a wrong value is said beside its field, and no entry fits it."""
    typed = flask_session.pop(_TYPED, None) or {}
    wanted = read(session, args, forgiving=True)
    mistaken = {name: tuple(typed.get(name) or wrong) for name, wrong in wanted.mistaken.items()}
    for name, (text, message) in mistaken.items():
        if text == NOBODY:
            mistaken[name] = ("", message)
    return replace(wanted, mistaken=mistaken)


def mistype(wrong: Mapping[str, tuple[str, str]]) -> None:
    """Keeps names that nobody has for the list's next page alone: a name stands in no address."""
    flask_session[_TYPED] = {name: list(each) for name, each in wrong.items()}


def read(session: AnySession, args: MultiDict[str, str], *, forgiving: bool = False) -> Query:
    """The query in a request's address, with ids in place of references, pseudonyms and user names."""
    wanted = ENTRIES.read(args, forgiving=forgiving)
    chosen = dict(wanted.chosen)
    for name in ("actor", "target"):
        if name in chosen and not named.is_id(chosen[name]):
            chosen[name] = named.known(session, name, chosen[name])
    naming.learn(session, [chosen.get("actor"), chosen.get("target")])
    return replace(wanted, chosen=chosen)


def filled(listing: Listing[AnyRow], wanted: Query, found: EntryPage, filter_url: str) -> Shown[AnyRow]:
    """A page of entries; its filters are posted, since names are typed into them."""
    showing.learn_names(db.session, found.rows)
    page = listing.shown(wanted, found.rows, following=found.next)
    page.filter_url = filter_url
    return page


def checked(values: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, str]:
    """Filters that were typed into a form. Invalid under the form's names (`fields`) for what does not fit."""
    wrong: dict[str, Message] = {}
    chosen = {}
    for each in FILTERS:
        if text := values.get(each.name, "").strip():
            try:
                chosen[each.name] = each.canonical(text)
            except Invalid as error:
                wrong[fields.get(each.name, each.name)] = error.message
    if wrong:
        raise Invalid(wrong)
    return chosen
