"""Codes, days and counts as people read them, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from itm_admin.assurance import detail, labels
from itm_admin.cases.home import _sentence
from itm_admin.cases.views import CaseView
from itm_admin.foundation import formats, i18n
from itm_admin.record import words


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("words")
    app.secret_key = "for this test"
    i18n.configure(app)
    Babel(app, locale_selector=i18n.chosen).domain_instance = i18n.Catalogues()
    formats.install(app)
    with app.test_request_context():
        yield app


@pytest.mark.parametrize("kind", ["follow", "quiet", "empty", "profiles"])
def test_counted_work_is_one_sentence_that_agrees_with_its_number(app: Flask, kind: str) -> None:
    with force_locale("en"):
        assert _sentence(kind, 1).startswith("1 case ")
        assert _sentence(kind, 12).startswith("12 cases ")
    assert "12 dosya var" in _sentence(kind, 12)
    assert "dosyalar" not in _sentence(kind, 12)


def test_the_mark_of_a_chosen_day_is_written_as_days_are(app: Flask) -> None:
    opened_from = next(each for each in CaseView.listing.filters if each.name == "from")
    assert opened_from.said("2026-01-05") == "05.01.2026"


def test_codes_of_the_ledger_are_read_as_words_whichever_table_they_are_of(app: Flask) -> None:
    assert words.value_words("case_person", "role", "WITNESS") == "Tanık"
    assert words.value_words("role_grant", "role", "caseworker") == "Dosya sorumlusu"
    assert words.value_words("case", "status", "Active") == "Açık"
    assert words.value_words("institution", "status", "suspended") == "Askıda"
    assert words.value_words("role_grant", "state", "proposed") == "Önerildi"
    assert words.value_words("case_assignment", "assigned_at", "2026-11-24T21:30:05.25+00:00") == "25.11.2026 00:30"


def test_a_falsified_day_is_shown_as_it_stands(app: Flask) -> None:
    assert words.value_words("case", "opened_on", "2026-02-31") == "2026-02-31"
    assert words.value_words("case", "deleted_at", "yesterday") == "yesterday"


def test_a_refusal_names_the_page_in_words(app: Flask) -> None:
    assert labels.kind_words("oversightcase") == "Bütün kurumların dosyaları"
    assert labels.kind_words("something new") == "something new"


def test_what_else_an_event_says_has_names_and_keeps_its_letters(app: Flask) -> None:
    content = {"detail": {"rows": 3, "note": "ğ", "reason": "wrong_password"}}
    assert detail.words(content) == [("Satır sayısı", "3"), ("Gerekçe", "Parola yanlış")]
    assert detail.technical(content) == [("Not", "ğ")]


def test_an_act_of_a_history_reads_as_one_does_it(app: Flask) -> None:
    somebody = "78cf4389-0000-4000-8000-000000000000"
    with force_locale("en"):
        assert labels.target_words("entry", None, "record.list") == "Entries of ledgers"
        assert labels.target_words("case", None, "record.export") == "Cases"
        assert labels.target_words("case", "ITM-JGK-2026-000001", "record.search") == "Case ITM-JGK-2026-000001"
        assert labels.target_words("case", None, "record.read") == "Case"
        assert labels.action_words("job.run", somebody) == "Verification asked for"
        assert labels.action_words("job.run", "itm-signer") == labels.action_words("job.run") == "Scheduled job"
    assert labels.target_words("entry", None, "record.search") == "Defter satırları"
