"""Names, numbers and their index terms: what people type finds what others wrote."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itm_admin.foundation import blind_index, identity_numbers
from itm_admin.foundation.encryption import InstitutionKeys, Keyring
from itm_admin.foundation.name_folding import digits, document_number, email_address, name_parts


@pytest.mark.parametrize(
    "spellings",
    [
        ("ŞAHİN", "şahin", "Şahin", "sahin", "SAHIN", "Shahin", "SHAHİN", "Ṣāḥīn"),
        ("ÇİÇEK", "çiçek", "cicek", "Cicek", "Chichek", "CICEK"),
        ("IŞIK", "ışık", "isik", "Işık", "ISHIK"),
        ("Gülay", "GULAY", "gulay", "Gulai"),
        ("Yağmur", "YAĞMUR", "yagmur", "Yaghmur"),
        ("Öztürk", "ozturk", "ÖZTÜRK"),
        ("Kâmil", "kamil", "KÂMİL"),
        ("Cemile", "CEMİLE", "Jemile", "Djemile", "Dzhemile"),
        ("Иванова", "ИВАНОВА", "Ivanova", "Iwanowa", "IVANOVA"),
        ("Юлия", "Yulia", "Yuliya", "Iuliia", "Yulıya"),
        ("Щербакова", "Shcherbakova", "Scherbakowa"),
        ("Oʻktam", "O'ktam", "Oktam", "O‘ktam"),
        ("Xadicha", "Khadicha", "Hadicha", "Hadıça"),
        ("Alexandr", "Aleksandr", "ALEKSANDR"),
        ("Mahmoud", "Mahmud", "Mahmut"),
        ("Ahmed", "Ahmet", "AHMED"),
        ("Receb", "Recep"),
        ("Yousef", "Yusef", "Youssef", "Yussef"),
        ("Noor", "Nour", "Nur"),
        ("Əliyeva", "Eliyeva", "ELİYEVA"),
        ("Wahid", "Vahit", "Vahid"),
        ("Qasim", "Kasım", "KASIM"),
        ("Muhammed", "Muhamed", "MUHAMMET"),
        ("محمد", "مُحَمَّد", "محمـد"),
        ("أحمد", "احمد"),
        ("Σοφία", "ΣΟΦΙΑ"),
    ],
)
def test_spellings_of_one_name_are_one(spellings: tuple[str, ...]) -> None:
    assert len({name_parts(spelling) for spelling in spellings}) == 1, [name_parts(one) for one in spellings]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ayşe", "Ali"), ("Fatma", "Fatima"), ("Zeynep", "Zehra"), ("Meryem", "Mariam"), ("Hasan", "Hüseyin"),
        ("Kemal", "Cemal"), ("Sevgi", "Sevda"), ("محمد", "محمود"), ("Ivan", "Ivana"), ("Su", "Suna"),
    ],
)  # fmt: skip
def test_different_names_stay_apart(one: str, other: str) -> None:
    assert name_parts(one) != name_parts(other)


def test_a_name_is_found_by_each_of_its_parts() -> None:
    assert name_parts("Ayşe-Nur  Yılmaz (Kaya)") == name_parts("kaya yilmaz AYSE nur")
    assert name_parts("Ayşe") < name_parts("Ayşe Nur")


def test_what_holds_no_letter_gives_no_part() -> None:
    for name in ("", "   ", "12 - 34", "’", "\u200f", "--"):
        assert name_parts(name) == frozenset()


@given(st.text(max_size=40))
def test_the_form_of_a_form_is_itself_and_no_text_fails(name: str) -> None:
    parts = name_parts(name)
    assert name_parts(" ".join(parts)) == parts


@given(st.text(alphabet="abcçdefgğhıijklmnoöprsştuüvyzABCÇDEFGĞHIİJKLMNOÖPRSŞTUÜVYZ", min_size=1, max_size=20))
def test_turkish_capitals_change_nothing(name: str) -> None:
    capitals = name.replace("i", "İ").replace("ı", "I").upper()
    assert name_parts(capitals) == name_parts(name)


def test_numbers_lose_everything_but_their_digits() -> None:
    assert digits("١٠٠٠٠٠٠٠١٤٦") == digits("100 000 001 46") == digits("۱۰۰۰۰۰۰۰۱۴۶") == "10000000146"
    assert document_number(" u-12 34.56 ") == document_number("U123456") == "U123456"
    assert document_number("ıi12") == "II12"
    assert email_address(" Ayşe.IŞIK@Example.INVALID ") == email_address("ayşe.ışık@example.invalid")


@pytest.mark.parametrize("number", ["10000000146", "17291716060", "100 0000 0146", "١٠٠٠٠٠٠٠١٤٦"])
def test_a_citizens_number_with_right_check_digits_is_one(number: str) -> None:
    assert identity_numbers.tckn(number) == digits(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "17291716050",
        "17291716061",
        "1729171606",
        "172917160600",
        "07291716092",
        "1729171606a",
        "abc",
        "00000000000",
    ],
)
def test_a_number_that_cannot_be_a_citizens_is_refused(number: str) -> None:
    assert identity_numbers.tckn(number) is None
    assert identity_numbers.ykn(number) is None


def test_a_foreigners_number_begins_with_99_and_belongs_in_its_own_field() -> None:
    number = identity_numbers.with_check_digits("990000000")
    assert identity_numbers.ykn(number) == number
    assert identity_numbers.tckn(number) is None
    assert identity_numbers.ykn("10000000146") is None


@given(st.integers(min_value=100_000_000, max_value=999_999_999), st.integers(0, 10), st.integers(1, 9))
def test_every_single_wrong_digit_of_a_number_is_noticed(nine: int, place: int, change: int) -> None:
    number = identity_numbers.with_check_digits(str(nine))
    assert number in (identity_numbers.tckn(number), identity_numbers.ykn(number))
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    assert identity_numbers.tckn(wrong) is None
    assert identity_numbers.ykn(wrong) is None


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0532 123 45 67", "+905321234567"),
        ("532 123 4567", "+905321234567"),
        ("+90 (532) 123-45-67", "+905321234567"),
        ("0090 532 1234567", "+905321234567"),
        ("905321234567", "+905321234567"),
        ("+٩٠ ٥٣٢ ١٢٣ ٤٥٦٧", "+905321234567"),
        ("+998 90 123 45 67", "+998901234567"),
        ("+1 202 555 0143", "+12025550143"),
        ("312 555 00 00", "+903125550000"),
        ("12", None),
        ("call me", None),
        ("", None),
        ("+90 532 123 45 67 89 01 23", None),
        ("532-CALL-NOW", None),
        ("123456789", None),
    ],
)
def test_a_telephone_number_has_its_country(typed: str, number: str | None) -> None:
    assert identity_numbers.phone_number(typed) == number


@pytest.mark.parametrize(
    ("typed", "number"),
    [("U 1234 5678", "U12345678"), ("aa-1234567", "AA1234567"), ("1234", None), ("ABCDEF", None), ("12<345", None),
     ("9" * 21, None), ("Ş1234567", None)],
)  # fmt: skip
def test_a_passports_number_is_capital_letters_and_digits(typed: str, number: str | None) -> None:
    assert identity_numbers.passport_number(typed) == number


@pytest.fixture
def keys() -> InstitutionKeys:
    ring = Keyring(b"m" * 32)
    institution = uuid.UUID(int=1)
    return ring.unwrap(institution, ring.new_institution_key(institution))


def test_index_terms_are_short_keyed_and_tell_kinds_apart(keys: InstitutionKeys) -> None:
    other = Keyring(b"m" * 32).unwrap(uuid.UUID(int=2), Keyring(b"m" * 32).new_institution_key(uuid.UUID(int=2)))
    term = blind_index.terms(keys, "tckn", "10000000146")
    assert [len(one) for one in term] == [16]
    assert term == blind_index.terms(keys, "tckn", "100 000 001 46")
    assert term != blind_index.terms(keys, "ykn", "10000000146")
    assert term != blind_index.terms(other, "tckn", "10000000146")


def test_a_name_gives_a_term_for_each_part_and_nothing_gives_none(keys: InstitutionKeys) -> None:
    full = blind_index.terms(keys, "name", "Ayşe Nur Yılmaz")
    assert len(full) == 3
    assert set(blind_index.terms(keys, "name", "YILMAZ ayse")) < set(full)
    assert blind_index.terms(keys, "name", "") == blind_index.terms(keys, "email", None) == []


def test_a_telephone_is_found_however_it_was_written(keys: InstitutionKeys) -> None:
    assert blind_index.terms(keys, "phone", "0532 123 45 67") == blind_index.terms(keys, "phone", "+905321234567")


def test_a_searchs_digest_is_keyed_and_hides_the_text(keys: InstitutionKeys) -> None:
    digest = blind_index.digest(keys, ["Ayşe", ""])
    assert digest == blind_index.digest(keys, ["Ayşe", ""])
    assert digest != blind_index.digest(keys, ["", "Ayşe"])
    assert len(digest) == 32
