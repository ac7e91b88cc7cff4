"""Alerts: on every page of those whom they concern, and in a list, until acknowledged.

Promise: an acknowledgement and its entry in the ledger are one transaction. Row-level security decides which alerts a
person sees; the roles' table decides who may acknowledge.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import Select, case, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

from itm_admin.accounts.models import Account
from itm_admin.assurance import detail as details
from itm_admin.assurance import naming
from itm_admin.assurance.alert_words import alert_words
from itm_admin.assurance.models import Alert
from itm_admin.assurance.scheduler_watch import watch
from itm_admin.foundation import tenancy
from itm_admin.foundation.access import Access, scope_for
from itm_admin.foundation.actor import Actor, me
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, Denied, NotFound
from itm_admin.foundation.roles import AUDIT, INSTITUTION, OVERSIGHT
from itm_admin.ledger.alert_raising import OF_SIGN_IN

SCOPES = (AUDIT, OVERSIGHT, INSTITUTION)
MOST = 5
"""The most alerts on every page; the list has them all."""


@dataclass(frozen=True)
class ShownAlert:
    """One line of the banner."""

    text: str
    url: str
    severity: str
    raised_at: datetime


def alerts_for(actor: Actor) -> list[ShownAlert]:
    """This person's open alerts, the critical ones first, in one query. None for people whom they do not concern.

    Never raises: it is called while error pages are rendered, too.
    """
    scope = scope_for(Access("Alert", "list", SCOPES), actor.roles)
    if scope is None:
        return []
    session = db.session()
    bound = tenancy.current()
    try:
        if bound.scope == scope:
            rows = session.scalars(open_alerts().limit(MOST)).all()
        else:
            with tenancy.acting(actor.context(scope), session):
                rows = session.scalars(open_alerts().limit(MOST)).all()
        sentences = [words(alert) for alert in rows]
    except SQLAlchemyError:
        session.rollback()
        tenancy.bind(bound)
        return []
    url = url_for("AlertView.list")
    return [ShownAlert(said, url, alert.severity, alert.raised_at) for alert, said in zip(rows, sentences, strict=True)]


def open_alerts() -> Select[tuple[Alert]]:
    """The critical ones first; those of single accounts, which may be many, after all others."""
    order = (Alert.severity, case((Alert.kind.in_(OF_SIGN_IN), 1), else_=0), Alert.raised_at.desc(), Alert.id)
    return select(Alert).where(Alert.acknowledged_at.is_(None)).order_by(*order)


def may_deal(actor: Actor, alert: Alert) -> bool:
    """True if the person at work may take care of this one: not of one about the own account (0016/20)."""
    if not actor.may("acknowledge", "Alert"):
        return False
    if alert.kind in OF_SIGN_IN:
        return alert.subject != actor.username
    return bool({"auditor_national", "presidency_supervisor"} & actor.roles)


def accounts(session: Session | scoped_session[Any], shown: Iterable[Alert]) -> dict[str, uuid.UUID]:
    """The accounts that alerts of sign-ins name, by user name, as far as this person sees them."""
    names = {alert.subject for alert in shown if alert.kind in OF_SIGN_IN}
    if not names or tenancy.current().scope == OVERSIGHT:
        return {}
    rows = session.execute(select(Account.username, Account.id).where(Account.username.in_(names)))
    return {row.username: row.id for row in rows}


def words(alert: Alert) -> str:
    return alert_words(alert.kind, alert.subject, alert.first_broken, watch().label(alert.subject))


def findings(alert: Alert) -> list[dict[str, Any]]:
    """The findings of an alert of tampering: the first one, and the first one that is about a record."""
    told = alert.detail
    found: list[dict[str, Any]] = []
    first, of_object = told.get("finding"), told.get("object_finding", told.get("finding"))
    if first and not (told.get("object") and first == of_object):
        found.append({"kind": first, "seq": alert.first_broken})
    if told.get("object"):
        found.append({"kind": of_object, "table": told.get("table"), "id": told["object"]})
    return found


def facts(alert: Alert) -> list[tuple[str, str]]:
    """The alert's further facts, name and value."""
    told = ("table", "object", "named", "object_finding", "finding", "ledger")  # in words elsewhere on the page
    known = {name: value for name, value in alert.detail.items() if value is not None and name not in told}
    return details.words({"detail": known}, naming.named())


def technical(alert: Alert) -> list[tuple[str, str]]:
    """Programs' sentences, ids and digests, unchanged."""
    return details.technical({"detail": alert.detail})


def by_whom(alert: Alert) -> str:
    """The person who takes care of it, or the words that nobody had to."""
    if alert.detail.get("resolved"):
        return str(_("over without anybody's doing"))
    return naming.name_of(alert.acknowledged_by) or str(_("A person whose name is not shown here"))


def acknowledge(session: Session | scoped_session[Any], id: uuid.UUID) -> None:
    """Acknowledges an alert; the database writes the person, the time, and the entry.

    Raises NotFound if this person does not see it, Conflict if somebody has acknowledged it.
    """
    alert = session.get(Alert, id)
    if alert is None:
        raise NotFound
    if not may_deal(me(), alert):
        raise Denied
    changed = session.execute(
        update(Alert)
        .where(Alert.id == id, Alert.acknowledged_at.is_(None))
        .values(acknowledged_at=func.now(), acknowledged_by=tenancy.current().account)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict
