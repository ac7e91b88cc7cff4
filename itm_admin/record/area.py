"""The contribution of a business area to the panel: its models, pages, APIs, and who may do what with them.

An area says it in its own `area.py`; itm_admin/areas.py lists the areas, and the panel registers each with
Flask-AppBuilder: pages by `add_view`, which fills its Menu, and APIs by `add_api`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flask import g
from flask_appbuilder import AppBuilder
from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Message
from itm_admin.foundation.roles import Rights, permit
from itm_admin.record.kind import Kind, kind_of

GROUPS: Mapping[str, Message] = {
    "Work": _l("Work"),
    "Oversight": _l("Oversight"),
    "Audit": _l("Audit"),
    "Administration": _l("Administration"),
}
"""The categories of the menu, in their order."""

ACTS: Mapping[str, Message] = {
    "list": _l("See the list"),
    "search": _l("Search"),
    "show": _l("Open a record"),
    "add": _l("Add"),
    "edit": _l("Edit"),
    "delete": _l("Delete"),
    "restore": _l("Restore"),
    "reveal": _l("Show protected values"),
    "history": _l("Access history"),
    "export": _l("Export"),
    "approve": _l("Approve or refuse"),
}
"""Words for acts that several subjects have, in the order of the page."""


@dataclass(frozen=True)
class MenuEntry:
    """A page with an entry in the menu, as `appbuilder.add_view(View, name, icon=…, category=…)` takes it.

    The entry leads to the page's `default_view`, and is shown to those who may enter it.
    """

    view: type
    name: Message
    icon: str
    category: str
    """One of GROUPS."""
    also: tuple[str, ...] = ()
    """Names of views, or of single pages (`View.page`), that belong to the entry as well: it is marked there."""
    roles: frozenset[str] = frozenset()
    """The roles that it is shown to, if not to all who may enter the page."""

    @property
    def key(self) -> str:
        """The entry's name in Flask-AppBuilder's menu, where it must be the only one; two labels may be the same."""
        return self.view.__name__

    def register(self, builder: AppBuilder) -> None:
        """TypeError for a category that does not exist."""
        if self.category not in GROUPS:
            raise TypeError(f"{self.key}: the menu has no category {self.category!r}")
        builder.add_view(
            self.view, self.key, label=self.name, icon=self.icon, category=self.category, menu_cond=self._is_meant
        )

    def _is_meant(self) -> bool:
        return not self.roles or bool(self.roles & g.actor.roles)


@dataclass(frozen=True)
class Area:
    """One area. Each subject of `may` is a row of the roles' table; a role that is not named may do nothing.

    `names` are the words for subjects that no model of the area declares, or declares otherwise; `acts` those for acts
    of a subject that are not in ACTS, no step between states, no `@action`, and that no field `needs`.
    """

    name: str
    models: tuple[type, ...] = ()
    views: tuple[type | MenuEntry, ...] = ()
    apis: tuple[type, ...] = ()
    may: Mapping[str, Rights] = field(default_factory=dict)
    names: Mapping[str, Message] = field(default_factory=dict)
    acts: Mapping[str, Mapping[str, Message]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for subject, rows in self.may.items():
            words = {**ACTS, **self._own_acts(subject), **self.acts.get(subject, {})}
            if wordless := frozenset().union(*rows.values()) - words.keys():
                raise TypeError(f"{self.name}: people need words for {sorted(wordless)} of {subject!r}")
            kind = self._kind(subject)
            permit(subject, rows, self._name(subject), words, kind.name if kind else "")

    def register(self, builder: AppBuilder) -> None:
        """Adds the pages and APIs to Flask-AppBuilder, in their order."""
        for each in self.views:
            if isinstance(each, MenuEntry):
                each.register(builder)
            else:
                builder.add_view_no_menu(each)
        for api in self.apis:
            builder.add_api(api)

    def entries(self) -> Iterator[MenuEntry]:
        """The entries of the menu."""
        return (each for each in self.views if isinstance(each, MenuEntry))

    def _name(self, subject: str) -> Message:
        kind = self._kind(subject)
        name = self.names.get(subject) or (kind and (kind.info.plural or kind.info.label))
        if not name:
            raise TypeError(f"{self.name}: the subject {subject!r} has no name for people")
        return name

    def _own_acts(self, subject: str) -> dict[str, Message]:
        """Words of what the subject's model declares, fields that need an act and steps, and of its pages' actions."""
        kind, words = self._kind(subject), dict[str, Message]()
        if kind is not None:
            words |= {each.field.needs: each.label for each in kind.fields.values() if each.field.needs is not None}
            words |= {act: step.label for act, step in kind.info.states.acts.items()} if kind.info.states else {}
        for each in self.views:
            view = each.view if isinstance(each, MenuEntry) else each
            if getattr(view, "subject", None) == subject:
                actions = [method._action for method in vars(view).values() if hasattr(method, "_action")]
                words |= {name: text for name, text, *_more in actions}
        return words

    def _kind(self, subject: str) -> Kind | None:
        found = (model for model in self.models if model.__name__ == subject and "__record__" in vars(model))
        return next(map(kind_of, found), None)
