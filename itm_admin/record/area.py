"""The contribution of a business area to the panel: its models, pages, APIs, and who may do what with them.

An area says it in its own `area.py`; itm_admin/areas.py lists the areas, and the panel composes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from itm_admin.foundation.errors import Message
from itm_admin.foundation.roles import permit

Rows = Mapping[str, Mapping[str, frozenset[str]]]
"""Acts by subject and role."""


@dataclass(frozen=True)
class MenuEntry:
    """A page with an entry in the side navigation, as `appbuilder.add_view(View, name, icon=…, category=…)` says it."""

    view: type
    name: Message
    icon: str
    category: str
    """The name of a group of the navigation, in English: Work, Oversight, Audit, Administration."""
    page: str = "list"


@dataclass(frozen=True)
class Area:
    """One area. Each subject of `may` is a row of the roles' table; a role that is not named may do nothing."""

    name: str
    models: tuple[type, ...] = ()
    views: tuple[type | MenuEntry, ...] = ()
    apis: tuple[type, ...] = ()
    may: Rows | None = None

    def __post_init__(self) -> None:
        for subject, acts in (self.may or {}).items():
            permit(subject, acts)

    def classes(self) -> Iterator[type]:
        """The pages and APIs, in their order."""
        for each in (*self.views, *self.apis):
            yield each.view if isinstance(each, MenuEntry) else each

    def entries(self) -> Iterator[MenuEntry]:
        """The entries of the side navigation."""
        return (each for each in self.views if isinstance(each, MenuEntry))
