"""The page that suspends several accounts at once. It asks first, and does all or nothing (foundation/bulk.py)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from flask import g, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.accounts import services
from itm_admin.accounts.models import Account
from itm_admin.foundation import access, bulk
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Chosen, Line
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.forms import PanelForm, save, tell
from itm_admin.foundation.list_parts import BulkAct
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION
from itm_admin.foundation.views import Page, route, safe_next_url

Answer = str | tuple[str, int] | Response


def bulk_acts() -> list[BulkAct]:
    """The acts that the person may do on several accounts."""
    endpoint = "AccountsTogetherView.suspend"
    return [BulkAct(_("Suspend"), url_for(endpoint))] if access.allowed(endpoint, g.actor) else []


class AccountsTogetherView(Page):
    """Several accounts of the institution, or of all."""

    subject = "Account"
    scopes = (INSTITUTION, ACCOUNTS)
    route_base = "/accounts/together"

    @route("/suspend", act="suspend", methods=("POST",))
    def suspend(self) -> Answer:
        form, wanted = PanelForm(), bulk.read(request.form.getlist(bulk.NAME))
        back, reasons = safe_next_url(request.form.get("next")), dict[uuid.UUID, str]()
        if request.form.get("confirmed") == "yes":
            try:
                if save(form, lambda session: _suspend(session, wanted)):
                    tell(ngettext("%(num)s account is suspended.", "%(num)s accounts are suspended.", len(wanted)))
                    return redirect(back, 303)
            except bulk.RecordsRefused as refused:
                reasons = refused.reasons
                form.told.append(str(refused))
        lines = _lines(wanted, reasons)
        record_read("record.list", "account", subjects=[each.id for each in wanted], detail={"page": "together"})
        page = self.render(
            "together.html", heading=_("Suspend the chosen accounts"), form=form, fields=(), lines=lines,
            submit=_("Suspend the accounts"), tone="danger", action=request.path, back=back, list_name=_("Accounts"),
            legend=ngettext("%(num)s chosen account", "%(num)s chosen accounts", len(lines)),
        )  # fmt: skip
        return page, 409 if reasons else 200


def _suspend(session: Session, wanted: list[Chosen]) -> bool:
    return bulk.all_or_nothing(wanted, lambda each: services.suspend(session, me(), each.id, each.version))


def _lines(wanted: list[Chosen], reasons: Mapping[uuid.UUID, str]) -> list[Line]:
    """Sorted by user name. Raises NotFound if one of them is out of reach."""
    seen = {each.id: each.version for each in wanted}
    statement = services.reachable(me()).where(Account.id.in_(seen)).order_by(Account.username)
    accounts = list(db.session.scalars(statement, execution_options={"populate_existing": True}).unique())
    if len(accounts) < len(wanted):
        raise NotFound
    return [
        Line(
            f"{account.id}:{account.row_version if reasons else seen[account.id]}",
            account.get_full_name(),
            account.username,
            reasons.get(account.id, ""),
        )
        for account in accounts
    ]
