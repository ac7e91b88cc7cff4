"""Input about cases: strict in form, open to every script, and a message for each wrong field."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from itm_admin.cases import schemas
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.identity_numbers import with_check_digits
from itm_admin.record.birth_date import BirthDate, age_band, is_child
from itm_admin.record.checks import today
from itm_admin.record.schema import DeleteInput, Input, load

CASE = {"opened_on": "2026-03-01", "province": "TR-06", "referral_source": "GENDARMERIE"}
PERSON = {"gender": "Feminine"}


def wrong(schema: type[Input], data: Any, *, partial: bool = False) -> set[str]:
    with pytest.raises(Invalid) as refusal:
        load(schema, data, partial=partial)
    assert all(str(message) for message in refusal.value.fields.values())
    return set(refusal.value.fields)


def test_a_case_needs_little_and_has_careful_defaults() -> None:
    loaded = load(schemas.CaseInput, CASE)
    assert loaded == {
        "opened_on": date(2026, 3, 1),
        "province": "TR-06",
        "referral_source": "GENDARMERIE",
        "exploitation_types": [],
        "confidentiality": "INTERNAL",
        "shared": True,
        "status": "Active",
    }


def test_a_change_names_only_what_changes() -> None:
    assert load(schemas.CaseInput, {"narrative": ""}, partial=True) == {"narrative": None}
    assert load(schemas.PersonInput, {}, partial=True) == {}


def test_every_missing_field_is_named() -> None:
    assert wrong(schemas.CaseInput, {}) == {"opened_on", "province", "referral_source"}
    assert wrong(schemas.CaseInput, dict.fromkeys(CASE, "")) == set(CASE)
    assert wrong(schemas.CaseInput, dict.fromkeys(CASE)) == set(CASE)


@pytest.mark.parametrize("field", ["reference", "institution_id", "data_key", "narrative_enc", "deleted_at", "id"])
def test_fields_that_are_not_typed_are_refused(field: str) -> None:
    assert wrong(schemas.CaseInput, {**CASE, field: "x"}) == {field}


def test_an_unknown_fields_name_is_repeated_only_if_it_is_a_name() -> None:
    assert wrong(schemas.CaseInput, {**CASE, "<b>\ud800": "x"}) == {""}


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_set_of_fields_is_refused(data: Any) -> None:
    assert wrong(schemas.CaseInput, data) == {""}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("opened_on", "01.03.2026"), ("opened_on", "2026-02-30"), ("opened_on", 5), ("opened_on", "1989-12-31"),
        ("opened_on", "2999-01-01"), ("province", "TR-82"), ("province", ["TR-06"]),
        ("referral_source", {"a": 1}), ("exploitation_types", "ForcedLabour"), ("exploitation_types", [["x"]]),
        ("exploitation_types", ["Nothing"]), ("exploitation_types", None), ("confidentiality", "SECRET"),
        ("confidentiality", None), ("shared", "yes"), ("shared", 1), ("shared", None), ("unit_id", "abc"),
        ("unit_id", 7), ("unit_id", "x" * 36), ("status", "Closed"), ("narrative", 7), ("narrative", "x" * 20_001),
        ("narrative", "a\x00b"), ("narrative", "a\ud800b"), ("narrative", "a\x1bb"), ("narrative", "a\u202eb"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_at_its_field(field: str, value: Any) -> None:
    assert wrong(schemas.CaseInput, {**CASE, field: value}) == {field}


@pytest.mark.parametrize(
    "text", ["محمد\u200fعلي", "שלום", "𝒳𝓎 👩🏽‍⚕️", "a\nb\tc", "می\u200cخواهم", "<script>alert(1)</script>"]
)
def test_text_of_every_script_is_kept(text: str) -> None:
    assert load(schemas.CaseInput, {**CASE, "narrative": text})["narrative"] == text


def test_text_is_kept_in_one_form_and_without_outer_space() -> None:
    assert load(schemas.PersonInput, {**PERSON, "given_name": "  S\u0327ule "})["given_name"] == "Şule"
    assert load(schemas.CaseInput, {**CASE, "narrative": "a\r\nb"})["narrative"] == "a\nb"


def test_a_name_has_one_line() -> None:
    assert wrong(schemas.PersonInput, {**PERSON, "given_name": "a\nb"}) == {"given_name"}


def test_codes_come_once_and_in_the_lists_order() -> None:
    loaded = load(schemas.CaseInput, {**CASE, "exploitation_types": ["Servitude", "ForcedLabour", "Servitude"]})
    assert loaded["exploitation_types"] == ["ForcedLabour", "Servitude"]


def test_numbers_are_kept_in_one_form() -> None:
    foreigner = with_check_digits("991234567")
    typed = {
        "tckn": "100 000 001 46",
        "ykn": foreigner,
        "passport": "u 1234567",
        "phone": "0532 123 45 67",
        "email": "a@b.invalid",
    }
    assert load(schemas.PersonInput, {**PERSON, **typed}) == {
        "gender": "Feminine",
        "citizenships": [],
        "tckn": "10000000146",
        "ykn": foreigner,
        "passport": "U1234567",
        "phone": "+905321234567",
        "email": "a@b.invalid",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tckn", "10000000147"), ("tckn", with_check_digits("991234567")), ("ykn", "10000000146"), ("passport", "!"),
        ("phone", "12"), ("email", "nobody"), ("birth_date", "1999-13"), ("birth_date", "12.05.1999"),
        ("birth_date", "1850"), ("birth_date", "9999"), ("birth_date", "0000"), ("citizenships", ["XX"]),
        ("language", "xx"), ("gender", None),
    ],
)  # fmt: skip
def test_a_persons_wrong_value_is_refused_at_its_field(field: str, value: Any) -> None:
    assert wrong(schemas.PersonInput, {**PERSON, field: value}) == {field}


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(Invalid) as refusal:
        load(schemas.PersonInput, {**PERSON, "tckn": "10000000147", "birth_date": "1850-PLANT"})
    assert "PLANT" not in str(refusal.value.fields)
    assert "10000000147" not in str(refusal.value.fields)


@pytest.mark.parametrize("age", [-1, 121, "x", 3.5, True, "12345678901", [1]])
def test_an_age_is_a_whole_number_of_years(age: Any) -> None:
    assert wrong(
        schemas.VictimProfileInput, {"trafficking_status": "PossibleVictimOfTrafficking", "age_when_trafficked": age}
    ) == {"age_when_trafficked"}


def test_the_reason_of_a_deletion_is_a_code_and_no_text() -> None:
    assert load(DeleteInput, {"reason": "DUPLICATE"}) == {"reason": "DUPLICATE"}
    assert wrong(DeleteInput, {"reason": "she is Ayşe"}) == {"reason"}


@pytest.mark.parametrize(
    ("text", "precision", "latest"),
    [
        ("1999", "year", date(1999, 12, 31)),
        ("1999-02", "month", date(1999, 2, 28)),
        ("2000-02-29", "day", date(2000, 2, 29)),
    ],
)
def test_a_birth_date_knows_its_precision(text: str, precision: str, latest: date) -> None:
    born = BirthDate.read(text)
    assert (str(born), born.precision, born.latest) == (text, precision, latest)
    assert "1999" not in repr(born)


@pytest.mark.parametrize(
    "text", ["", "99", "1999-", "1999-00", "1999-02-29", "1999-5", "1999-05-12T00", " 1999", "١٩٩٩"]
)
def test_what_is_no_date_of_one_of_the_forms_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 whatever the calendar says
        BirthDate.read(text)


@pytest.mark.parametrize(
    ("text", "band", "child"),
    [
        ("2008-05-12", "18-20", False),  # eighteen that day
        ("2008-05-13", "9-17", True),
        ("2008-05", "9-17", True),  # perhaps eighteen: treated as a child
        ("2008", "9-17", True),
        ("2007", "18-20", False),
        ("2026", "0-8", True),
        ("1950-01-01", "48+", False),
        ("2027", "0-8", True),  # born after the case was opened
    ],
)
def test_age_is_told_on_a_day_and_in_doubt_it_is_the_younger(text: str, band: str, child: bool) -> None:
    born, day = BirthDate.read(text), date(2026, 5, 12)
    assert (age_band(born, day), is_child(born, day)) == (band, child)


def test_without_a_birth_date_nothing_is_told() -> None:
    assert age_band(None, today()) == "UNK"
    assert is_child(None, today()) is None


def test_every_age_has_a_band() -> None:
    assert {age_band(BirthDate(2026 - age), date(2026, 12, 31)) for age in range(121)} == {
        "0-8", "9-17", "18-20", "21-23", "24-26", "27-29", "30-38", "39-47", "48+",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "said"),
    [("2999-01-01", "in the future"), ("1989-12-31", "before 1990")],
)
def test_a_day_is_refused_with_its_reason(day: str, said: str) -> None:
    with pytest.raises(Invalid) as refusal:
        load(schemas.CaseInput, {**CASE, "opened_on": day})
    assert said in str(refusal.value.fields["opened_on"])


def test_a_birth_in_the_future_is_no_question_of_age() -> None:
    for born, said in (("2999-01-01", "in the future"), ("1850", "Nobody alive")):
        with pytest.raises(Invalid) as refusal:
            load(schemas.PersonInput, {**PERSON, "birth_date": born})
        assert said in str(refusal.value.fields["birth_date"])
