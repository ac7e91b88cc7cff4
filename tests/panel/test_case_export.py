"""Exports: pseudonyms and masked values, in files that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask_babel import Babel

from itm_admin.cases import lookup
from itm_admin.cases.models import Case, Person
from itm_admin.cases.person_views import PersonView
from itm_admin.cases.views import CaseView
from itm_admin.foundation import spreadsheet
from itm_admin.foundation.errors import Denied, Invalid
from itm_admin.record import export
from tests.factories import Factory, Somebody

DANGEROUS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '=HYPERLINK("http://x")',
    "\ufeff=1", "\x01=1", "|calc", "%1", "\u200b+1", "\u00ad-1", "\u2060@A1", "\u202e=1", "\u3164=1", "\u2800=1",
    "\n=1", "\xa0=1", "＋1", "－1", "＠A1", "﹣1", "\u22121", "\u034f=1", " \ufeff =1", "\u200eAyşe",
)  # fmt: skip
CHANGED = (
    "0042", "42", "1E5", "3-4", "1.000,50", "12/5", "%50", "(5)", "٠٤٢", "３", "3 Mart", "Mar 3", "12 Kasım 2026",
    "TRUE", "DOĞRU", "Yanlış", "12:30", "₺5", "5 TL",
)  # fmt: skip


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
        rows = [export.header(CaseView.exporting.columns), *CaseView.exporting.rows(session, ids)]
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
        export.write_xlsx([export.header(PersonView.exporting.columns), *PersonView.exporting.rows(session, ids)], book)
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    values = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert values[1][0] == person.pseudonym
    assert values[1][3:] == ["Yes", "Uzbekistan", None, case.reference, "Hidden"]
    assert b"anary" not in book.getvalue()


@pytest.mark.parametrize("text", [*DANGEROUS, *CHANGED])
def test_no_cell_acts_as_a_formula_or_becomes_another_value(text: str) -> None:
    assert read_csv(b"".join(export.as_csv([[text]])))[0][0] == f"'{text}"
    book = io.BytesIO()
    export.write_xlsx([["header"], [text]], book)
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].quotePrefix
    shown = re.sub("_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), str(sheet["A2"].value))
    assert shown.replace("\n", "\r") == text.replace("\n", "\r"), "no stray apostrophe"


@pytest.mark.parametrize("text", [*DANGEROUS, *CHANGED, "'", "''", "'=1", "", "Ayşe", "5 elma"])
def test_a_machine_that_takes_the_mark_off_reads_what_was_stored(text: str) -> None:
    assert spreadsheet.unmarked(read_csv(b"".join(export.as_csv([[text, ""]])))[0][0]) == text


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("", 'Ayşe; "Nur"', "محمد", "a=b", "5. Bölge", "JGK-K-7F3A9X", "Marmaris", "18–20"):
        assert read_csv(b"".join(export.as_csv([[text, None, 3]]))) == [[text, "", "3"]]


def test_only_what_the_person_sees_is_exported_and_only_by_who_may(factory: Factory, focal_point: Somebody) -> None:
    factory.case(focal_point)
    stranger = factory.focal_point(factory.other_institution())
    with factory.working(stranger) as session:
        assert export.fix_ids(session, lookup.list_cases(), Case) == []
    with factory.working(focal_point) as session:
        ids = export.fix_ids(session, lookup.list_cases(), Case)
    with factory.working(stranger) as session:
        assert list(CaseView.exporting.rows(session, ids)) == []
    for who in (factory.caseworker(), factory.auditor()):
        with factory.working(who) as session, pytest.raises(Denied):
            export.fix_ids(session, lookup.list_cases(), Case)


def test_too_many_rows_are_refused(factory: Factory, focal_point: Somebody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_ROWS", 1)
    for _ in range(2):
        factory.case(focal_point)
    with factory.working(focal_point) as session, pytest.raises(Invalid):
        export.fix_ids(session, lookup.list_cases(), Case)
