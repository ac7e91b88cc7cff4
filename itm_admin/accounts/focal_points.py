"""The primary and the deputy focal point of an institution: its manager names one, the Presidency approves.

The database holds the rules (0015/52). Flushes, never commits.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import Session

from itm_admin.accounts import changes, reasons
from itm_admin.accounts.models import CHANGE_KINDS, CHANGE_STATES, AccessChange, Account
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Denied, Invalid, Message
from itm_admin.foundation.formats import moment
from itm_admin.foundation.roles import INSTITUTION, OVERSIGHT
from itm_admin.institutions.models import Institution
from itm_admin.record.display import Facts

RANKS = changes.RANKS


def why_not(account: Account) -> Message | None:
    """The reason why the person at work cannot name this person now."""
    context = tenancy.current()
    others: Message = _l("A focal point is named by the manager of the own institution.")
    if context.scope != INSTITUTION or account.id == context.account:
        return others
    if not account.active or not any(each.role == "focal_point" and each.state == "active" for each in account.grants):
        none: Message = _l("Only an active account with the role of a focal point can be named.")
        return none
    return None


def name(session: Session, account: Account, rank: str | None, reason: str) -> AccessChange:
    """Names the person as the primary or deputy one; it waits for the Presidency."""
    if rank not in RANKS:
        raise Invalid({"rank": _l("Choose a rank.")})
    if (refused := why_not(account)) is not None:
        raise Denied(refused)
    reasons.because(session, rank, reason)
    named = AccessChange(institution_id=account.institution_id, account_id=account.id, kind=rank)
    session.add(named)
    session.flush()
    return named


def facts(institution: Institution) -> Facts:
    """Both ranks for the institution's page, to the Presidency's supervisor; what waits is said."""
    if tenancy.current().scope != OVERSIGHT or "presidency_supervisor" not in me().roles:
        return []
    return lines(named(institution.id))


def named(institution: uuid.UUID) -> list[AccessChange]:
    """The ranks that stand or wait in an institution, the oldest first, as far as the person at work sees them."""
    wanted = select(AccessChange).where(
        AccessChange.institution_id == institution,
        AccessChange.kind.in_(RANKS),
        AccessChange.state.in_(("done", "waiting")),
    )
    return list(db.session.scalars(wanted.order_by(AccessChange.created_at)))


def lines(rows: Sequence[AccessChange]) -> Facts:
    """Both ranks in words."""
    names = changes.names(db.session, [each.account_id for each in rows])
    return [(str(CHANGE_KINDS[rank]), _line([each for each in rows if each.kind == rank], names)) for rank in RANKS]


def rank_of(account: Account) -> Facts:
    """The person's rank, for the page of the account; nothing without one."""
    found = db.session.scalars(
        select(AccessChange).where(
            AccessChange.account_id == account.id,
            AccessChange.kind.in_(RANKS),
            AccessChange.state.in_(("done", "waiting")),
        )
    )
    said = [f"{CHANGE_KINDS[each.kind]} ({CHANGE_STATES[each.state]})" if each.state == "waiting"
            else str(CHANGE_KINDS[each.kind]) for each in found]  # fmt: skip
    return [(str(_("Focal point of the institution")), ", ".join(said))] if said else []


def _line(rows: list[AccessChange], names: Mapping[uuid.UUID | None, str]) -> str:
    said = [
        _("%(name)s, since %(when)s", name=names.get(each.account_id, "–"), when=moment(each.decided_at))
        if each.state == "done"
        else _("%(name)s waits for the Presidency's approval", name=names.get(each.account_id, "–"))
        for each in rows
    ]
    return "; ".join(said) or str(_("Nobody"))
