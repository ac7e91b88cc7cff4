"""How cases, persons and profiles are laid out for reading, as label and value pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _

from itm_admin.cases.models import Case, Person, VictimProfile
from itm_admin.foundation.formats import day, label, moment
from itm_admin.foundation.i18n import language
from itm_admin.institutions.models import Institution
from itm_admin.record.display import Facts, protected


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
