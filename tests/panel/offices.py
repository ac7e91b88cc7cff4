"""A kind that stands alone: an institution's offices, each in a unit, without a parent."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Mapped

from itm_admin.record.api import RecordApi
from itm_admin.record.area import Area, MenuEntry
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.field import field
from itm_admin.record.fields import Day, Flag, Text
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Record
from itm_admin.record.pages import RecordPage


class Office(Record, Model):
    __tablename__ = "office"
    __record__: ClassVar = RecordInfo(_l("Unit"), _l("Units"), recent="opened_on")

    name: Mapped[str] = field(Text(label=_l("Name"), ask=_l("Write a name.")))
    opened_on: Mapped[date] = field(Day(label=_l("Opened")))
    public: Mapped[bool] = field(Flag(label=_l("Active")), default=True)

    def __str__(self) -> str:
        return self.name


class OfficeView(RecordPage):
    datamodel = RecordInterface(Office)
    route_base = "/offices"
    list_columns = ("name", "opened_on")


class OfficeApi(RecordApi):
    page = OfficeView
    resource_name = "offices"


WORK = frozenset({"list", "show", "add", "edit"})


def contributed() -> Area:
    may = {"focal_point": WORK, "institution_manager": WORK | {"delete", "restore"}}
    entry = MenuEntry(OfficeView, _l("Units"), "case", "Work")
    return Area("offices", models=(Office,), views=(entry,), apis=(OfficeApi,), may={"Office": may})


TABLE = """
create table public.office (like itm.record including all, name varchar not null, opened_on date not null,
  public boolean not null);
select itm.keep('office', 'office', recent => 'opened_on');
"""
