"""API keys: made by a manager for a responsible person, who alone takes the secret; ended by either, or an auditor.

The rules are the database's (0015/30_api_keys.sql); here they get words before the database refuses. Flushes, never
commits. A secret is in the answer that gives it and nowhere else.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from itm_admin.accounts import api_key_scopes, api_key_text
from itm_admin.accounts.api_key_model import ANYWHERE, NAME_LENGTH, REASONS, ApiKey
from itm_admin.accounts.models import Account, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import REQUIRED, Conflict, Denied, Invalid, Locked, Message, NotFound
from itm_admin.foundation.roles import AUDIT, INSTITUTION, OVERSIGHT, ROLES
from itm_admin.foundation.turkish import turkish_order
from itm_admin.foundation.vocabulary import NOT_A_CHOICE
from itm_admin.record.checks import ChoiceCheck, FlagCheck, IdCheck, TextCheck, WholeCheck
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.schema import Input, load

MOST_DAYS = 90
OVERLAPS: Mapping[str, Message] = {
    "24": _l("One day"),
    "0": _l("Not at all: the former secret ends now"),
    "1": _l("One hour"),
    "72": _l("Three days"),
    "168": _l("Seven days"),
}
"""Hours for which a former secret still works."""
_OVER = _l("This key has ended. Ask your manager for another one.")
_TAKE = text("select itm.take_key(:key, :digest, :overlap, :version)")


class ApiKeys(RecordInterface[ApiKey]):
    """The keys in the present scope: a manager's institution's, or those that auditors and the Presidency see."""

    def reach(self) -> Sequence[ColumnElement[bool]]:
        context = tenancy.current()
        if context.scope == INSTITUTION or (context.scope == AUDIT and not context.national):
            return (ApiKey.institution_id == context.institution,)
        return ()


KEYS = ApiKeys(ApiKey, scopes=(OVERSIGHT, AUDIT, INSTITUTION))


class KeyInput(Input):
    name = TextCheck(most=NAME_LENGTH, required=True)
    account_id = IdCheck(required=True)
    scopes = TextCheck(most=4000, required=True)
    anywhere = FlagCheck(load_default=False)
    networks = TextCheck(most=1000, lines=True)
    days = WholeCheck(1, 366, required=True)


class EndInput(Input):
    reason = ChoiceCheck(REASONS, required=True)


class TakeInput(Input):
    overlap = ChoiceCheck(OVERLAPS, required=True)


def most_days() -> int:
    """The longest time for which a key is valid, in days (ITM_API_KEY_DAYS)."""
    return int(current_app.config.get("ITM_API_KEY_DAYS", MOST_DAYS))


def people(session: Session) -> list[Account]:
    """Those who can be responsible for a key: active colleagues of the manager with a role that uses the interface."""
    context = tenancy.current()
    held = select(RoleGrant.account_id).where(RoleGrant.state == "active", RoleGrant.role.in_(_roles_with_scopes()))
    statement = select(Account).where(
        Account.institution_id == context.institution, Account.active, Account.id != context.account,
        Account.id.in_(held),
    )  # fmt: skip
    return list(
        session.scalars(statement.order_by(turkish_order(Account.last_name), turkish_order(Account.first_name)))
    )


def _roles_with_scopes() -> list[str]:
    return [code for code in ROLES if INSTITUTION in ROLES[code].scopes]


def make(session: Session, data: Mapping[str, Any]) -> ApiKey:
    """A new key without a secret. Raises Invalid for what the responsible person may not do."""
    if tenancy.current().scope != INSTITUTION:
        raise Denied
    typed = {**data, "scopes": " ".join(data.get("scopes") or ())}
    values, wrong = {}, dict[str, Message]()
    try:
        values = load(KeyInput, typed)
    except Invalid as error:
        wrong |= error.fields
    networks = networks_of(str(data.get("networks") or ""), bool(data.get("anywhere")), wrong)
    if not wrong and values["days"] is None:
        wrong["days"] = REQUIRED
    if not wrong:
        account = next((each for each in people(session) if each.id == values["account_id"]), None)
        scopes = values["scopes"].split()
        wrong |= judged(session, account, scopes, values["days"])
    if wrong:
        raise Invalid(wrong)
    made = ApiKey(
        id=uuid.uuid4(), institution_id=tenancy.current().institution, account_id=values["account_id"],
        name=values["name"], scopes=sorted(set(scopes)), networks=networks,
        expires_at=datetime.now(UTC) + timedelta(days=values["days"]),
    )  # fmt: skip
    return KEYS.store(session, made)


def judged(session: Session, account: Account | None, scopes: Sequence[str], days: int) -> dict[str, Message]:
    """The limits that a key of this person may not have, field by field."""
    if account is None:
        return {"account_id": NOT_A_CHOICE}
    if not set(scopes) <= set(api_key_scopes.offered()):
        return {"scopes": NOT_A_CHOICE}
    if days > most_days():
        return {"days": _l("A key is valid for at most %(days)s days.", days=most_days())}
    standing = select(RoleGrant.role).where(RoleGrant.account_id == account.id, RoleGrant.state == "active")
    may = api_key_scopes.held(frozenset(session.scalars(standing)))
    beyond = [each for each in scopes if each not in may]
    if beyond:
        names = ", ".join(api_key_scopes.words(beyond))
        return {"scopes": _l("The responsible person may not do this: %(what)s.", what=names)}
    return {}


def networks_of(typed: str, anywhere: bool, wrong: dict[str, Message]) -> list[str]:
    """The networks in their one form; what is wrong with them is put into `wrong`."""
    written = list(filter(None, re.split(r"[\s,;]+", typed)))
    if anywhere:
        if written:
            wrong["networks"] = _l("Name addresses, or allow any address: not both.")
        return list(ANYWHERE)
    found = []
    for each in written:
        try:
            found.append(str(ipaddress.ip_network(each)))
        except ValueError:
            wrong["networks"] = _l(
                "This is no network address: %(text)s. Write 10.20.0.0/16 or 10.20.1.5.", text=each[:50]
            )
            return []
    if not found:
        wrong.setdefault("networks", REQUIRED)
    elif len(set(found)) > 20:
        wrong["networks"] = _l("At most 20 network addresses fit here.")
    return sorted(set(found))


def end(session: Session, id: uuid.UUID, data: Mapping[str, Any]) -> ApiKey:
    """Ends a key in reach, at once and for good. Locked if it has ended already."""
    key = KEYS.get(session, id, lock=True)
    return _end(session, key, data)


def end_own(session: Session, actor: Actor, id: uuid.UUID, data: Mapping[str, Any]) -> ApiKey:
    """As `end`, of a key that one is responsible for: in any scope, in the own context."""
    return _end(session, own_one(session, actor, id), data)


def _end(session: Session, key: ApiKey, data: Mapping[str, Any]) -> ApiKey:
    reason = load(EndInput, data)["reason"]
    if key.is_over:
        raise Locked(_l("This key has ended already."))
    key.why = reason
    session.flush()
    return key


def own(session: Session, actor: Actor) -> list[ApiKey]:
    """The keys that a person is responsible for, the newest first. In the own context."""
    statement = select(ApiKey).where(ApiKey.account_id == actor.id)
    found = session.scalars(statement.order_by(ApiKey.created_at.desc(), ApiKey.id).limit(100))
    return list(found.unique())


def own_one(session: Session, actor: Actor, id: uuid.UUID) -> ApiKey:
    """Raises NotFound for a key of somebody else."""
    statement = select(ApiKey).where(ApiKey.id == id, ApiKey.account_id == actor.id)
    found = session.scalars(statement.execution_options(populate_existing=True)).unique().one_or_none()
    if found is None:
        raise NotFound
    return found


def take(session: Session, actor: Actor, id: uuid.UUID, version: int, data: Mapping[str, Any]) -> str:
    """A new secret's text, shown once. In the own context. Conflict if somebody else took one since `version`."""
    hours = int(load(TakeInput, data)["overlap"])
    key = own_one(session, actor, id)
    if key.row_version != version:
        raise Conflict(key.row_version)
    if key.is_over:
        raise Locked(_OVER)
    if hours and key.overlap_until is not None and key.overlap_until > datetime.now(UTC):
        raise Invalid(
            {"overlap": _l("The former secret still works. End it with this one, or wait until it has ended.")}
        )
    secret = api_key_text.new()
    values = {
        "key": id, "digest": hashlib.sha256(secret).digest(), "overlap": timedelta(hours=hours), "version": version,
    }  # fmt: skip
    session.execute(_TAKE, values)
    return api_key_text.written(secret)


_USES = text(
    """
    select at, action, outcome, target_kind, content::jsonb -> 'request' ->> 'address' as address
      from audit.entry
     where actor_id = :account and at between :since and :until and content::jsonb ->> 'on_behalf_of' like :key
     order by at desc limit :most
    """
)


def uses(session: Session, key: ApiKey, most: int = 20) -> list[Any]:
    """The newest entries of what was done with the key, as far as the reader may see them."""
    if key.last_used_at is None:
        return []
    until = session.scalar(select(func.now())) if not key.is_over else key.last_used_at + timedelta(minutes=2)
    values = {"account": str(key.account_id), "since": key.created_at, "until": until, "key": f"api_key {key.id} %"}
    return list(session.execute(_USES, {**values, "most": most}).all())
