"""The language of a page, and its catalogue of messages.

Turkish, unless the account or, before the sign-in, the session has chosen; the browser's preference is ignored, since a
ministry's computer is seldom set to it. Programs choose: the programming interface honours Accept-Language. Catalogues
are read from their `.po` files, so that no compiled copy can be missing or old. This must never query the database.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, current_app, g, has_app_context, has_request_context, request, session
from flask_appbuilder.babel.manager import BabelManager
from flask_babel import Domain, get_locale

LANGUAGES = {"tr": "Türkçe", "en": "English"}
DEFAULT = "tr"
SESSION_KEY = "locale"
TIMEZONE = "Europe/Istanbul"
TRANSLATIONS = Path(__file__).parent.parent / "translations"


def chosen() -> str:
    """The language of the signed-in account, else of the session, else Turkish.

    The account counts once the gate has loaded it (`g.actor`); it is not loaded for this.
    """
    if not has_request_context():
        return DEFAULT
    if _is_program() and (asked := request.accept_languages.best_match(LANGUAGES)):
        return asked
    account = getattr(g.get("actor"), "language", None)
    wanted = account or session.get(SESSION_KEY)
    return wanted if wanted in LANGUAGES else DEFAULT


def _is_program() -> bool:
    access = g.get("access")
    return bool(access.api) if access is not None else request.path.startswith("/api/")


def say_language(answer: Response) -> Response:
    """Adds Content-Language and Vary to an answer for a program."""
    answer.headers["Content-Language"] = language()
    answer.vary.add("Accept-Language")
    return answer


def language() -> str:
    """The present output language, also under `force_locale`: tr or en."""
    locale = get_locale() if has_app_context() else None
    return locale.language if locale and locale.language in LANGUAGES else DEFAULT


def remember(code: str) -> bool:
    """Stores the choice of a person who is not signed in. False for a language that the panel does not have."""
    if code not in LANGUAGES:
        return False
    session[SESSION_KEY] = code
    return True


@cache
def catalogue(code: str) -> NullTranslations:
    """The messages of one language. English is the language of the code."""
    source = TRANSLATIONS / code / "LC_MESSAGES" / "messages.po"
    if not source.is_file():
        return NullTranslations()
    with source.open("rb") as lines:
        messages = read_po(lines, locale=Locale.parse(code), domain="messages")
    compiled = BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return Translations(compiled, domain="messages")


class Catalogues(Domain):
    """Flask-Babel's source of messages."""

    def get_translations(self) -> NullTranslations:
        return catalogue(language())


def configure(app: Flask) -> None:
    """Settings that Flask-AppBuilder and Flask-Babel read at their start: call it before theirs."""
    app.config.update(
        BABEL_DEFAULT_LOCALE=DEFAULT,
        BABEL_DEFAULT_TIMEZONE=TIMEZONE,
        BABEL_TRANSLATION_DIRECTORIES=str(TRANSLATIONS),
        LANGUAGES={code: {"flag": code, "name": name} for code, name in LANGUAGES.items()},
    )


class Languages(BabelManager):
    """Replaces Flask-AppBuilder's manager, which reads the language from each query and writes to every session."""

    def __init__(self, appbuilder: Any) -> None:
        configure(current_app)
        super().__init__(appbuilder)
        current_app.extensions["babel"].instance.domain_instance = Catalogues()

    def register_views(self) -> None:
        """Registers none: the switch is a form of the panel's own, so that no link changes a language."""

    def get_locale(self) -> str:
        return chosen()
