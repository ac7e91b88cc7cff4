"""Names in place of ids: a record by its reference or pseudonym, a person by user name or name.

A reference, a pseudonym and a user name may stand in an address; a person's name is posted and becomes an id.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from flask_babel import gettext as _
from sqlalchemy import text
from werkzeug.datastructures import MultiDict

from itm_admin.assurance import ledger_queries, naming
from itm_admin.assurance.ledger_queries import AnySession, Wanted
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.roles import AUDIT


def find(session: AnySession, what: str, field: str = "what", kinds: tuple[str, ...] = ()) -> tuple[str, uuid.UUID]:
    """The record or user of this reference, pseudonym or name. Raises Invalid if there is none, or several."""
    wanted = " ".join(what.split())
    if tenancy.current().scope == AUDIT:
        statement = text("select kind, id from itm.named(:what)")
    else:
        statement = text(
            "select 'case' as kind, id from case_file where reference = :what union all"
            " select 'person', id from person where pseudonym = :what union all"
            " select 'account', id from account where username = :what"
            " or itm.tr_fold(first_name || ' ' || last_name) = itm.tr_fold(:what)"
        )
    rows = session.execute(statement, {"what": wanted}).all() if wanted else []
    found = [row for row in rows if not kinds or row.kind in kinds]
    if len(found) != 1:
        message = _("Several people have this name. Write the user name.") if found else None
        message = message or _("Nothing here has this reference, pseudonym or user name.")
        raise Invalid({field: message})
    return found[0].kind, found[0].id


def read(session: AnySession, args: MultiDict[str, str]) -> Wanted:
    """The filters in a request's address, with ids in place of references, pseudonyms and user names."""
    wanted = ledger_queries.read(args)
    chosen = dict(wanted.chosen)
    for name in ("actor", "target"):
        if name in chosen and not is_id(chosen[name]):
            chosen[name] = _known(session, name, chosen[name])
    naming.learn(session, [chosen.get("actor"), chosen.get("target")])
    return replace(wanted, chosen=chosen)


def _known(session: AnySession, name: str, value: str) -> str:
    kinds = ("account",) if name == "actor" else ()
    try:
        return str(find(session, value, name, kinds)[1])
    except Invalid:
        return value  # a program's name, or a target that is not a record: a job, a table


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
