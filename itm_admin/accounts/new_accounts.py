"""New accounts with their first role and link, and new links, for the pages: what is shown once afterwards."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy.orm import Session

from itm_admin.accounts import changes, grants, mail, reasons, services
from itm_admin.accounts.models import Account
from itm_admin.foundation.actor import me
from itm_admin.foundation.errors import REQUIRED, Invalid, Message
from itm_admin.foundation.forms import chosen_id


@dataclass(frozen=True)
class Made:
    """A new link: its token to hand over, or the address that it is sent to; neither: the role waits."""

    username: str
    id: uuid.UUID
    token: str | None = None
    mailed: str | None = None
    waits: bool = False
    """Another person confirms the first sign-in."""


def invite(session: Session, account: Account, reason: str) -> Made:
    """Sends the link by e-mail if a server is configured: then its maker never sees it."""
    token = services.invite(session, me(), account.id, reason)
    name, id = account.username, account.id
    if not current_app.config["ITM_MAILS"]:
        return Made(name, id, token, waits=True)
    address = mail.send_link(session, account)
    waits = any(each.kind == "link" and each.state == "waiting" for each in changes.of_account(session, id))
    return Made(name, id, mailed=address, waits=waits)


def make(session: Session, form: Any, links: list[Made]) -> Account:
    """Account, link and role in one transaction; the link goes to `links`."""
    data = form.payload(("role_unit",))
    role, reason = data.pop("role") or "", data.pop("reason") or ""
    without_role: dict[str, Message] = {} if role else {"role": REQUIRED}
    if reason not in reasons.REASONS["give"]:
        without_role["reason"] = REQUIRED
    try:
        account = services.create(session, data)
    except Invalid as error:  # all missing fields are reported at once
        raise (Invalid({**error.fields, **without_role}) if error.fields else error) from None
    if without_role:
        raise Invalid(without_role)
    unit = chosen_id(form.role_unit) if "role_unit" in form else None
    grant = grants.give(session, me(), account, role, unit, reason)
    # A rise makes every earlier link void: there is one only after another person has confirmed it.
    waits = grant.state == "proposed"
    links.append(Made(account.username, account.id) if waits else invite(session, account, "FIRST_SIGN_IN"))
    return account
