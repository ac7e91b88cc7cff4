"""The declared fields that each data scope opens: what a consent to the scope lets an institution be told.

This is the one place that says it. A field that stands in no scope never leaves the institution; tests hold that each
named field is declared, and that each protected field of a person, a case and a profile is opened by a scope or kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

SUMMARY = "SUMMARY"
"""The scope that a receiver sees before it accepts: nothing in it names the person."""

OPENS: Mapping[str, tuple[tuple[str, str], ...]] = {
    SUMMARY: (
        ("person", "age_band"), ("person", "is_child"), ("person", "gender"), ("person", "language"),
        ("case", "province"),
    ),
    "IDENTITY": (
        ("person", "given_name"), ("person", "family_name"), ("person", "birth_date"), ("person", "citizenships"),
    ),
    "NUMBERS": (("person", "tckn"), ("person", "ykn"), ("person", "passport")),
    "CONTACT": (("person", "phone"), ("person", "email")),
    "ADDRESS": (("person", "address"),),
    "FAMILY": (("person", "guardian"),),
    "EXPLOITATION": (
        ("case", "exploitation_types"), ("case", "industry"), ("victim_profile", "trafficking_status"),
        ("victim_profile", "recruitment_methods"), ("victim_profile", "control_methods"),
        ("victim_profile", "age_when_trafficked"), ("victim_profile", "relation_to_trafficker"),
    ),
    "SEXUAL": (("victim_profile", "sex_exploitation"),),
    "HEALTH": (("victim_profile", "health"),),
    "NEEDS": (("victim_profile", "needs"),),
    "NARRATIVE": (("case", "narrative"),),
    "RISK": (),
    "INTERVIEW": (),
    "STATUS": (),
    "JUSTICE": (),
    "DOCUMENTS": (),
}  # fmt: skip
"""(kind, field) by the code of the list data_scope."""

LATER: Mapping[str, tuple[tuple[str, str], ...]] = {
    "CONTACT": (("safe_contact", "number"),),
    "ADDRESS": (("safe_contact", "number"),),
    "NEEDS": (("support_plan", "goals"),),
    "RISK": (("risk_assessment", "level"), ("risk_assessment", "safety_plan")),
    "INTERVIEW": (("interview", "indicators"), ("interview", "recommendation")),
    "NARRATIVE": (("interview", "notes"),),
    "STATUS": (("identification", "outcome"), ("recovery_period", "ends_on"), ("permit", "ends_on")),
    "JUSTICE": (("proceeding", "stage"), ("proceeding", "file_number"), ("proceeding", "lawyer")),
    "DOCUMENTS": (("attachment", "chosen"),),
}
"""Fields of kinds that are not there yet. Once one is, its fields move up: a test tells."""

KEPT: Mapping[tuple[str, str], str] = {
    ("case", "closure_note"): "a note of the institution to itself",
    ("referral_draft", "words"): "written for the receiver, who reads it with the summary",
    ("consent", "interpreter"): "a third person, who was not asked",
    ("consent", "guardian"): "it goes with the consent's own paper",
    ("consent", "paper"): "a place in the institution's archive",
}
"""Protected fields about a person or a case that no scope opens, and why."""


def opened_by(scopes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(kind, field) of all that these scopes open, each once. KeyError for a scope that does not exist."""
    seen: dict[tuple[str, str], None] = {}
    for scope in scopes:
        seen |= dict.fromkeys(OPENS[scope])
    return iter(seen)
