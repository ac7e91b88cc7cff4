"""The page on which one person acknowledges several alerts at once: all or none, an entry for each."""

from __future__ import annotations

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.assurance import alerts
from itm_admin.foundation import bulk
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Asked, Chosen, Line
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.formats import moment
from itm_admin.foundation.forms import PanelForm, save, tell
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.foundation.views import Page, redirect_after_post, route


class AlertsTogetherView(Page):
    """Several open alerts."""

    subject = "Alert"
    scopes = (AUDIT, OVERSIGHT)
    route_base = "/alerts/together"

    @route("/acknowledge", act="acknowledge", methods=("POST",))
    def acknowledge(self) -> str | tuple[str, int] | Response:
        form = PanelForm()
        asked = bulk.asked(request.form.getlist(bulk.NAME), request.form.getlist(bulk.OFFERED))
        wanted, confirmed = asked.chosen, request.form.get("confirmed") == "yes"
        if not asked.offered:
            return bulk.back_to_the_list(url_for("AlertView.list"))
        if not wanted:
            form.told.append(str(bulk.NOTHING_CHOSEN))
        elif confirmed:
            try:
                if save(form, lambda session: _acknowledge(session, wanted)):
                    tell(ngettext("%(num)s alert is acknowledged.", "%(num)s alerts are acknowledged.", len(wanted)))
                    return redirect_after_post("AlertView.list")
            except bulk.RecordsRefused as refused:
                asked.refuse(refused, form)
        lines = _lines(asked)
        record_read("record.list", "alert", subjects=[each.id for each in asked.offered], detail={"page": "together"})
        page = self.render(
            "together.html", heading=_("Deal with several alerts"), form=form, fields=(), lines=lines,
            submit=_("I deal with them"), tone="primary", action=request.path, back=url_for("AlertView.list"),
            list_name=_("Alerts"), legend=ngettext("%(num)s alert", "%(num)s alerts", len(lines)),
        )  # fmt: skip
        return page, asked.status(form, confirmed=confirmed)


def _acknowledge(session: Session, wanted: list[Chosen]) -> bool:
    return bulk.all_or_nothing(wanted, lambda each: alerts.acknowledge(session, each.id))


def _lines(asked: Asked) -> list[Line]:
    """The alerts that still wait. Raises NotFound if this person does not see one, or all are acknowledged."""
    ids = {each.id for each in asked.offered}
    waiting = [alert for alert in db.session.scalars(alerts.open_alerts()) if alert.id in ids]
    if not asked.reasons and not {each.id for each in asked.chosen} <= {alert.id for alert in waiting}:
        raise NotFound
    return [asked.line(each.id, 0, alerts.words(each), moment(each.raised_at)) for each in waiting]
