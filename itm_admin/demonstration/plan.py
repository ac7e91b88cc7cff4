"""The plan of the demonstration's cases, drawn by lot, the same each time.

Shares follow the published national figures (foundation.national): GRETA's for 2019-2023, 52 % sexual exploitation,
30 % forced labour, 9 % forced marriage, 6 % begging; women, children and citizens of Türkiye as in the yearly reports;
the three years have the ratios of the last three published ones. Knows no database; values are those of a form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from itm_admin.demonstration import staff, synthetic_data
from itm_admin.foundation import national, vocabulary

FIRST, LAST = date(2024, 1, 2), date(2026, 11, 20)
FULL = 410
"""Cases of a whole demonstration; with them more than 600 persons."""

_SHARES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "JGK": (96, {"GENDARMERIE": 7, "HOTLINE_157": 2, "PROSECUTOR": 1, "SELF": 1}),
    "EGM": (94, {"POLICE": 7, "HOTLINE_157": 2, "PROSECUTOR": 1, "EMBASSY": 1}),
    "GIB": (64, {"PMM_PROVINCIAL": 5, "HOTLINE_157": 4, "SELF": 1, "IO": 1}),
    "ASHB": (46, {"SOCIAL_SERVICES": 6, "HEALTH": 2, "POLICE": 2}),
    "STK_A": (22, {"NGO": 4, "SELF": 3, "SOCIAL_SERVICES": 1}),
    "IOM": (22, {"IO": 4, "EMBASSY": 2, "NGO": 2}),
    "STK_B": (10, {"NGO": 3, "SELF": 2}),
    "CSGB": (9, {"LABOUR_INSPECTOR": 1}),
    "SAHILGUV": (8, {"COASTGUARD": 1}),
    "ADALET": (4, {"PROSECUTOR": 1}),
    "SAGLIK": (4, {"HEALTH": 1}),
    "KIZILAY": (4, {"NGO": 2, "SELF": 1}),
    "UNHCR": (4, {"IO": 1}),
    "BAROLAR": (3, {"SELF": 2, "NGO": 1}),
    "MEB": (2, {"SOCIAL_SERVICES": 1}),
    "DISISLERI": (2, {"EMBASSY": 1}),
    "ISKUR": (2, {"LABOUR_INSPECTOR": 1}),
    "THSSGM": (2, {"HEALTH": 1}),
    "ABB": (2, {"SOCIAL_SERVICES": 1, "SELF": 1}),
    "ICMPD": (2, {"IO": 1}),
    "ILO": (2, {"IO": 1}),
    "ICISLERI": (1, {"HOTLINE_157": 1}),
    "KTB": (1, {"SELF": 1}),
    "TICARET": (1, {"LABOUR_INSPECTOR": 1}),
    "YYGM": (1, {"SOCIAL_SERVICES": 1}),
    "TIHEK": (2, {"SELF": 1}),
}
"""Institution → its number of FULL cases, and their origin. The others hold no cases, only look."""

_EXPLOITATION = {
    "SexualExploitation": 52, "ForcedLabour": 30, "ForcedMarriage": 9, "ForcedBegging": 6, "Servitude": 2,
    "OrganRemoval": 1,
}  # fmt: skip
_WOMEN = {"SexualExploitation": 95, "ForcedLabour": 68, "ForcedMarriage": 97, "ForcedBegging": 60, "Servitude": 85}
_CHILDREN = {"SexualExploitation": 23, "ForcedLabour": 26, "ForcedMarriage": 62, "ForcedBegging": 88}
_INDUSTRY = {"SexualExploitation": "IRS", "ForcedLabour": "ACFIT", "Servitude": "T"}
_CONFIDENTIALITY = {"INTERNAL": 70, "OPEN": 8, "CONFIDENTIAL": 14, "SPECIAL": 8}
_CLOSURE = {
    "SUPPORT_COMPLETED": 32, "RETURNED": 22, "REFERRED": 16, "LOST_CONTACT": 10, "WITHDREW": 9, "NOT_A_VICTIM": 8,
    "DUPLICATE": 3,
}  # fmt: skip
_OTHER_ROLES = {"WITNESS": 5, "RELATIVE": 3, "GUARDIAN": 1}
_RELATIONS = {
    "Recruiter": 30, "Employer": 20, "Stranger": 15, "IntimatePartner": 14, "Friend": 9, "Family": 8, "Unknown": 4,
}  # fmt: skip


@dataclass(frozen=True)
class PlannedPerson:
    """`person` as NewPersonInput, `profile` as VictimProfileInput."""

    person: dict[str, Any]
    profile: dict[str, Any] | None


@dataclass(frozen=True)
class PlannedCase:
    """`case` as CaseInput, `closing` as CloseInput, and its further acts (times: see acts.py)."""

    institution: str
    unit: str | None
    """None: the institution's root."""
    case: dict[str, Any]
    people: tuple[PlannedPerson, ...]
    closing: dict[str, Any] | None
    follow_up: bool
    deleted: str | None
    """The reason, where it is deleted again."""
    known_person: bool
    """A person of an earlier case of the institution is in this one too."""
    colleague: bool
    record_read: bool
    refused: bool
    """Somebody without access to it tries to look."""
    held: bool
    seed: float
    """For choices that depend on the people at work: the same again after an interruption."""
    reference: str


