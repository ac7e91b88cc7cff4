"""Names of the fields that scopes open, as referrals keep them: "person.phone"."""

from __future__ import annotations

from collections.abc import Iterable

from itm_admin.consent.scopes import OPENS, SUMMARY
from itm_admin.record.kind import BoundField, kind_named


def names_in(scope: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{field}" for kind, field in OPENS[scope])


IN_SUMMARY = names_in(SUMMARY)
"""Without identity: the receiver reads them before it accepts."""

TOLD = frozenset(name for scope in OPENS for name in names_in(scope))
"""All that any scope opens."""


def in_order(names: Iterable[str]) -> list[str]:
    """The names, each once, in the order of the scopes."""
    wanted = set(names)
    return [name for name in dict.fromkeys(each for scope in OPENS for each in names_in(scope)) if name in wanted]


def bound(name: str) -> BoundField:
    """The declared field of a name. TypeError for one that is not declared."""
    record, _dot, column = name.partition(".")
    kind = kind_named(record)
    if kind is None:
        raise TypeError(f"{name} is no declared field")
    return kind.field(column)
