"""Referrals that wait, for the home page of those who answer them."""

from __future__ import annotations

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from itm_admin.foundation import tenancy
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.roles import may
from itm_admin.referrals.models import Referral


def waiting(session: AnySession) -> list[tuple[str, str]]:
    """One sentence for the referrals that were sent to us and not answered, with those that are late."""
    if not may(tenancy.current().roles, "list", "Referral"):
        return []
    asked = (Referral.party == "to", Referral.state == "sent", Referral.deleted_at.is_(None))
    late = func.count().filter(Referral.due_at < func.now())
    count, overdue = session.execute(select(func.count(), late).select_from(Referral).where(*asked)).one()
    if not count:
        return []
    told = ngettext("%(num)s referral waits for your answer", "%(num)s referrals wait for your answer", count)
    if overdue:
        told = _("%(told)s, %(late)s of them overdue", told=told, late=overdue)
    return [(told, url_for("ReferralView.list", state="sent", party="to", sort="due_at"))]
