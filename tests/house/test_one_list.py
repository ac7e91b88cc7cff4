"""Records are listed by one engine: declared columns, one markup. A template that writes a table gives its reason."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from itm_admin.assurance.lists import LEDGERS
from itm_admin.foundation.list_parts import Cell, Column, Query
from itm_admin.foundation.lists import Listing
from itm_admin.oversight.lists import INSTITUTIONS

TEMPLATES = Path(__file__).parents[2] / "itm_admin" / "templates"
TABLES = {
    "_listing.html": "the engine's own",
    "_ui.html": "two versions of one record, side by side",
    "_pictures.html": "the numbers of a picture, for those who do not see it",
    "accounts/rights.html": "the matrix of rights: what is done by which role",
    "assurance/_parts.html": "the changed fields of one entry: before and after",
    "consent/forms.html": "the texts of each purpose by language, to print",
    "consent/_overview.html": "recipients and scopes: who may be told what",
    "referrals/send.html": "the fields of one referral, before it goes",
    "institutions/units.html": "a tree, whose order is its shape",
}
LETTERS: Listing[str] = Listing(
    identify=str, columns=(Column("letter", "Letter", lambda row: Cell("text", row), key=lambda row: row or None),)
)


def test_no_template_writes_a_table_of_records_by_hand() -> None:
    found = {
        path.relative_to(TEMPLATES).as_posix()
        for path in TEMPLATES.rglob("*.html")
        if "<table" in re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    }
    assert found <= set(TABLES), sorted(found - set(TABLES))


def test_rows_at_hand_are_sorted_by_their_column_and_those_without_a_value_come_first() -> None:
    with Flask(__name__).test_request_context("/"):
        up = LETTERS.all("bca", Query(sort="letter"))
        assert [cell.value for row in up.rows for cell in row.cells] == list("abc")
        assert LETTERS.all(["b", "", "a"], Query(sort="-letter")).found == ["b", "a", ""]
        assert LETTERS.all("bca").found == list("bca")


def test_lists_of_rows_at_hand_are_sorted_by_every_column_that_has_a_number_or_a_moment() -> None:
    for listing in (LEDGERS, INSTITUTIONS):
        assert [column.name for column in listing.columns if not column.sortable] == []
