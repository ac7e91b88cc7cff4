"""Mails to people, and the process that sends them: `itm mail`.

The database writes the rows (0008): a link requested in the panel, and a notice to the owner and the auditors of every
new link, rise, end and password. They are sent after the commit, one transaction each, and retried for a week. A link's
secret is made here at the moment of sending, and is in the mail alone. As itm_signer; knows no case and no victim.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import create_engine, insert, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from itm_admin.accounts import bootstrap, invitations
from itm_admin.accounts.mail_rows import Mail
from itm_admin.accounts.mail_texts import compose
from itm_admin.accounts.models import Account
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.foundation.database import engine_options
from itm_admin.foundation.post import NotSent, Post

log = logging.getLogger("itm.mail")
BEAT = 5.0
"""Seconds between two looks for due mails."""
_DUE = text(
    """
    select id, kind, address, language, detail from public.mail
     where sent_at is null and due_at <= now() and created_at > now() - interval '7 days'
     order by due_at, id limit 1 for update skip locked
    """
)
_SENT = text("update public.mail set sent_at = now(), address = null, detail = null where id = :id")
_LATER = text(
    """
    update public.mail set tries = tries + 1,
           due_at = now() + least(interval '1 minute' * 2 ^ least(tries, 10), interval '1 hour')
     where id = :id
    """
)
_EXPIRING = text("select itm.tell_of_expiring_keys()")
_TOKEN = text("select itm.mail_token(:id, :digest)")
Link = Callable[[str], str]


def send_link(session: Session, account: Account) -> str:
    """Sends the link that this transaction made to the account's address; gives the address. Flushes."""
    link = invitations.standing(session, account.id)
    if link is None:
        raise LookupError(account.id)
    row = {"institution_id": account.institution_id, "account_id": account.id, "about": account.id}
    session.execute(
        insert(Mail).values(id=uuid.uuid4(), kind="link", invitation_id=link.id, language=account.language, **row)
    )
    session.expire_all()
    return account.email


def send_waiting(engine: Engine, post: Post, link: Link, halt: Callable[[], bool] = lambda: False) -> int:
    """Sends due mails; gives their number. A failed one is retried later and delays no other."""
    sent = 0
    with engine.begin() as connection:
        connection.execute(_EXPIRING)  # what no act of anybody tells: a key is about to end by itself
    while not halt():
        with engine.begin() as connection:
            row = connection.execute(_DUE).mappings().one_or_none()
            if row is None:
                return sent
            try:
                with connection.begin_nested():  # a new secret counts only if its mail was sent
                    sent += _send(connection, row, post, link)
            except NotSent as fault:
                log.warning("a mail was not sent (%s); it is tried again", fault)
                connection.execute(_LATER, {"id": row["id"]})
    return sent


def _send(connection: Connection, row: Mapping[Any, Any], post: Post, link: Link) -> int:
    values = dict(row["detail"])
    if row["kind"] == "link":
        token = secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).digest()
        if not connection.scalar(_TOKEN, {"id": row["id"], "digest": digest}):
            connection.execute(_SENT, {"id": row["id"]})  # used, withdrawn or expired meanwhile
            return 0
        values["link"] = link(token)
    subject, body = compose(row["kind"], row["language"], values)
    connection.execute(_SENT, {"id": row["id"]})
    post.send(row["address"], subject, body, str(row["id"]))
    return 1


def main(settings: Settings) -> None:
    """Runs until SIGTERM or Ctrl-C. Any number of these processes may run: each mail is sent by one."""
    if settings.smtp_url is None:
        raise SettingError("ITM_SMTP_URL", "is missing")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    post = Post.of(settings)
    url = make_url(settings.require("ITM_DATABASE_SIGNER_URL").signer_url or "")
    options = engine_options(threads=1)
    engine = create_engine(
        url, **{**options, "connect_args": {**options["connect_args"], "application_name": "itm-mail"}}
    )
    while not stop.is_set():
        try:
            send_waiting(engine, post, lambda token: bootstrap.address_of(settings, token), stop.is_set)
        except SQLAlchemyError as fault:
            log.warning("the mails cannot be read (%s); trying again", type(fault).__name__)
        stop.wait(BEAT)
    engine.dispose()
