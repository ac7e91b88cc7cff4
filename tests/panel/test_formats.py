"""Formats and languages: as people in Türkiye write them, and in the language that was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from flask import Flask, g, render_template_string, session
from flask_babel import Babel, force_locale, gettext, ngettext

from itm_admin.foundation import formats, i18n

NOON = datetime(2026, 11, 24, 21, 30, 5, tzinfo=UTC)


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("formats")
    app.secret_key = "for this test"
    i18n.configure(app)
    Babel(app, locale_selector=i18n.chosen).domain_instance = i18n.Catalogues()
    formats.install(app)
    with app.test_request_context():
        yield app


def test_a_day_is_written_as_in_turkey_and_in_english_with_the_months_name(app: Flask) -> None:
    assert formats.day(date(2026, 11, 24)) == "24.11.2026"
    with force_locale("en"):
        assert formats.day(date(2026, 1, 4)) == "4 Jan 2026"
    assert formats.day(None) == ""


def test_a_moment_is_shown_in_turkeys_time_whatever_its_zone(app: Flask) -> None:
    assert formats.moment(NOON) == "25.11.2026 00:30"
    assert formats.moment(NOON, seconds=True) == "25.11.2026 00:30:05"
    assert formats.moment(NOON.astimezone(timezone(timedelta(hours=-5)))) == "25.11.2026 00:30"
    assert formats.moment(NOON.replace(tzinfo=None)) == "25.11.2026 00:30"
    assert formats.day(NOON) == "25.11.2026"
    assert formats.moment(None) == ""
    with force_locale("en"):
        assert formats.moment(NOON) == "25 Nov 2026, 00:30"


def test_numbers_have_the_marks_of_the_language(app: Flask) -> None:
    assert formats.number(1234.5) == "1.234,5"
    assert formats.number(0) == "0"
    assert formats.number(None) == ""
    with force_locale("en"):
        assert formats.number(1234567) == "1,234,567"


def test_templates_have_the_filters_and_the_mark_of_a_hidden_value(app: Flask) -> None:
    page = "{{ moment|moment }} {{ 'Active'|label('case_status') }} {{ hidden }} {{ 1000|number }}"
    shown = render_template_string(page, moment=NOON)
    assert "25.11.2026 00:30 Açık <span" in shown
    assert "••••" in shown
    assert "Gizli" in shown
    assert shown.endswith("1.000")
    assert str(formats.HIDDEN) == "Gizli"


def test_without_a_choice_the_language_is_turkish_whatever_the_browser_prefers(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "en-GB,en"}):
        assert i18n.language() == "tr"
        assert gettext("Sign out") == "Oturumu kapat"


def test_the_session_chooses_until_the_account_is_known(app: Flask) -> None:
    assert i18n.remember("en")
    assert i18n.chosen() == "en"
    g.actor = SimpleNamespace(language="tr")
    assert i18n.chosen() == "tr"


def test_a_language_that_the_panel_does_not_speak_is_not_remembered(app: Flask) -> None:
    assert not i18n.remember("de")
    session[i18n.SESSION_KEY] = "../en"
    assert i18n.chosen() == "tr"


def test_outside_a_request_the_language_is_turkish() -> None:
    assert i18n.chosen() == "tr"
    assert i18n.language() == "tr"


def test_messages_come_from_the_catalogue_and_have_plurals(app: Flask) -> None:
    one = "Protected values are shown. They are hidden again after %(num)s minute."
    many = "Protected values are shown. They are hidden again after %(num)s minutes."
    assert ngettext(one, many, 10) == "Korunan bilgiler gösteriliyor. 10 dakika sonra yeniden gizlenir."
    with force_locale("en"):
        assert ngettext(one, many, 1).endswith("after 1 minute.")
        assert ngettext(one, many, 10).endswith("after 10 minutes.")
