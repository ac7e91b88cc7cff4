"""The page of alerts. One person takes care of an alert, or of several at once: all or none, an entry for each."""

from __future__ import annotations

import builtins
import uuid
from functools import partial

from flask import flash, request
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.assurance import alerts, naming, tampering
from itm_admin.assurance.alert_words import to_do
from itm_admin.assurance.models import Alert
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Asked, Chosen, Line
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, NotFound
from itm_admin.foundation.formats import moment
from itm_admin.foundation.once import unless_repeated
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import redirect_after_post, route
from itm_admin.record import together


class AlertView(together.ActsTogether):
    """Alerts of auditors and the Presidency, and of managers about sign-ins and disclosures of their people."""

    subject = "Alert"
    scopes = alerts.SCOPES
    route_base = "/alerts"

    @route("/", act="list")
    def list(self) -> str:
        waiting = db.session.scalars(alerts.open_alerts()).all()
        last = (Alert.acknowledged_at.desc(), Alert.id)
        past = db.session.scalars(
            select(Alert).where(Alert.acknowledged_at.is_not(None)).order_by(*last).limit(50)
        ).all()
        everything = (*waiting, *past)
        concerned = naming.ids_in(*(f"{alert.detail} {alert.acknowledged_by}" for alert in everything))
        naming.learn(db.session, concerned)
        people = alerts.accounts(db.session, waiting)
        shown = [*(alert.id for alert in everything), *sorted(concerned), *people.values()]
        record_read("record.list", "alert", subjects=shown)
        found = {alert.id: tampering.told(db.session, alerts.findings(alert)) for alert in waiting}
        return self.render(
            "assurance/alerts.html",
            open=waiting,
            past=past,
            words=alerts.words,
            by_whom=alerts.by_whom,
            detail=alerts.facts,
            technical=alerts.technical,
            found=found,
            to_do=to_do,
            people=people,
            mine=[each for each in waiting if alerts.may_deal(me(), each)],
            bulk=together.offered(self),
        )

    @route("/<uuid:id>/acknowledge", act="acknowledge", methods=("POST",))
    def acknowledge(self, id: uuid.UUID) -> Response:
        try:
            with writing() as session:
                unless_repeated(session, partial(alerts.acknowledge, session, id))
        except Conflict:
            flash(_("Somebody else has acknowledged this alert already."), "info")
        else:
            flash(_("The alert is acknowledged. It stays in the ledger."), "success")
        return redirect_after_post("AlertView.list")

    @action("acknowledge", _l("Deal with several alerts"), None, single=False)
    def acknowledge_each(self, session: Session, alert: Alert) -> None:
        alerts.acknowledge(session, alert.id)

    def done_words(self, action: str, count: int) -> str:
        return str(ngettext("%(num)s alert is acknowledged.", "%(num)s alerts are acknowledged.", count))

    def rows_title(self) -> str:
        return str(_("Alerts"))

    def find_chosen(self, session: Session, act: str, chosen: Chosen) -> Alert:
        alert = session.get(Alert, chosen.id)
        if alert is None:
            raise NotFound
        return alert

    def chosen_rows(self, asked: Asked) -> builtins.list[Line]:
        """The alerts that still wait."""
        ids = {each.id for each in asked.offered}
        waiting = [
            alert for alert in db.session.scalars(alerts.open_alerts())
            if alert.id in ids and alerts.may_deal(me(), alert)
        ]  # fmt: skip
        if not asked.reasons and not {each.id for each in asked.chosen} <= {alert.id for alert in waiting}:
            raise NotFound
        record_read("record.list", "alert", subjects=[*ids], detail={"page": request.endpoint or ""})
        return [asked.line(each.id, 0, alerts.words(each), moment(each.raised_at)) for each in waiting]
