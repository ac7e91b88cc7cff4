"""Words: every text that people see stands in both languages, and no template writes one past the catalogue."""

from __future__ import annotations

import ast
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import _parse_mapping_toml
from babel.messages.pofile import read_po

import itm_admin

PANEL = Path(itm_admin.__file__).parent
TEMPLATES = sorted((PANEL / "templates").rglob("*.html"))
KEYWORDS = DEFAULT_KEYWORDS | {"_l": None, "lazy_gettext": None, "lazy_ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%[sd]|\{\w*\}")
SAME_IN_EVERY_LANGUAGE = {"İTM", "CSV", "XLSX"}
CASE_CHANGE = re.compile(r"\|\s*(upper|lower|title|capitalize)\b|(?<!self)\.(upper|lower|title|capitalize)\(\)")
READ_ALOUD = {"alt", "aria-label", "placeholder", "title"}


@cache
def used() -> frozenset[tuple[str, ...]]:
    """Every message in code and templates, with its plural if it has one."""
    with (PANEL / "translations" / "babel.toml").open("rb") as lines:
        methods, options = _parse_mapping_toml(lines, filename="babel.toml")
    found = extract_from_dir(str(PANEL), methods, options, keywords=KEYWORDS)
    return frozenset((message,) if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found)


@cache
def turkish() -> Catalog:
    with (PANEL / "translations" / "tr" / "LC_MESSAGES" / "messages.po").open("rb") as lines:
        return read_po(lines, locale="tr", domain="messages")


def texts(value: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def entries() -> list[Message]:
    return [message for message in turkish() if message.id]


def test_every_text_has_a_turkish_translation() -> None:
    translated = {texts(each.id): each for each in entries()}
    assert len(used()) > 50
    without = [
        message[0] for message in sorted(used())
        if message not in translated or translated[message].fuzzy or not all(texts(translated[message].string))
    ]  # fmt: skip
    assert not without


def test_a_translation_has_the_placeholders_of_its_text() -> None:
    for entry in entries():
        expected = sorted(match.group() for match in PLACEHOLDER.finditer(texts(entry.id)[-1]))
        for string in filter(None, texts(entry.string)):
            assert sorted(match.group() for match in PLACEHOLDER.finditer(string)) == expected, entry.id


def test_the_catalogue_holds_nothing_that_is_no_longer_used() -> None:
    left_over = {texts(each.id) for each in entries()} - used()
    assert not left_over
    assert not turkish().obsolete


class Untranslated(HTMLParser):
    """Letters between tags, or in attributes that are read aloud, after everything of Jinja's was taken out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in READ_ALOUD and value:
                self.handle_data(value)

    def handle_data(self, data: str) -> None:
        for word in data.split():
            if any(letter.isalpha() for letter in word) and word.strip(".,:;–()") not in SAME_IN_EVERY_LANGUAGE:
                self.found.append(word)


def literal_words(source: str) -> list[str]:
    for pattern in (r"\{#.*?#\}", r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", r"\{\{.*?\}\}", r"\{%.*?%\}"):
        source = re.sub(pattern, "", source, flags=re.DOTALL)
    reader = Untranslated()
    reader.feed(source)
    reader.close()
    return reader.found


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_a_template_writes_no_words_past_the_catalogue(template: Path) -> None:
    assert not literal_words(template.read_text("utf-8"))


def test_the_check_of_templates_sees_words_and_passes_translations() -> None:
    assert literal_words('<p>{{ _("Good") }} Kayıt</p><input placeholder="Ara">') == ["Kayıt", "Ara"]
    assert not literal_words('{# note #}<p class="x">{% trans %}Words{% endtrans %} – 12 İTM</p>')


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_a_template_has_no_inline_style_and_no_inline_script(template: Path) -> None:
    source = re.sub(r"\{#.*?#\}", "", template.read_text("utf-8"), flags=re.DOTALL)
    assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:", source)
    assert not re.search(r"<script(?![^>]*\ssrc=)", source)


def test_letters_are_not_put_into_upper_case_by_styles_or_filters() -> None:
    for style in (PANEL / "static").glob("*.css"):
        assert "text-transform" not in style.read_text("utf-8")
    for template in TEMPLATES:
        source = template.read_text("utf-8")
        assert not CASE_CHANGE.search(source), template


def test_no_text_is_asked_for_inside_an_f_string_where_the_catalogue_may_not_find_it() -> None:
    inside = [
        f"{path.relative_to(PANEL)}:{call.lineno}"
        for path in sorted(PANEL.rglob("*.py"))
        for text in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in KEYWORDS
    ]  # fmt: skip
    assert inside == []