def draw(volume: int, last: date) -> Iterator[tuple[str, list[PlannedCase]]]:
    """Institution by institution, each one's cases in the order of their days, none after `last`."""
    number = 0
    for code, (share, sources) in _SHARES.items():
        lot = Random(f"itm demo {code}")  # noqa: S311 (made-up data, no secret)
        count = max(1, round(share * volume / FULL))
        days = sorted(_day(lot, min(LAST, last)) for _ in range(count))
        cases: list[PlannedCase] = []
        for day in days:
            of_year = sum(each.case["opened_on"][:4] == str(day.year) for each in cases) + 1
            cases.append(_case(lot, f"ITM-{code}-{day.year}-{of_year:06}", sources, day, min(LAST, last), number))
            number += len(cases[-1].people)
        yield code, cases


def year_weights() -> Mapping[int, int]:
    """The years of the story, to each other as the last ones that were published."""
    years = range(FIRST.year, LAST.year + 1)
    published = [each.value for each in national.by_year().values()][-len(years) :]
    return dict(zip(years, published, strict=True))


def _day(lot: Random, last: date) -> date:
    weights = {year: weight for year, weight in year_weights().items() if year <= last.year}
    year = lot.choices(tuple(weights), tuple(weights.values()))[0]
    begins, ends = max(FIRST, date(year, 1, 1)), min(last, date(year, 12, 31))
    return begins + timedelta(days=lot.randint(0, (ends - begins).days))


def _case(
    lot: Random, reference: str, sources: Mapping[str, int], opened: date, last: date, number: int
) -> PlannedCase:
    code = reference.split("-")[1]
    kind = "ForcedLabour" if code == "CSGB" else _one(lot, _EXPLOITATION)
    kinds = [kind, "ForcedLabour"] if lot.random() < 0.07 and kind != "ForcedLabour" else [kind]
    unit, province = _place(lot, code)
    citizenship = _one(lot, {code: share for code, (share, _language, _names) in synthetic_data.CITIZENSHIPS.items()})
    closing = _closing(lot, opened, last)
    reason = closing["reason"] if closing else None
    victims = lot.choices((1, 2, 3, 4), (70, 21, 7, 2))[0]
    others = lot.choices((0, 1, 2), (85, 12, 3))[0]
    people = [
        _person(lot, number + place, kind, citizenship, province, opened, "VICTIM" if place < victims else None, reason)
        for place in range(victims + others)
    ]
    child = any(planned.person["birth_date"] > str(opened.year - 17) for planned in people[:victims])
    return PlannedCase(
        institution=code,
        unit=unit,
        case={
            "opened_on": opened.isoformat(),
            "province": province,
            "referral_source": _one(lot, sources),
            "exploitation_types": kinds,
            "industry": lot.choice(_INDUSTRY[kind]) if kind in _INDUSTRY else None,
            "confidentiality": "SPECIAL" if child and lot.random() < 0.4 else _one(lot, _CONFIDENTIALITY),
            "shared": lot.random() < 0.9,
            "narrative": synthetic_data.narrative(lot, kind, province),
        },
        people=tuple(people),
        closing=closing,
        follow_up=closing is None and lot.random() < 0.25,
        deleted=lot.choice(("ENTERED_IN_ERROR", "DUPLICATE", "NOT_IN_MANDATE")) if lot.random() < 0.03 else None,
        known_person=lot.random() < 0.04,
        colleague=lot.random() < 0.45,
        record_read=lot.random() < 0.12,
        refused=lot.random() < 0.04,
        held=lot.random() < 0.02,
        seed=lot.random(),
        reference=reference,
    )


