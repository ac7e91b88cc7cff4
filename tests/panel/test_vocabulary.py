"""Vocabularies: complete in both languages, in the order a Turkish reader expects, and strict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from babel import Locale
from flask import Flask
from flask_babel import Babel, force_locale
from hypothesis import given
from hypothesis import strategies as st

from itm_admin.foundation import vocabulary
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.turkish import turkish_lower, turkish_sort_key, turkish_upper

FOUNDATION = Path(vocabulary.__file__).parent


def test_every_code_has_a_label_in_both_languages() -> None:
    for name in vocabulary.names():
        for language in vocabulary.LANGUAGES:
            pairs = vocabulary.choices(name, language)
            assert pairs, name
            assert all(code and text.strip() for code, text in pairs), name
            assert {code for code, _ in pairs} == set(vocabulary.codes(name)), name


def test_every_list_of_the_file_names_its_source_and_repeats_no_code() -> None:
    document = json.loads((FOUNDATION / "vocabularies.json").read_text(encoding="utf-8"))
    assert "CC BY 4.0" in document["attribution"]
    for name, entry in document["lists"].items():
        assert entry["source"].strip(), name
        assert entry["values"], name
        assert entry["order"] in ("given", "label"), name
        codes = [value["code"] for value in entry["values"]]
        assert len(codes) == len(set(codes)), name


def test_the_deprecated_field_of_the_standard_is_not_carried() -> None:
    assert not [name for name in vocabulary.names() if "vulnerab" in name.lower()]


def test_a_label_is_turkish_unless_asked_otherwise() -> None:
    assert vocabulary.label("case_status", "Active") == "Açık"
    assert vocabulary.label("case_status", "Active", "en") == "Active"
    assert vocabulary.label("case_status", "FollowUp", "en_GB") != vocabulary.label("case_status", "FollowUp", "tr")


def test_a_label_follows_the_language_of_the_page() -> None:
    app = Flask("languages")
    Babel(app, default_locale="tr")
    with app.test_request_context():
        assert vocabulary.label("country", "DE") == "Almanya"
        with force_locale("en"):
            assert vocabulary.label("country", "DE") == "Germany"


def test_an_unknown_code_is_shown_as_stored_and_nothing_is_shown_as_nothing() -> None:
    assert vocabulary.label("case_status", "OfAnotherVersion") == "OfAnotherVersion"
    assert vocabulary.label("case_status", None) == ""


def test_a_code_of_the_list_passes_and_any_other_is_refused() -> None:
    assert vocabulary.check("gender", "Feminine") == "Feminine"
    for wrong in ("feminine", "Feminine ", "", None, "Kadın"):
        with pytest.raises(Invalid) as refused:
            vocabulary.check("gender", wrong, field="person_gender")
        assert list(refused.value.fields) == ["person_gender"]


def test_a_refusal_does_not_repeat_what_was_typed() -> None:
    with pytest.raises(Invalid) as refused:
        vocabulary.check("gender", "KANARYA")
    assert "KANARYA" not in str(refused.value) + repr(refused.value) + str(refused.value.fields)


def test_several_codes_come_back_once_each_in_the_order_of_the_list() -> None:
    assert vocabulary.check_all("exploitation_type", ["Other", "ForcedLabour", "Other"]) == ["ForcedLabour", "Other"]
    with pytest.raises(Invalid):
        vocabulary.check_all("exploitation_type", ["ForcedLabour", "Unheard"])


def test_there_are_81_provinces_in_turkish_order() -> None:
    codes = vocabulary.codes("province")
    assert codes == tuple(f"TR-{number:02d}" for number in range(1, 82))
    labels = [text for _, text in vocabulary.choices("province")]
    assert labels[0] == "Adana"
    assert labels[-1] == "Zonguldak"
    assert labels.index("Iğdır") < labels.index("Isparta") < labels.index("İstanbul") < labels.index("İzmir")
    assert labels.index("İzmir") < labels.index("Kahramanmaraş")
    assert labels.index("Sivas") < labels.index("Şanlıurfa") < labels.index("Şırnak") < labels.index("Tekirdağ")
    assert labels.index("Bursa") < labels.index("Çanakkale") < labels.index("Denizli")
    assert labels.index("Uşak") < labels.index("Van")


def test_bands_sections_and_stages_keep_their_own_order() -> None:
    bands = [code for code, _ in vocabulary.choices("age_band")]
    assert bands == ["0-8", "9-17", "18-20", "21-23", "24-26", "27-29", "30-38", "39-47", "48+", "UNK"]
    assert "".join(code for code, _ in vocabulary.choices("industry_isic")) == "ABCDEFGHIJKLMNOPQRSTU"
    assert [code for code, _ in vocabulary.choices("proceeding_stage")][:2] == ["REPORT", "INVESTIGATION"]


@pytest.mark.parametrize("language", vocabulary.LANGUAGES)
def test_other_and_unknown_stand_at_the_end(language: str) -> None:
    assert vocabulary.choices("exploitation_type", language)[-1][0] == "Other"
    assert vocabulary.choices("referral_source", language)[-1][0] == "OTHER"
    assert {code for code, _ in vocabulary.choices("citizenship", language)[-2:]} == {"XXA", "XXX"}


def test_countries_are_iso_two_letter_codes_with_turkish_and_english_names() -> None:
    codes = vocabulary.codes("country")
    assert {"TR", "SY", "UZ", "KG", "AF", "XK", "PS"} <= set(codes)
    assert not {"EU", "UN", "ZZ", "XA", "EZ"} & set(codes)
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in codes)
    assert 245 <= len(codes) <= 255
    assert vocabulary.label("country", "UZ", "tr") == Locale("tr").territories["UZ"]
    turkish = [text for _, text in vocabulary.choices("country", "tr")]
    assert turkish.index("Cezayir") < turkish.index("Çin") < turkish.index("Danimarka")
    english = [text for _, text in vocabulary.choices("country", "en")]
    assert english.index("Åland Islands") < english.index("Albania")


def test_a_person_may_be_stateless() -> None:
    assert vocabulary.check("citizenship", "XXA") == "XXA"
    with pytest.raises(Invalid):
        vocabulary.check("country", "XXA")


def test_the_register_of_institutions_is_consistent_with_the_vocabulary() -> None:
    register = vocabulary.institutions()
    assert len(register) == 31
    assert len({entry.code for entry in register}) == 31
    assert [entry.code for entry in register if entry.kind == "presidency"] == ["GIB"]
    for entry in register:
        vocabulary.check("institution_kind", entry.kind)
        assert entry.name_tr
        assert entry.name_en
        assert set(entry.basis) <= set("SRMGCX")
    assert not {"SGK", "TBB"} & {entry.code for entry in register}, "ambiguous codes"


def test_turkish_case_knows_the_two_letters_i() -> None:
    assert turkish_lower("IĞDIR İZMİR") == "ığdır izmir"
    assert turkish_upper("ığdır izmir") == "IĞDIR İZMİR"
    assert turkish_lower("I\u0307") == "i", "İ written as two code points"


@given(st.text(alphabet="abcçdefgğhıijklmnoöprsştuüvyz ", max_size=30))
def test_case_of_turkish_text_goes_up_and_comes_back(text: str) -> None:
    assert turkish_lower(turkish_upper(text)) == text


def test_the_alphabet_sorts_into_itself() -> None:
    alphabet = list("abcçdefgğhıijklmnoöprsştuüvyz")
    backwards = alphabet[::-1]
    assert sorted(backwards, key=turkish_sort_key) == alphabet


def test_hats_accents_and_case_only_decide_between_equals() -> None:
    ordered = ["Hakan", "Hakkâri", "Hakkı", "Halit"]
    assert sorted(["Halit", "Hakkı", "Hakan", "Hakkâri"], key=turkish_sort_key) == ordered
    assert sorted(["Zoë", "3", "Ünal", "Uzun", "Айгуль", "a b", "ab"], key=turkish_sort_key) == [
        "3", "a b", "ab", "Uzun", "Ünal", "Zoë", "Айгуль",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_text_has_a_place_in_the_order(texts: list[str]) -> None:
    backwards = texts[::-1]
    assert sorted(backwards, key=turkish_sort_key) == sorted(texts, key=turkish_sort_key)
