"""Words of records go by kind and field, and what has none is shown as it is. Each kind is tried in test_kinds.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import Babel

from itm_admin import areas  # noqa: F401 (every model and subject is known)
from itm_admin.assurance import labels
from itm_admin.foundation import formats, i18n, roles
from itm_admin.record import words
from itm_admin.record.kind import Kind, kind_of, kinds


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("words")
    app.secret_key = "for this test"
    i18n.configure(app)
    Babel(app, locale_selector=i18n.chosen).domain_instance = i18n.Catalogues()
    formats.install(app)
    with app.test_request_context():
        yield app


def test_the_same_column_has_the_words_of_its_own_kind(app: Flask) -> None:
    assert words.value_words("institution", "kind", "presidency") != words.value_words("access_change", "kind", "rise")
    assert words.value_words("account", "language", "tr") == "Türkçe"


def test_what_this_version_does_not_know_is_shown_as_it_is(app: Flask) -> None:
    assert words.column_words("case", "of_tomorrow") == "of_tomorrow"
    assert words.value_words("of_tomorrow", "state", "begun") == "begun"
    assert words.value_words("case", "province", "TR-99") == "TR-99"
    assert labels.kind_words("something new") == "something new"


def test_the_target_of_each_refusal_has_words_and_is_named_as_where_the_act_succeeds(app: Flask) -> None:
    targets = {subject: roles.kind_of_subject(subject) for subject in (*roles.SUBJECTS, *roles.EVERYBODY)}
    assert [target for target in targets.values() if labels.kind_words(target) == target] == []
    assert targets["RoleGrant"] == "role_grant"


def test_each_kind_is_found_by_its_model(app: Flask) -> None:
    def of(kind: Kind) -> bool:
        return kind.model is None or kind_of(kind.model) is kind

    assert all(of(kind) for kind in kinds().values())