def _place(lot: Random, code: str) -> tuple[str | None, str]:
    """A unit with its province, more often one that has people of its own; or the root, for any province."""
    provinces = {**staff.UNITS.get(code, {})}
    for name, above in staff.BELOW.get(code, {}).items():
        provinces[name] = provinces[above]
    if not provinces or lot.random() < 0.1:
        return None, lot.choice(vocabulary.codes("province"))
    staffed = {member.unit for member in staff.TEAM if member.institution == code}
    unit = _one(lot, {name: 3 if name in staffed else 1 for name in provinces})
    return unit, provinces[unit]


def _closing(lot: Random, opened: date, last: date) -> dict[str, Any] | None:
    """Older cases are mostly closed."""
    ends = opened + timedelta(days=lot.randint(20, 500))
    if ends > last or lot.random() < 0.15:
        return None
    return {"reason": _one(lot, _CLOSURE), "closed_on": ends.isoformat(), "note": synthetic_data.closing_note(lot)}


def _person(
    lot: Random,
    number: int,
    kind: str,
    citizenship: str,
    province: str,
    opened: date,
    role: str | None,
    closed_for: str | None,
) -> PlannedPerson:
    feminine = lot.randrange(100) < (_WOMEN.get(kind, 60) if role else 50)
    gender = "Feminine" if feminine else "Masculine"
    if role and lot.random() < 0.02:
        gender = "TransgenderFeminine"
    child = lot.randrange(100) < (_CHILDREN.get(kind, 5) if role else 0)
    age = lot.randint(9, 16) if child else min(62, 18 + int(lot.expovariate(1 / 11)))
    given, family = synthetic_data.name(lot, citizenship, gender)
    person = {
        "role": role or _one(lot, _OTHER_ROLES),
        "gender": gender,
        "citizenships": [citizenship],
        "language": synthetic_data.CITIZENSHIPS[citizenship][1],
        "given_name": given,
        "family_name": family,
        "birth_date": _birth(lot, opened.year - age),
        **(synthetic_data.identity(number, citizenship) if citizenship == "TR" or lot.random() < 0.6 else {}),
        **({"passport": f"SENTETIK{number:06}"} if citizenship != "TR" and lot.random() < 0.5 else {}),
        **(synthetic_data.contact(lot, number, province) if lot.random() < 0.5 else {}),
    }
    if child:
        person["guardian"] = synthetic_data.guardian(lot, citizenship)
    return PlannedPerson(person, _profile(lot, kind, age, closed_for) if role and lot.random() < 0.95 else None)


def _birth(lot: Random, year: int) -> str:
    """Mostly to the day; documents often hold less."""
    precision = lot.choices(("day", "month", "year"), (7, 1, 2))[0]
    month, day = lot.randint(1, 12), lot.randint(1, 28)
    return {"year": f"{year}", "month": f"{year}-{month:02}", "day": f"{year}-{month:02}-{day:02}"}[precision]


def _profile(lot: Random, kind: str, age: int, closed_for: str | None) -> dict[str, Any]:
    status = lot.choices(("InstitutionConsidersVictim", "PossibleVictimOfTrafficking"), (62, 38))[0]
    if closed_for == "NOT_A_VICTIM":
        status = "NotAVictimOfTrafficking"
    profile = {
        "trafficking_status": status,
        "recruitment_methods": _some(lot, vocabulary.codes("method_of_recruitment"), 2),
        "control_methods": _some(lot, vocabulary.codes("method_of_control"), 4),
        "age_when_trafficked": max(6, age - lot.choices((0, 1, 2, 4), (60, 25, 10, 5))[0]),
        "relation_to_trafficker": _one(lot, _RELATIONS),
        "health": synthetic_data.health(lot) if lot.random() < 0.6 else None,
        "needs": _some(lot, vocabulary.codes("support_need"), 4),
    }
    if status != "PossibleVictimOfTrafficking":
        profile["status_decision_maker"] = "NonPoliceGovernmentalOrganization"
    if kind == "SexualExploitation":
        profile["sex_exploitation"] = _some(lot, vocabulary.codes("sex_exploitation_type"), 2)
    return profile


def _one(lot: Random, weights: Mapping[str, int]) -> str:
    return lot.choices(tuple(weights), tuple(weights.values()))[0]


def _some(lot: Random, codes: Sequence[str], most: int) -> list[str]:
    return lot.sample(codes, lot.randint(1, most))
