"""Form fields that name a record: a few choices at once, found by typing, a page at a time.

A feature supplies the query of records (its own rule and row-level security decide), their order, search and labels. A
form holds a short list whole; of a long one it holds the chosen record and the beginning, and its script requests the
rest by POST, so that people's input is in no address and no log. It must never know the kind of record.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import ColumnElement, Row, Select, select, tuple_
from wtforms import Field, SelectField

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid

PAGE = 20
MOST_WHOLE = 50
"""The most choices that a form holds whole."""
LONGEST = 100
INDENT = "— "
"""The indent of children in a short list that is shown as a tree."""

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Choices:
    """One kind of record: `records` selects those that the person may name; `order` and `id` define their order.

    `arrange` reorders a short list, for example as a tree. Text shorter than `shortest` finds nothing.
    """

    id: Any
    records: Callable[[], Select[*tuple[Any, ...]]]
    order: tuple[Any, ...]
    matches: Callable[[str], ColumnElement[bool]]
    show: Callable[[Row[Any]], str]
    arrange: Callable[[Sequence[Row[Any]]], Pairs] | None = None
    shortest: int = 0
    anywhere: Callable[[], Select[*tuple[Any, ...]]] | None = None
    """As `records`, without the rule: a stored record stays a choice. Row-level security still decides."""


@dataclass(frozen=True)
class PickerPage:
    """A page of matches; `next` is the last record on it, None at the end."""

    pairs: Pairs
    next: str | None

    @property
    def ids(self) -> list[str]:
        return [id for id, _text in self.pairs]


def find(session: AnySession, choices: Choices, asked: Mapping[str, str]) -> PickerPage:
    """The records that match the text `q`, after the record `after`. Raises Invalid for a malformed `after`."""
    text, after = " ".join(asked.get("q", "").split()), asked.get("after")
    if len(text) > LONGEST:
        raise Invalid
    if len(text) < choices.shortest:
        return PickerPage((), None)
    wanted, place = choices.records(), (*choices.order, choices.id)
    if text:
        wanted = wanted.where(choices.matches(text))
    if after:
        last = session.execute(select(*place).where(choices.id == _id(after))).one_or_none()
        if last is None:
            raise Invalid
        wanted = wanted.where(tuple_(*place) > tuple_(*last))
    rows = session.execute(wanted.order_by(*place).limit(PAGE + 1)).all()
    pairs = _pairs(choices, rows[:PAGE])
    return PickerPage(pairs, pairs[-1][0] if len(rows) > PAGE else None)


def answer(found: PickerPage, asked: Mapping[str, str]) -> Response:
    """The page as JSON for the form's script, with a message about the number shown so far."""
    before = asked.get("shown", "")
    number = len(found.pairs) + (int(before) if before.isascii() and before.isdigit() and len(before) < 7 else 0)
    said = ngettext("%(num)s result", "%(num)s results", number) if number else _("Nothing fits.")
    if found.next:
        said = _("%(num)s results; more follow at the end of the list", num=number)
    return jsonify(items=[{"id": id, "text": text} for id, text in found.pairs], next=found.next, said=said)


def offer(
    session: AnySession,
    field: SelectField,
    choices: Choices,
    url: str,
    empty: str | None = None,
    stored: Any = None,
    own: tuple[str, str] | None = None,
) -> None:
    """All of a short list; else the chosen or stored record and some more. Before them `empty` for none, and `own`."""
    known = [id for id in map(_known, (field.data, stored)) if id]
    first = [choices.id.in_(known).desc()] if known else []
    wanted = choices.records().order_by(*first, *choices.order, choices.id).limit(MOST_WHOLE + 1)
    rows = session.execute(wanted).all()
    if len(rows) > MOST_WHOLE:
        pairs = _pairs(choices, rows[:MOST_WHOLE])
        searched(field, url)
    else:
        pairs = (choices.arrange or (lambda all_: _pairs(choices, all_)))(rows)
    pairs = [*_missing(session, choices, pairs, _known(stored)), *pairs]
    if own is not None:
        pairs = [own, *(pair for pair in pairs if pair[0] != own[0])]
    field.choices = [*([("", empty)] if empty is not None else []), *pairs]
    if field.data is not None:
        field.data = str(field.data)


def _missing(session: AnySession, choices: Choices, pairs: Pairs, stored: uuid.UUID | None) -> Pairs:
    """The stored record if the person may not choose it anew: saving an untouched form changes nothing."""
    if stored is None or str(stored) in {id for id, _text in pairs}:
        return ()
    known = choices.anywhere or choices.records
    row = session.execute(known().where(choices.id == stored)).one_or_none()
    return [(str(stored), choices.show(row) if row is not None else _("As it is now"))]


def searched(field: Field, url: str) -> None:
    """Makes the field searchable: the form's script requests matches at `url`."""
    told = {"data-choices": url, "data-choices-failed": _("The list could not be loaded. Try again.")}
    field.render_kw = {**(field.render_kw or {}), **told}


def shown(field: SelectField, value: Any) -> str | None:
    """The label of a choice outside of its list; None if the list does not have it."""
    names = {str(choice[0]): str(choice[1]) for choice in field.choices or ()}
    text = names.get(str(value or ""))
    return text.strip(INDENT) if text else text


def _pairs(choices: Choices, rows: Sequence[Row[Any]]) -> Pairs:
    return [(str(row.id), choices.show(row)) for row in rows]


def _known(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(value)) if value else None
    except ValueError:
        return None


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Invalid from None
