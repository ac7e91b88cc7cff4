"""The forms of institutions and units. The services decide what is allowed."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField, StringField

from itm_admin.foundation import record_picker
from itm_admin.foundation.dates import why_no_day
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import Asks, CodeField, DayField, PanelForm
from itm_admin.institutions.services import Membership


class InstitutionForm(PanelForm):
    asks: ClassVar[Asks] = {
        "code": _l("Write a code."),
        "name_tr": _l("Write the name in Turkish."),
        "name_en": _l("Write the name in English."),
        "kind": _l("Choose a kind."),
    }

    code = StringField(_l("Code"))
    name_tr = StringField(_l("Name in Turkish"))
    name_en = StringField(_l("Name in English"))
    kind = CodeField(_l("Kind"), "institution_kind")
    member_from = DayField(_l("Member from"))
    member_to = DayField(_l("Member until"))
    votes = BooleanField(_l("Votes in the Commission"))
    k_threshold = StringField(_l("Smallest published count"))

    def membership(self) -> Membership:
        """Invalid for a date or number that is none."""
        return Membership(
            name_tr=self.name_tr.data or "",
            name_en=self.name_en.data or "",
            kind=self.kind.data or "",
            member_from=_day(self.member_from),
            member_to=_day(self.member_to),
            votes=bool(self.votes.data),
            k_threshold=_number(self.k_threshold),
        )

    def typed(self) -> dict[str, str]:
        """Label and shown value of each field, to compare two versions."""
        skipped = ("version", "clear", "csrf_token", "code")
        return {str(field.label.text): _shown(field) for field in self if field.name not in skipped}


class UnitForm(PanelForm):
    asks: ClassVar[Asks] = {"name": _l("Write a name."), "parent": _l("Choose the unit above.")}

    name = StringField(_l("Name"))
    parent = SelectField(_l("Belongs to"), choices=[], validate_choice=False)
    province = CodeField(_l("Province"), "province")


def _day(field: DayField) -> date | None:
    text = field.payload()
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid({field.name: why_no_day(text)}) from None


def _number(field: Any) -> int | None:
    text = str(field.data if field.data is not None else "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid({field.name: _("This must be a whole number from 3 to 100.")})
    return int(text)


def _shown(field: Any) -> str:
    if isinstance(field, BooleanField):
        return str(_("Yes") if field.data else _("No"))
    if isinstance(field, SelectField):
        return record_picker.shown(field, field.data) or ""
    return str(field.data if field.data is not None else "")
