"""Changes of an API key: its secret goes on. What is narrower holds at once; what is wider waits for its person.

The rules are the database's (0016/20_accounts.sql); here they get words before the database refuses. Flushes, never
commits.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import text
from sqlalchemy.orm import Session

from itm_admin.accounts import api_keys
from itm_admin.accounts.api_key_model import NAME_LENGTH, ApiKey
from itm_admin.accounts.api_keys import KEYS
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.errors import Conflict, Denied, Invalid, Locked, Message
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.record.checks import FlagCheck, TextCheck, WholeCheck
from itm_admin.record.schema import Input, load

LONGEST = timedelta(days=366)
"""Since the key was made."""
_ANSWER = text("select itm.answer_key(:key, :version, :accepted)")


class EditInput(Input):
    name = TextCheck(most=NAME_LENGTH, required=True)
    scopes = TextCheck(most=4000, required=True)
    anywhere = FlagCheck(load_default=False)
    networks = TextCheck(most=1000, lines=True)
    days = WholeCheck(1, 366)


def change(session: Session, id: uuid.UUID, version: int, data: Mapping[str, Any]) -> ApiKey:
    """Renames and narrows the key; what is wider waits in `wanted_…`. Conflict if somebody else was faster."""
    if tenancy.current().scope != INSTITUTION:
        raise Denied
    key = KEYS.get(session, id, lock=True)
    if key.row_version != version:
        raise Conflict(key.row_version)
    if key.is_over:
        raise Locked(_l("This key has ended: make another one."))
    wrong = dict[str, Message]()
    values = dict[str, Any]()
    try:
        values = load(EditInput, {**data, "scopes": " ".join(data.get("scopes") or ())})
    except Invalid as error:
        wrong |= error.fields
    networks = api_keys.networks_of(str(data.get("networks") or ""), bool(data.get("anywhere")), wrong)
    if values:
        scopes, days = sorted(set(values["scopes"].split())), values.get("days")
        added = [each for each in scopes if each not in key.scopes]
        wrong |= api_keys.judged(session, key.account, added, days or 1)
        if days and _until(days) > key.created_at + LONGEST:
            wrong["days"] = _l("A key ends a year after it was made: make another one.")
    if wrong:
        raise Invalid(wrong)
    key.name = values["name"]
    _limit(key, scopes, networks, _until(days) if days else None)
    if waits(key) and key.account_id == tenancy.current().account:
        raise Invalid({"": _l("You are responsible for this key: another manager asks for wider limits.")})
    session.flush()
    return key


def waits(key: ApiKey) -> bool:
    """True if something wider is asked for."""
    return any(each is not None for each in (key.wanted_scopes, key.wanted_networks, key.wanted_until))


def _limit(key: ApiKey, scopes: list[str], networks: list[str], until: datetime | None) -> None:
    """Of each limit holds what both have, the old and the new one; the new one waits where it is wider."""
    both = [each for each in scopes if each in key.scopes]
    key.wanted_scopes = None if both == scopes else scopes
    if both and set(both) != set(key.scopes):
        key.scopes = both
    narrow = _common(networks, key.networks)
    key.wanted_networks = None if narrow == networks else networks
    if narrow and set(narrow) != set(key.networks):
        key.networks = narrow
    if until is not None:
        key.wanted_until = until if until > key.expires_at else None
        key.expires_at = min(until, key.expires_at)


def _common(networks: Iterable[str], others: Iterable[str]) -> list[str]:
    """The addresses that are in both, as networks."""
    found = set()
    for one in map(ipaddress.ip_network, networks):
        for other in map(ipaddress.ip_network, others):
            if one.version == other.version and one.overlaps(other):
                found.add(str(max(one, other, key=lambda each: each.prefixlen)))
    return sorted(found)


def _until(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def answer(session: Session, actor: Actor, id: uuid.UUID, version: int, *, accepted: bool) -> ApiKey:
    """The responsible person accepts the wider limits, or declines them. In the own context."""
    key = api_keys.own_one(session, actor, id)
    if key.row_version != version:
        raise Conflict(key.row_version)
    if key.is_over or key.wanted_at is None:
        raise Locked(_l("Nothing waits for your consent here any more."))
    session.execute(_ANSWER, {"key": id, "version": version, "accepted": accepted})
    return api_keys.own_one(session, actor, id)


def asked(key: ApiKey) -> list[tuple[Any, Any]]:
    """The facts of what waits: as it is and as it is asked."""
    kind, rows = KEYS.kind, []
    for name, wanted in (("scopes", "wanted_scopes"), ("networks", "wanted_networks"), ("expires_at", "wanted_until")):
        if getattr(key, wanted) is not None:
            words = kind.field(name).field.words
            label = kind.field(name).label
            rows.append((_("%(what)s, now", what=label), words(getattr(key, name))))
            rows.append((_("%(what)s, as is asked", what=label), words(getattr(key, wanted))))
    return rows
