"""A part of a case, with a protected value about the case: what was agreed to keep the people in it safe."""

from __future__ import annotations

import uuid
from datetime import date
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Mapped

from itm_admin.cases.models import Case
from itm_admin.cases.services import CASES
from itm_admin.record.api import RecordApi
from itm_admin.record.area import Area, MenuEntry
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.field import field, protected
from itm_admin.record.fields import Day, Link, Text
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Record, linked
from itm_admin.record.pages import RecordPage


class Plan(Record, Model):
    __tablename__ = "plan"
    __record__: ClassVar = RecordInfo(
        _l("Note"), _l("Notes"), parent="case_id", about="case", history="Case", recent="day"
    )

    case_id: Mapped[uuid.UUID] = field(Link(label=_l("Case"), shown="case", to="case_file"))
    day: Mapped[date] = field(Day(label=_l("Day"), ask=_l("Write the day.")))
    agreed_enc: Mapped[bytes | None] = protected(Text(label=_l("Narrative"), lines=True))

    case: Mapped[Case] = linked(Case, "Plan.case_id")

    def __str__(self) -> str:
        return str(self.day)


class PlanView(RecordPage):
    datamodel = RecordInterface(Plan, parent=CASES)
    route_base = "/plans"
    list_columns = ("day", "case_id")
    search_columns = ("day", "case_id")


class PlanApi(RecordApi):
    page = PlanView
    resource_name = "plans"


WORK = frozenset({"list", "show", "add", "edit", "reveal", "history"})


def contributed() -> Area:
    may = {"focal_point": WORK, "caseworker": WORK, "institution_manager": WORK | {"delete", "restore"}}
    entry = MenuEntry(PlanView, _l("Notes"), "case", "Work")
    return Area("plans", models=(Plan,), views=(entry,), apis=(PlanApi,), may={"Plan": may})


TABLE = """
create table public.plan (like itm.record including all, case_id uuid not null, day date not null, agreed_enc bytea);
select itm.keep('plan', 'plan', refs => '{case_id>case_file}', parent => 'case_id', about => 'case_id',
  private => '{agreed_enc}', recent => 'day');
"""
