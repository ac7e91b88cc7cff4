"""A handover: one institution asks another to take somebody over. Visits belong to a side of it."""

from __future__ import annotations

import uuid
from datetime import date
from typing import ClassVar

from flask_appbuilder import Model
from sqlalchemy.orm import Mapped

from itm_admin.cases.models import Person
from itm_admin.foundation.formats import day, label
from itm_admin.record.field import field, protected
from itm_admin.record.fields import Choice, Code, Codes, Day, Flag, Link, Text
from itm_admin.record.kind import RecordInfo, States, Transition
from itm_admin.record.models import Record, linked
from itm_admin.record.two_parties import Side
from tests.panel.handovers.words import said

NOTE = said("Not", "Note")
STATE = said("Durum", "State")
HANDOVER_STATES = States(
    "asked",
    {
        "take": Transition("taken", ("asked",), said("Kabul et", "Accept"), ("answer_day",), party="to"),
        "refuse": Transition("refused", ("asked",), said("Geri çevir", "Refuse"), party="to"),
        "withdraw": Transition("withdrawn", ("asked",), said("Geri al", "Withdraw"), party="from"),
        "end": Transition("ended", ("taken",), said("Sonlandır", "End"), party="both"),
    },
)
HANDOVER_WORDS = {
    "asked": said("İstendi", "Asked"), "taken": said("Kabul edildi", "Accepted"),
    "refused": said("Geri çevrildi", "Refused"), "withdrawn": said("Geri alındı", "Withdrawn"),
    "ended": said("Sona erdi", "Ended"),
}  # fmt: skip
VISIT_STATES = States(
    "planned",
    {
        "carry_out": Transition("done", ("planned",), said("Yapıldı", "Carried out"), ("day",)),
        "call_off": Transition("off", ("planned",), said("İptal et", "Call off")),
    },
)
VISIT_WORDS = {
    "planned": said("Planlandı", "Planned"), "done": said("Yapıldı", "Done"), "off": said("İptal edildi", "Called off"),
}  # fmt: skip


class Handover(Side, Model):
    __tablename__ = "handover"
    __record__: ClassVar = RecordInfo(
        said("Devir", "Handover"), said("Devirler", "Handovers"), history="Handover", about="person",
        states=HANDOVER_STATES, recent="due_day", common=("state", "need", "due_day", "answer_day"),
    )  # fmt: skip

    state: Mapped[str] = field(Choice(label=STATE, choices=HANDOVER_WORDS))
    need: Mapped[str] = field(
        Code(label=said("İhtiyaç", "Need"), codes="support_need", ask=said("İhtiyacı seçin.", "Choose the need."))
    )
    due_day: Mapped[date] = field(Day(label=said("Son gün", "Due"), future=True))
    answer_day: Mapped[date | None] = field(Day(label=said("Kabul günü", "Accepted on")))
    person_id: Mapped[uuid.UUID | None] = field(Link(label=said("Kişi", "Person"), shown="person", to="person"))
    note_enc: Mapped[bytes | None] = protected(Text(label=NOTE, most=500, lines=True))

    person: Mapped[Person | None] = linked(Person, "Handover.person_id")

    def __str__(self) -> str:
        return f"{label(self.need, 'support_need')}, {day(self.due_day)}"


class Visit(Record, Model):
    __tablename__ = "visit"
    __record__: ClassVar = RecordInfo(
        said("Ziyaret", "Visit"), said("Ziyaretler", "Visits"), history="Handover", parent="handover_id",
        about="handover.person", states=VISIT_STATES, recent="day",
    )  # fmt: skip

    handover_id: Mapped[uuid.UUID] = field(Link(label=said("Devir", "Handover"), shown="handover", to="handover"))
    state: Mapped[str] = field(Choice(label=STATE, choices=VISIT_WORDS), default="planned")
    day: Mapped[date] = field(Day(label=said("Gün", "Day"), ask=said("Günü yazın.", "Write the day.")))
    province: Mapped[str | None] = field(Code(label=said("İl", "Province"), codes="province"))
    needs: Mapped[list[str]] = field(Codes(label=said("İhtiyaçlar", "Needs"), codes="support_need"))
    urgent: Mapped[bool] = field(Flag(label=said("Acil", "Urgent"), needs="triage"), default=False)
    note_enc: Mapped[bytes | None] = protected(Text(label=NOTE, most=500, lines=True))

    handover: Mapped[Handover] = linked(Handover, "Visit.handover_id")

    @property
    def title(self) -> str:
        return f"{self.handover} – {day(self.day)}"

    def __str__(self) -> str:
        return self.title
