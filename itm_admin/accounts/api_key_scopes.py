"""The scopes of keys: acts on subjects that the programming interface has, as `Case.add`.

They follow from the routes: an interface that an area adds is offered without a word here. What takes a fresh second
factor, and power itself, is never a program's; the database refuses it too (`itm.key_may`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask import current_app
from flask_babel import lazy_gettext as _l

from itm_admin.foundation import roles
from itm_admin.foundation.access import Access
from itm_admin.foundation.errors import Message
from itm_admin.foundation.roles import EVERYBODY, SUBJECTS

NEVER = frozenset({"export", "erase", "hold", "approve", "history"})
"""Acts that no key names."""
_OPEN: Mapping[str, Message] = {
    "Vocabulary": _l("Lists of codes"),
    "Register": _l("Units and institutions"),
    "ApiDescription": _l("Description of the interface"),
}
"""Subjects of every signed-in person, which no area adds."""
_LOOK = _l("Look")


def scope_of(access: Access) -> str:
    return f"{access.subject}.{access.act}"


def offered() -> tuple[str, ...]:
    """Every scope that a key can have, in the order of the roles' table."""
    register: Mapping[str, Access] = current_app.extensions["itm_access"]
    found = {
        scope_of(each)
        for each in register.values()
        if each.api and not each.public and not each.fresh and each.act not in NEVER
    }
    order = [*SUBJECTS, *EVERYBODY]
    return tuple(sorted(found, key=lambda scope: (order.index(scope.partition(".")[0]), scope)))


def held(codes: frozenset[str]) -> tuple[str, ...]:
    """Those that a person with these roles may do."""
    return tuple(each for each in offered() if roles.may(codes, each.partition(".")[2], each.partition(".")[0]))


def word(scope: str) -> str:
    """`Cases: Add`; an unknown one as it is stored."""
    subject, _dot, act = scope.partition(".")
    if subject in _OPEN:
        return f"{_OPEN[subject]}: {_LOOK}"
    known = SUBJECTS.get(subject)
    return f"{known.label}: {known.acts.get(act, act)}" if known is not None else scope


def words(scopes: Iterable[str]) -> list[str]:
    return [word(str(each)) for each in scopes]
