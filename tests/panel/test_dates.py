"""Dates are read as people type them, in both languages, and a wrong one is told why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from itm_admin.foundation import dates, i18n
from itm_admin.foundation.formats import day


@pytest.fixture(autouse=True)
def app() -> Iterator[Flask]:
    app = Flask("words")
    app.secret_key = "for this test"
    i18n.configure(app)
    Babel(app, locale_selector=i18n.chosen).domain_instance = i18n.Catalogues()
    with app.test_request_context():
        yield app


@pytest.mark.parametrize(
    "typed",
    [
        "24.11.2026", "24/11/2026", "24-11-2026", "24 11 2026", "24,11,2026", "24. 11. 2026", "24.11.2026.", "24112026",
        "20261124",
        "2026-11-24", "24 Kasım 2026", "24 kasım 2026", "24 KASIM 2026", "24 Kasim 2026", "24 Kas 2026", "24 Kas. 2026",
        "24.Kasım.2026", "24 November 2026", "24 Nov 2026", "24th November 2026", "November 24, 2026", "  24.11.2026  ",
        "２４.１１.２０２６", "24\u00a0Kasım\u00a02026", "24.11.26", "24/11/26", "24 Kasım 26",
    ],
)  # fmt: skip
def test_a_day_is_read_as_people_type_it(typed: str) -> None:
    assert dates.read_day(typed) == date(2026, 11, 24)


def test_a_year_of_two_digits_is_near_and_never_one_of_birth() -> None:
    assert dates.read_day("31.12.99") == date(1999, 12, 31)
    assert dates.read_day("01.01.30") == date(2030, 1, 1)
    with pytest.raises(dates.NotADate, match="dört haneyle"):
        dates.read_birth("12.05.99")


@pytest.mark.parametrize("language", ["tr", "en"])
@pytest.mark.parametrize("month", range(1, 13))
def test_a_day_as_it_is_shown_is_read_back(language: str, month: int) -> None:
    with force_locale(language):
        assert dates.read_day(day(date(2026, month, 9))) == date(2026, month, 9)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("12 Mayıs 1999", "1999-05-12"), ("12.05.1999", "1999-05-12"), ("12051999", "1999-05-12"), ("1999", "1999"),
        ("05.1999", "1999-05"), ("5/1999", "1999-05"), ("1999-05", "1999-05"), ("Mayıs 1999", "1999-05"),
        ("May 1999", "1999-05"), ("MAYIS 1999", "1999-05"), ("9 Şubat 2008", "2008-02-09"),
        ("9 subat 2008", "2008-02-09"),
        ("9 ağustos 2008", "2008-08-09"), ("29.02.2008", "2008-02-29"),
    ],
)  # fmt: skip
def test_a_birth_is_read_as_precisely_as_it_is_typed(typed: str, read: str) -> None:
    assert dates.read_birth(typed) == read


@pytest.mark.parametrize("typed", ["31.02.1999", "31 Şubat 1999", "31021999", "1999-02-31", "February 31, 1999"])
def test_a_day_that_no_month_has_is_named(typed: str) -> None:
    for read in (dates.read_day, dates.read_birth):
        with force_locale("tr"), pytest.raises(dates.NotADate) as told:
            read(typed)
        assert str(told.value.message) == "Şubat 1999 ayında 31. gün yoktur. Günü düzeltin."
        with force_locale("en"), pytest.raises(dates.NotADate) as told:
            read(typed)
        assert str(told.value.message) == "There is no day 31 in February 1999."


@pytest.mark.parametrize("typed", ["", "today", "24", "24.11", "24 Smarch 2026", "1999-05-12T00", "١٢.٠٥", "9" * 50])
def test_anything_else_is_refused_with_an_example(typed: str) -> None:
    with force_locale("en"):
        with pytest.raises(dates.NotADate) as told:
            dates.read_day(typed)
        assert "24.11.2026" in str(told.value.message)


def test_a_month_beyond_the_twelfth_is_named() -> None:
    with force_locale("en"):
        with pytest.raises(dates.NotADate) as told:
            dates.read_day("24.13.2026")
        assert "month 13" in str(told.value.message)


@pytest.mark.parametrize("typed", ["24 Kasım 2026", "24.11.2026", "24112026"])
def test_a_machine_that_sends_a_date_as_people_type_it_is_told_of_iso(typed: str) -> None:
    with force_locale("en"):
        assert str(dates.why_no_day(typed)) == "Send the date in ISO form: 2026-11-24."
