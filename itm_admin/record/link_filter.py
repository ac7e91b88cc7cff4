"""The filter of a list by another record that its rows name: a unit, a person, a case, the parent.

What stands in the address is the record's id. A kind that is everybody's is chosen from a list; of one that people call
by a reference, a pseudonym or a user name that is typed, and becomes the id; any other is offered nowhere, and its own
page leads to the list. A record that the reader does not see is answered like one that does not exist.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import g
from flask_babel import gettext as _
from sqlalchemy import inspect, select

from itm_admin.foundation import tenancy
from itm_admin.foundation.audited_reads import named
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.list_parts import Filter
from itm_admin.foundation.record_ids import ID
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.record.kind import kind_named, kind_of


@dataclass(frozen=True)
class LinkFilter(Filter):
    """`model` is the list's, `relation` its way to the named record."""

    model: type[Any] = field(kw_only=True)
    relation: str = field(kw_only=True)

    @property
    def target(self) -> Any:
        relations = inspect(self.model).relationships
        if self.relation in relations:
            return relations[self.relation].mapper.class_
        kind = kind_named(self.relation)
        if kind is None or kind.model is None:
            raise TypeError(f"{self.model.__name__} has no relation {self.relation!r}, and there is no such kind")
        return kind.model

    def read(self, text: str) -> uuid.UUID:
        return uuid.UUID(str(self._found(text).id))

    def canonical(self, text: str) -> str:
        return str(self.read(text))

    def said(self, text: str) -> str:
        return self.typed(text)

    def typed(self, text: str) -> str:
        if not text:
            return ""
        found = self._found(text)
        named(None if kind_of(self.target).info.everybodys else found.id)
        return str(found)

    def options(self) -> Sequence[tuple[str, str]]:
        return self.all_of_them() if kind_of(self.target).info.everybodys else ()

    @property
    def is_offered(self) -> bool:
        info = kind_of(self.target).info
        return len(self.options()) > 1 if info.everybodys else bool(info.called)

    def all_of_them(self) -> Sequence[tuple[str, str]]:
        """Read once in a request."""
        known: dict[Any, list[tuple[str, str]]] = g.setdefault("link_choices", {})
        if self.target not in known:
            statement, own = select(self.target), getattr(self.target, "institution_id", None)
            if own is not None and tenancy.current().scope == INSTITUTION:
                statement = statement.where(own == tenancy.current().institution)
            pairs = [(str(each.id), str(each)) for each in db.session.scalars(statement)]
            known[self.target] = sorted(pairs, key=lambda pair: turkish_sort_key(pair[1]))
        return known[self.target]

    def _found(self, text: str) -> Any:
        """The visible record of this id or name, read once in a request. Invalid under the filter's name."""
        known: dict[tuple[Any, str], Any] = g.setdefault("linked_records", {})
        if (self.target, text) not in known:
            called = kind_of(self.target).info.called
            if ID.fullmatch(text):
                condition = self.target.id == uuid.UUID(text)
            elif called:
                condition = getattr(self.target, called) == text
            else:
                raise Invalid({self.name: _("This filter's value is not correct.")})
            known[self.target, text] = db.session.scalars(select(self.target).where(condition)).one_or_none()
        found = known[self.target, text]
        if found is None:
            raise Invalid({self.name: _("Nothing here has this reference, pseudonym or user name.")})
        return found
