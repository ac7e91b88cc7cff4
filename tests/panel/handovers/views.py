"""Pages and programming interface."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import url_for
from flask_appbuilder.actions import action
from sqlalchemy import select

from itm_admin.cases.choices import INSTITUTIONS
from itm_admin.cases.models import Person
from itm_admin.foundation import record_picker
from itm_admin.foundation.database import db
from itm_admin.foundation.encryption import AnySession
from itm_admin.record.api import RecordApi
from itm_admin.record.pages import RecordPage
from tests.panel.handovers.models import Visit
from tests.panel.handovers.services import HANDOVERS, VISITS
from tests.panel.handovers.words import said


class HandoverView(RecordPage):
    datamodel = HANDOVERS
    route_base = "/handovers"
    list_columns = ("need", "other_institution_id", "party", "state", "due_day", "person_id")
    add_columns = ("other_institution_id", "need", "due_day", "person_id", "note")
    edit_columns = ("person_id", "note")
    show_columns = (
        "need", "other_institution_id", "party", "state", "due_day", "answer_day", "person_id", "note",
    )  # fmt: skip
    search_columns = ("need", "due_day", "person_id", "other_institution_id", "unit_id")
    order_columns = ("need", "due_day")
    base_order = ("due_day", "desc")

    def offer(self, form: Any, parent: Any, record: Any) -> None:
        if "other_institution_id" in form:
            url = url_for("CaseChoicesView.institutions")
            record_picker.offer(db.session, form.other_institution_id, INSTITUTIONS, url, "–")
        if "person_id" in form:
            people = db.session.scalars(select(Person).order_by(Person.created_at.desc()).limit(50))
            form.person_id.choices = [("", "–"), *((str(each.id), each.pseudonym) for each in people)]


class HandoverApi(RecordApi):
    page = HandoverView
    resource_name = "handovers"


class VisitView(RecordPage):
    datamodel = VISITS
    route_base = "/visits"
    list_columns = ("day", "handover_id", "state", "province", "needs", "urgent", "title")
    add_columns = ("day", "province", "needs", "urgent", "note")
    edit_columns = ("day", "province", "needs", "urgent", "note")
    show_columns = ("handover_id", "state", "day", "province", "needs", "urgent", "note")
    search_columns = ("province", "needs", "day", "urgent", "handover_id")
    order_columns = ("day", "province")
    label_columns: ClassVar = {"title": said("Başlık", "Title"), "province": said("İl", "Province")}
    base_order = ("day", "desc")
    page_size = 50

    @action("mark_urgent", said("Acil işaretle", "Mark as urgent"))
    def mark_urgent(self, session: AnySession, record: Visit) -> None:
        record.urgent = True


class VisitApi(RecordApi):
    page = VisitView
    resource_name = "visits"
