"""The words, buttons and addresses of a kind's pages: each has a default, and an area's page says its own."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Mapping
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from werkzeug.wrappers import Response

from itm_admin.foundation.views import redirect_after_post
from itm_admin.record import page_acts, parts
from itm_admin.record.page_columns import RecordColumns

Step = tuple[str, str, str]
"""A button: address, text, tone."""
Post = tuple[str, str, str, str | None]
"""A button that posts: address, text, tone, and what it asks first."""
_REVEAL = _l("Choose why you need them. Your name, the time and the purpose are entered in the ledger.")


class RecordWords(RecordColumns):
    """Methods that an area's page overrides, not options."""

    def heading(self, where: str, record: Any, parent: Any) -> str:
        """The page's title; `where` is show, add, edit, reveal, delete or another act."""
        if where == "add":
            return self.new_title()
        return self.titled(where, str(record) if record is not None else str(self.datamodel.kind.info.label))

    def titled(self, where: str, name: str) -> str:
        """The title of an act's page: never the record's name alone, which is the title of its own page."""
        words = {
            "show": name,
            "edit": _("Edit: %(name)s", name=name),
            "delete": _("Delete: %(name)s", name=name),
            "reveal": _("Show protected values: %(name)s", name=name),
        }
        if where in words:
            return str(words[where])
        return f"{self.datamodel.transition(where)[0].label}: {name}"

    def lead(self, where: str) -> str | None:
        """One sentence below it."""
        return str(_REVEAL) if where == "reveal" else None

    def breadcrumbs(self, record: Any, parent: Any) -> builtins.list[tuple[str, str]]:
        """The trail above the title: text and address."""
        info = self.datamodel.kind.info
        caption = str(self.list_title or info.plural or info.label)
        crumbs = [(caption, self.address("list"))] if self.may("list") else []
        if record is None and parent is not None and (above := parts.url_of(parent)):
            crumbs.append((str(parent), above))
        return crumbs if record is None else [*crumbs, (str(record), self.record_url(record, parent))]

    def steps(self, record: Any, parent: Any) -> builtins.list[Step]:
        """The buttons of the record's page; decided here, not in a template."""
        return page_acts.steps(self, record, parent)

    def acts(self, record: Any, parent: Any) -> builtins.list[Post]:
        """The buttons that post at once."""
        return page_acts.posts(self, record, parent)

    def edit_back(self, id: uuid.UUID) -> str:
        """The page that follows the edit form, saved or left."""
        return self.address("show", id=id)

    def post_add_redirect(self, record: Any) -> Response:
        """The page that follows once a record is added."""
        return redirect_after_post(f"{self.endpoint}.show", id=record.id)

    def choosable(self, record: Any) -> bool:
        """False for a row of the list that the acts on several records would refuse at once."""
        return True

    def list_steps(self) -> builtins.list[Step]:
        """The buttons of the list's page."""
        return []

    def adding(self) -> tuple[str, str] | None:
        """The address and the text of the list's button for a new record."""
        url = page_acts.new_url(self)
        return None if url is None else (url, self.new_title())

    def more(self, record: Any, parent: Any) -> Mapping[str, Any]:
        """Values for what the kind's own template shows beside the fields."""
        return {}

    @classmethod
    def overview(cls, parent: Any) -> Markup | None:
        """A summary of the parent's parts of this kind, above the list of them on the parent's page."""
        return None

    def record_url(self, record: Any, parent: Any) -> str:
        return self.address("show", id=record.id)

    def new_title(self) -> str:
        return str(self.add_title or _("New: %(what)s", what=self.datamodel.kind.info.label))

    def parent_url(self, parent: Any) -> str:
        """The page to go back to from a form for a new record."""
        above = parts.url_of(parent) if parent is not None else None
        return above or (self.address("list") if self.may("list") else url_for("HomeView.show"))
