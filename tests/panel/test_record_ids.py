"""Ids of records are found wherever they stand as words of their own."""

from __future__ import annotations

import uuid

import pytest

from itm_admin.foundation.record_ids import ids_in

ONE, OTHER = (str(uuid.UUID(int=0xABCDEF << shift)) for shift in (0, 88))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{ONE} {OTHER}", [ONE, OTHER]),
        (f'<a href="/cases/{ONE}">{OTHER}</a>', [ONE, OTHER]),
        (f"/cases/{ONE}/edit?next=/persons/{OTHER}", [ONE, OTHER]),
        (f"{ONE}-{OTHER}", [ONE, OTHER]),
        (f"a{ONE}", []),
        (f"{ONE}0", []),
        (ONE[1:], []),
        (ONE.replace("-", ""), []),
        ("", []),
    ],
)
def test_an_id_is_found_where_it_is_a_word(text: str, found: list[str]) -> None:
    assert ids_in(text) == found
