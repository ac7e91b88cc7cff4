"""Each kind of record, each watched column and each code has words, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from itm_admin import models  # noqa: F401 (every model is known)
from itm_admin.assurance import labels
from itm_admin.foundation import formats, i18n, vocabulary
from itm_admin.record import words
from itm_admin.record.fields import Choice, Code, Codes
from itm_admin.record.kind import Kind, kind_of, kinds
from tests.factories import Factory


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("words")
    app.secret_key = "for this test"
    i18n.configure(app)
    Babel(app, locale_selector=i18n.chosen).domain_instance = i18n.Catalogues()
    formats.install(app)
    with app.test_request_context():
        yield app


@pytest.fixture(scope="module")
def watched(shared_database: Any) -> list[tuple[str, list[str]]]:
    """Kind and columns of each table that the ledger watches, as the database has them."""
    with Factory(shared_database).superuser() as connection:
        rows = connection.exec_driver_sql(
            "select distinct on (relation) kind, columns from audit.watched order by relation, shape desc"
        ).all()
    return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize("language", ["tr", "en"])
def test_every_watched_column_has_words(app: Flask, watched: list[tuple[str, list[str]]], language: str) -> None:
    assert len(watched) > 10
    with force_locale(language):
        for kind, columns in watched:
            assert words.kind_words(kind) not in (None, kind), kind
            bare = [each for each in columns if words.column_words(kind, each) == each]
            assert not bare, f"{kind}: declare {bare} on the model's columns"


def test_every_watched_table_is_one_declared_kind(watched: list[tuple[str, list[str]]]) -> None:
    assert {kind for kind, _columns in watched} <= set(kinds())


@pytest.mark.parametrize("language", ["tr", "en"])
def test_every_code_of_a_declared_field_has_words(app: Flask, language: str) -> None:
    with force_locale(language):
        for kind in kinds().values():
            for name, each in kind.fields.items():
                if isinstance(each.field, Code | Codes):
                    assert each.field.codes in vocabulary.names(), f"{kind.name}.{name}"
                if isinstance(each.field, Choice):
                    assert all(each.field.words(code) != code for code in each.field.choices), f"{kind.name}.{name}"


def test_the_same_column_has_the_words_of_its_own_kind(app: Flask) -> None:
    assert words.value_words("institution", "kind", "presidency") != words.value_words("access_change", "kind", "rise")
    assert words.value_words("account", "language", "tr") == "Türkçe"


def test_what_this_version_does_not_know_is_shown_as_it_is(app: Flask) -> None:
    assert words.column_words("case", "of_tomorrow") == "of_tomorrow"
    assert words.value_words("of_tomorrow", "state", "begun") == "begun"
    assert words.value_words("case", "province", "TR-99") == "TR-99"
    assert labels.kind_words("something new") == "something new"


def test_each_kind_is_found_by_its_model(app: Flask) -> None:
    def of(kind: Kind) -> bool:
        return kind.model is None or kind_of(kind.model) is kind

    assert all(of(kind) for kind in kinds().values())
