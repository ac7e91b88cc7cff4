"""The cookie of a person who has just signed in, by whichever way."""

from __future__ import annotations

from flask import g, session

from itm_admin.accounts import session_rows, sessions
from itm_admin.foundation import forgery, i18n
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import Unauthenticated
from itm_admin.foundation.transaction import writing


def begin_session(actor: Actor) -> None:
    """Writes the cookie of a person who has just signed in; drops all of an earlier session."""
    if actor.here is None:
        raise Unauthenticated
    before = sessions.read(session)
    if before is not None:
        with writing() as work:
            session_rows.end_by_secret(work, before, "renewed")
    sessions.begin(session, actor.here.secret, forgery.of_account(actor.id))
    g.pop(forgery.FIELD, None)  # this answer's forms have the new session's token
    i18n.remember(actor.language)
