"""How records are laid out for reading: label and value pairs, and two versions compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from wtforms import SelectField

from itm_admin.foundation import choosing, dates
from itm_admin.foundation.formats import HIDDEN, day, label
from itm_admin.foundation.forms import PROTECTED, DayField, PanelForm
from itm_admin.record import protected_values
from itm_admin.record.birth_date import BirthDate

Facts = list[tuple[str, Any]]
CODED = {
    "province": "province",
    "referral_source": "referral_source",
    "exploitation_types": "exploitation_type",
    "industry": "industry_isic",
    "confidentiality": "confidentiality",
    "status": "case_status",
    "role": "case_role",
    "gender": "gender",
    "citizenships": "citizenship",
    "language": "language",
    "trafficking_status": "trafficking_status",
    "status_decision_maker": "status_decision_maker",
    "recruitment_methods": "method_of_recruitment",
    "control_methods": "method_of_control",
    "relation_to_trafficker": "relation_to_trafficker",
    "sex_exploitation": "sex_exploitation_type",
    "needs": "support_need",
}
"""Which vocabulary a field's codes come from."""


def protected(record: Any, labels: Mapping[str, str], revealed: Mapping[str, Any] | None) -> Facts:
    """Protected fields: dots where one is filled, the value only where it was revealed in this very answer."""
    hidden = protected_values.masked(record)
    return [(text, read(name, revealed[name]) if revealed else hidden[name]) for name, text in labels.items()]


def read(name: str, value: Any) -> Any:
    """A field's value as people read it: codes as labels, dates as days."""
    if value is HIDDEN or value in (None, "", []):
        return value
    if name == "birth_date":
        return _birth(str(value))
    if name in CODED:
        many = value if isinstance(value, list) else [value]
        labels = [label(code, CODED[name]) for code in many]
        return labels if isinstance(value, list) else labels[0]
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return day(value) if hasattr(value, "isoformat") else value


def _birth(kept: str) -> str:
    """12.05.1999, 05.1999, 1999, or an estimate in words. What is none (of another version) stays as it is."""
    try:
        estimate = BirthDate.read(kept).estimate
    except ValueError:
        return kept
    if estimate is not None:
        return str(_("about %(age)s (estimated on %(day)s)", age=estimate[0], day=day(estimate[1])))
    return ".".join(reversed(kept.split("-")))


def protected_choices(form: PanelForm, record: Any) -> list[tuple[str, str]]:
    """The stored protected fields that the form can clear."""
    hidden = protected_values.masked(record)
    return [
        (field.name, field.label.text) for field in form if hidden.get(field.name) is not None and field.name != "clear"
    ]


def compared(form: PanelForm, saved: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """For the conflict page: each field with what was typed and what is saved now."""
    rows = []
    for field in form:
        if field.name not in saved or field.name in ("version", "clear"):
            continue
        if isinstance(field, PROTECTED):
            rows.append((field.label.text, field.data or _("unchanged"), saved[field.name]))
        else:
            typed = field.payload() if hasattr(field, "payload") else field.data
            rows.append((field.label.text, _chosen(field, typed), _chosen(field, saved[field.name])))
    return rows


def filled(form: PanelForm, stored: Mapping[str, Any]) -> Facts:
    """What was filled in, as people read it, for a look before it is saved; `stored` are the values that will be."""
    rows: Facts = []
    for field in form:
        typed = field.payload() if hasattr(field, "payload") else field.data
        typed = stored.get(field.name, typed)
        if field.name not in ("version", "clear", "csrf_token") and typed not in (None, "", []):
            rows.append((field.label.text, _chosen(field, typed)))
    return rows


def _as_day(value: Any) -> Any:
    """A date, or one as it was typed into a form; what is none is shown as it was typed."""
    try:
        return day(dates.read_day(value) if isinstance(value, str) else value)
    except ValueError:
        return value


def _chosen(field: Any, value: Any) -> Any:
    if field.name in CODED or field.name == "birth_date" or isinstance(value, bool):
        return read(field.name, value)
    if isinstance(field, DayField):
        return _as_day(value)
    return (choosing.shown(field, value) if isinstance(field, SelectField) else None) or value
