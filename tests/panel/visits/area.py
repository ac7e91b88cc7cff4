"""Visits to a person of a case: one table, a protected note, three states, an action, pages and an API."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from flask_appbuilder import Model
from flask_appbuilder.actions import action
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Mapped

from itm_admin.cases.models import Case, Person
from itm_admin.cases.services import CASES
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid
from itm_admin.record.api import RecordApi
from itm_admin.record.area import Area, MenuEntry
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.field import field, protected
from itm_admin.record.fields import Choice, Code, Codes, Day, Flag, Link, Text
from itm_admin.record.kind import RecordInfo, States, Transition
from itm_admin.record.models import Record, linked
from itm_admin.record.pages import RecordPage

STATES = States(
    "planned",
    {
        "carry_out": Transition("done", ("planned",), _l("Done"), ("day",)),
        "call_off": Transition("off", ("planned",), _l("Refuse")),
    },
)
WORDS = {"planned": _l("Proposed"), "done": _l("Done"), "off": _l("Refused")}


class Visit(Record, Model):
    __tablename__ = "visit"
    __record__: ClassVar = RecordInfo(
        _l("Look"), _l("Looks"), history="Case", parent="case_id", about="person", states=STATES, recent="day"
    )

    case_id: Mapped[uuid.UUID] = field(Link(label=_l("Case"), shown="case", to="case_file"))
    person_id: Mapped[uuid.UUID] = field(Link(label=_l("Person"), shown="person", to="person"))
    state: Mapped[str] = field(Choice(label=_l("State"), choices=WORDS), default="planned")
    day: Mapped[date] = field(Day(label=_l("Due"), ask=_l("Choose a province.")))
    province: Mapped[str | None] = field(Code(label=_l("Province"), codes="province"))
    needs: Mapped[list[str]] = field(Codes(label=_l("Needs"), codes="support_need"))
    urgent: Mapped[bool] = field(Flag(label=_l("Active"), needs="triage"), default=False)
    note_enc: Mapped[bytes | None] = protected(Text(label=_l("Note"), most=500, lines=True))

    case: Mapped[Case] = linked(Case, "Visit.case_id")
    person: Mapped[Person] = linked(Person, "Visit.person_id")

    @property
    def title(self) -> str:
        return f"{self.person} {self.day.isoformat()}"

    def __str__(self) -> str:
        return self.title


class Visits(RecordInterface[Visit]):
    def pre_add(self, session: AnySession, record: Visit, values: Mapping[str, Any], parent: Any) -> None:
        if record.day < parent.opened_on:
            raise Invalid({"day": _l("This day is in the future, or too long ago.")})


class VisitView(RecordPage):
    datamodel = Visits(Visit, parent=CASES)
    route_base = "/visits"
    list_columns = ("day", "person_id", "state", "province", "needs", "urgent", "title")
    add_columns = ("person_id", "day", "province", "needs", "urgent", "note")
    edit_columns = ("day", "province", "needs", "urgent", "note")
    show_columns = ("person_id", "case_id", "state", "day", "province", "needs", "urgent", "note")
    search_columns = ("province", "needs", "day", "urgent")
    order_columns = ("day", "province")
    label_columns: ClassVar = {"title": _l("Title"), "province": _l("Province")}
    base_order = ("day", "desc")
    page_size = 50

    @action("mark_urgent", _l("Active"))
    def mark_urgent(self, session: AnySession, record: Visit) -> None:
        record.urgent = True

    def offer(self, form: Any, parent: Any, record: Any) -> None:
        if "person_id" in form:
            form.person_id.choices = []


class VisitApi(RecordApi):
    page = VisitView
    resource_name = "visits"


WORK = frozenset({"reveal", "list", "show", "add", "edit", "carry_out", "call_off", "mark_urgent", "export", "history"})
MAY: Mapping[str, frozenset[str]] = {
    "focal_point": WORK | {"triage"},
    "caseworker": WORK - {"export", "mark_urgent"},
    "institution_manager": frozenset({"list", "show", "delete", "restore", "export"}),
}


def contributed() -> Area:
    """Made by the test that uses it: whoever makes an area puts its rows into the roles' table."""
    entry = MenuEntry(VisitView, _l("Looks"), "case", "Work")
    return Area("visits", models=(Visit,), views=(entry,), apis=(VisitApi,), may={"Visit": MAY})


TABLE = """
create table public.visit (like itm.record including all, case_id uuid not null, person_id uuid not null,
  state varchar not null, day date not null, province varchar, needs varchar[] not null default '{}',
  urgent boolean not null, note_enc bytea);
select itm.keep('visit', 'visit', refs => '{case_id>case_file,person_id>person}', parent => 'case_id',
  about => 'person_id', private => '{note_enc}', states => '{>planned,planned>done,planned>off}', recent => 'day');
"""
