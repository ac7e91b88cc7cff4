"""Names in place of ids: a record by its reference or pseudonym, a person by user name or name.

A reference, a pseudonym and a user name may stand in an address; a person's name is posted and becomes an id.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import text

from itm_admin.accounts import usernames
from itm_admin.assurance import naming
from itm_admin.assurance.ledger_queries import AnySession
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.quick_search import reference_in
from itm_admin.foundation.roles import AUDIT

UNKNOWN = {
    "actor": _l("There is no user with this name."),
    "target": _l("Nothing here has this reference, pseudonym or user name."),
}
"""By the filter's name."""


def find(session: AnySession, what: str, field: str = "what", kinds: tuple[str, ...] = ()) -> tuple[str, uuid.UUID]:
    """The record or user of this reference, pseudonym or name. Raises Invalid if there is none, or several."""
    if tenancy.current().scope == AUDIT:
        statement = text("select kind, id from itm.named(:what)")
    else:
        statement = text(
            "select 'case' as kind, id from case_file where reference = :what union all"
            " select 'person', id from person where pseudonym = :what union all"
            " select 'account', id from account where username = :what"
            " or itm.tr_fold(first_name || ' ' || last_name) = itm.tr_fold(:what)"
        )
    rows: Sequence[Any] = ()
    for wanted in _as_stored(what):
        rows = rows or session.execute(statement, {"what": wanted}).all()
    found = [row for row in rows if not kinds or row.kind in kinds]
    if len(found) != 1:
        message = _("Several people have this name. Write the user name.") if found else None
        message = message or str(UNKNOWN["actor" if kinds == ("account",) else "target"])
        raise Invalid({field: message})
    return found[0].kind, found[0].id


def _as_stored(what: str) -> list[str]:
    """The typed text as it may be stored: by itself, as a reference or pseudonym, as a user name."""
    plain = " ".join(what.split())
    return list(filter(None, dict.fromkeys((plain, reference_in(what), usernames.typed(plain)))))


def known(session: AnySession, name: str, value: str) -> str:
    """The id of what a filter names; the text itself for a program, or a target that is no record."""
    kinds = ("account",) if name == "actor" else ()
    try:
        return str(find(session, value, name, kinds)[1])
    except Invalid:
        return value


def typed(session: AnySession, name: str, value: str, before: str) -> str:
    """The id for a name typed into a filter. `before` is the id whose name the field showed."""
    naming.learn(session, [before])
    if before and naming.name_of(before) == value:
        return before
    if is_id(value):
        return value
    return str(find(session, value, name, ("account",) if name == "actor" else ())[1])


def is_id(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False
