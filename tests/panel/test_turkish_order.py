"""The database's Turkish: the order and the lower case of turkish.py, and a search that forgives missing marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, String, bindparam, select, text

from itm_admin.foundation.turkish import turkish_contains, turkish_lower, turkish_sort_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Database

NAMES = [
    "Zonguldak", "Ulus", "Üsküdar", "Iğdır", "İzmir", "Isparta", "Ilgaz", "İnegöl", "Çankırı", "Cizre", "Cumhuriyet",
    "Şırnak", "Siirt", "Ödemiş", "Ordu", "Gümüşhane", "Ağrı", "Agah", "Ağaç", "Kâğıthane", "Kağan", "Birim 2",
    "Birim 10", "çay", "Çay", "w", "x", "q", "Ğ", "g", "h", "ı", "i", "j",
]  # fmt: skip
ALPHABET = "abcçdefgğhıijklmnoöpqrsştuüvwxyzABCÇDEFGĞHIİJKLMNOÖPQRSŞTUÜVWXYZ0123456789 '-."


@pytest.fixture(scope="module")
def connection(shared_database: Database) -> Iterator[Connection]:
    with shared_database.engine("app").connect() as connection:
        yield connection


def ordered(connection: Connection, names: list[str]) -> list[str]:
    statement = text(
        'select name from unnest(cast(:names as text[])) as name order by itm.tr_key(name), name collate "C"'
    )
    return list(connection.scalars(statement, {"names": names}))


def test_names_stand_in_the_order_of_the_turkish_alphabet(connection: Connection) -> None:
    letters = "abcçdefgğhıijklmnoöpqrsştuüvwxyz"
    assert "".join(ordered(connection, sorted(letters))) == letters
    towns = ["Iğdır", "İzmir", "Isparta", "Çankırı", "Cizre", "Şırnak", "Siirt", "Ödemiş", "Ordu", "Üsküdar", "Uşak"]
    assert ordered(connection, towns) == [
        "Cizre", "Çankırı", "Iğdır", "Isparta", "İzmir", "Ordu", "Ödemiş", "Siirt", "Şırnak", "Uşak", "Üsküdar",
    ]  # fmt: skip


def test_the_database_and_the_program_order_alike(connection: Connection) -> None:
    by_key = [turkish_sort_key(name)[0] for name in ordered(connection, NAMES)]
    assert by_key == sorted(by_key)


@settings(deadline=None, max_examples=25)
@given(names=st.lists(st.text(ALPHABET, max_size=12), max_size=12))
def test_they_order_any_names_alike(connection: Connection, names: list[str]) -> None:
    by_key = [turkish_sort_key(name)[0] for name in ordered(connection, names)]
    assert by_key == sorted(by_key)
    lowered = text(
        "select itm.tr_lower(name) from unnest(cast(:names as text[])) with ordinality as t(name, n) order by n"
    )
    assert list(connection.scalars(lowered, {"names": names})) == [turkish_lower(name) for name in names]


@pytest.mark.parametrize(
    ("name", "typed"),
    [("Işık", "isik"), ("Işık", "IŞIK"), ("Işık", "ışı"), ("İzmir", "izmir"), ("İzmir", "IZMIR"), ("Çağ Evi", "cag"),
     ("GÖÇ", "göç"), ("GÖÇ", "goc"), ("Kâğıthane", "kagit"), ("100% Ev", "0% e"), ("Üs/Şube", "us/s")],
)  # fmt: skip
def test_a_search_finds_it_whatever_its_case_and_its_marks(connection: Connection, name: str, typed: str) -> None:
    assert connection.scalar(select(turkish_contains(bindparam("name", name, String), typed)))


@pytest.mark.parametrize(("name", "typed"), [("Işık", "şik ev"), ("abc", "%"), ("abc", "a_c"), ("abc", "/")])
def test_a_search_takes_signs_for_what_they_are(connection: Connection, name: str, typed: str) -> None:
    assert not connection.scalar(select(turkish_contains(bindparam("name", name, String), typed)))
