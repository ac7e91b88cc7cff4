"""How cases, persons and profiles are laid out for reading: label and value pairs, and two versions compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from wtforms import SelectField

from itm_admin.cases import personal_data
from itm_admin.cases.birth import BirthDate
from itm_admin.cases.models import Case, Person, VictimProfile
from itm_admin.foundation import dates, record_picker
from itm_admin.foundation.formats import HIDDEN, day, label, moment
from itm_admin.foundation.forms import PROTECTED, DayField, PanelForm
from itm_admin.foundation.i18n import language
from itm_admin.institutions.models import Institution

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


def case_facts(case: Case, revealed: Mapping[str, Any] | None = None) -> Facts:
    facts: Facts = [
        (_("Reference"), case.reference),
        (_("Status"), label(case.status, "case_status")),
        (_("Date opened"), day(case.opened_on)),
        (_("Source of the referral"), label(case.referral_source, "referral_source")),
        (_("Province"), label(case.province, "province")),
        (_("Unit"), case.unit.name if case.unit else None),
        (_("Lead institution"), _institution(case.lead_institution)),
        (_("Types of exploitation"), [label(code, "exploitation_type") for code in case.exploitation_types]),
        (_("Sector"), label(case.industry, "industry_isic")),
        (_("Confidentiality"), label(case.confidentiality, "confidentiality")),
        (_("Open to the Presidency"), _("Yes") if case.shared else _("No, only in counts")),
        (_("Last change"), moment(case.updated_at)),
    ]
    if case.closed_on:
        facts += [
            (_("Date closed"), day(case.closed_on)),
            (_("Reason for closing"), label(case.closure_reason, "case_closure_reason")),
        ]
    return facts + protected(case, {"narrative": _("Narrative"), "closure_note": _("Closing note")}, revealed)


def _institution(found: Institution | None) -> str | None:
    if found is None:
        return None
    return f"{found.name_en if language() == 'en' else found.name_tr} ({found.code})"


def person_facts(person: Person, revealed: Mapping[str, Any] | None = None) -> Facts:
    facts: Facts = [
        (_("Pseudonym"), person.pseudonym),
        (_("Gender"), label(person.gender, "gender")),
        (_("Age when the case was opened"), label(person.age_band, "age_band")),
        (_("Child"), None if person.is_child is None else _("Yes") if person.is_child else _("No")),
        (_("Citizenships"), [label(code, "citizenship") for code in person.citizenships]),
        (_("Language"), label(person.language, "language")),
    ]
    return facts + protected(person, person_labels(), revealed)


def person_labels() -> dict[str, str]:
    return {
        "given_name": _("Given names"),
        "family_name": _("Family names"),
        "birth_date": _("Date of birth"),
        "tckn": _("Turkish identity number (TCKN)"),
        "ykn": _("Foreigner identity number (YKN)"),
        "passport": _("Passport number"),
        "phone": _("Telephone"),
        "email": _("E-mail"),
        "address": _("Address"),
        "guardian": _("Guardian"),
    }


def profile_facts(profile: VictimProfile, revealed: Mapping[str, Any] | None = None) -> Facts:
    facts: Facts = [
        (_("Trafficking status"), label(profile.trafficking_status, "trafficking_status")),
        (_("Decided by"), label(profile.status_decision_maker, "status_decision_maker")),
        (_("How recruited"), [label(code, "method_of_recruitment") for code in profile.recruitment_methods]),
        (_("Means of control"), [label(code, "method_of_control") for code in profile.control_methods]),
        (_("Age when trafficked"), profile.age_when_trafficked),
        (_("Relation to the trafficker"), label(profile.relation_to_trafficker, "relation_to_trafficker")),
    ]
    labels = {
        "sex_exploitation": _("Kinds of sexual exploitation"),
        "health": _("Health"),
        "needs": _("Needs"),
    }
    return facts + protected(profile, labels, revealed)


def protected(record: Any, labels: Mapping[str, str], revealed: Mapping[str, Any] | None) -> Facts:
    """Protected fields: dots where one is filled, the value only where it was revealed in this very answer."""
    hidden = personal_data.masked(record)
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
    hidden = personal_data.masked(record)
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
    return (record_picker.shown(field, value) if isinstance(field, SelectField) else None) or value
