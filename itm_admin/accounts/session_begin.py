"""The cookie of a person who has just signed in, by whichever way."""

from __future__ import annotations

from flask import g, session

from itm_admin.accounts import session_rows, sessions
from itm_admin.foundation import forgery, i18n, tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import Unauthenticated
from itm_admin.foundation.transaction import writing


def begin_session(actor: Actor) -> None:
    """Writes the cookie of a person who has just signed in; drops all of an earlier session."""
    before = sessions.read(session)
    if before is not None and before.account == actor.id and before.session != actor.session:
        with writing() as work, tenancy.acting(actor.own_context(), work):
            session_rows.end(work, before.session, "renewed")
    if actor.session is None:
        raise Unauthenticated
    claim = sessions.new(actor.id, actor.institution_id, actor.session)
    sessions.begin(session, claim, forgery.of_account(actor.id))
    g.pop(forgery.FIELD, None)  # this answer's forms have the new session's token
    i18n.remember(actor.language)
