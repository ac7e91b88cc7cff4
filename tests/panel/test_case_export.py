"""Exports: pseudonyms and masked values, in files that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask_babel import Babel

from itm_admin.cases import export, lookup
from itm_admin.cases.models import Case, Person
from itm_admin.foundation.errors import Denied, Invalid
from tests.factories import Factory, Somebody

DANGEROUS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '=HYPERLINK("http://x")')


@pytest.fixture(scope="module")
def factory(shared_database: Any) -> Factory:
    return Factory(shared_database)


@pytest.fixture(scope="module")
def focal_point(factory: Factory) -> Somebody:
    return factory.focal_point()


@pytest.fixture(autouse=True)
def page() -> Iterator[None]:
    app = Flask("exports")
    Babel(app, default_locale="en")
    with app.test_request_context():
        yield


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_a_list_of_cases_is_taken_away_masked_and_in_its_order(factory: Factory, focal_point: Somebody) -> None:
    first, second = (
        factory.case(focal_point, opened_on=day, narrative="CANARY") for day in ("2026-02-02", "2026-01-01")
    )
    person = factory.person(focal_point, first, given_name="Canary", tckn="10000000146").person
    with factory.working(focal_point) as session:
        ids = export.fix_ids(session, lookup.list_cases().order_by(Case.opened_on), Case)
        rows = [export.header(export.CASE_COLUMNS), *export.case_rows(session, ids)]
        content = b"".join(export.as_csv(rows))
    assert content.startswith(b"\xef\xbb\xbfReference;Status;")
    assert content.count(b"\r\n") == 3
    table = read_csv(content)
    assert [row[0] for row in table[1:]] == [second.reference, first.reference]
    assert table[2][2] == "2026-02-02"
    assert table[2][5] == "Ankara"
    assert table[2][11:] == [person.pseudonym, "Hidden"]
    assert b"canary" not in content.lower()


def test_a_list_of_persons_is_taken_away_without_identities(factory: Factory) -> None:
    by = factory.focal_point(factory.institution("AWAY", "agency"))
    case = factory.case(by)
    person = factory.person(by, case, given_name="Canary", birth_date="2010", citizenships=["UZ"]).person
    with factory.working(by) as session:
        ids = export.fix_ids(session, lookup.list_persons(), Person)
        book = io.BytesIO()
        export.write_xlsx([export.header(export.PERSON_COLUMNS), *export.person_rows(session, ids)], book)
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    values = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert values[1][0] == person.pseudonym
    assert values[1][3:] == ["Yes", "Uzbekistan", None, case.reference, "Hidden"]
    assert b"anary" not in book.getvalue()


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_acts_as_a_formula(text: str) -> None:
    assert export.harmless(text) == f"'{text}"
    assert read_csv(b"".join(export.as_csv([[text]])))[0][0].startswith("'")
    book = io.BytesIO()
    export.write_xlsx([["header"], [text]], book)
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    assert sheet["A2"].data_type == "s"
    assert str(sheet["A2"].value).startswith("'")


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("", 'Ayşe; "Nur"', "محمد", "a=b", "5 - 3", "JGK-K-7F3A9X"):
        assert export.harmless(text) == text
        assert read_csv(b"".join(export.as_csv([[text, None, 3]]))) == [[text, "", "3"]]


def test_only_what_the_person_sees_is_exported_and_only_by_who_may(factory: Factory, focal_point: Somebody) -> None:
    factory.case(focal_point)
    stranger = factory.focal_point(factory.other_institution())
    with factory.working(stranger) as session:
        assert export.fix_ids(session, lookup.list_cases(), Case) == []
    with factory.working(focal_point) as session:
        ids = export.fix_ids(session, lookup.list_cases(), Case)
    with factory.working(stranger) as session:
        assert list(export.case_rows(session, ids)) == []
    for who in (factory.caseworker(), factory.auditor()):
        with factory.working(who) as session, pytest.raises(Denied):
            export.fix_ids(session, lookup.list_cases(), Case)


def test_too_many_rows_are_refused(factory: Factory, focal_point: Somebody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_ROWS", 1)
    for _ in range(2):
        factory.case(focal_point)
    with factory.working(focal_point) as session, pytest.raises(Invalid):
        export.fix_ids(session, lookup.list_cases(), Case)
