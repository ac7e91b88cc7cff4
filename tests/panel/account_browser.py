"""A panel with its browsers, for tests of signing in and of the pages of accounts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import NoResultFound
from werkzeug.test import TestResponse

from app import create_app
from tests import second_factors
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD, Factory, Somebody
from tests.signed_in import enter

NEW = "mor masa yedi yıldız"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(settings_for(shared_database, Path(tmp_path_factory.mktemp("home"))))


@pytest.fixture(scope="module")
def factory(shared_database: Database, panel: Flask) -> Factory:
    made = Factory(shared_database, panel.extensions["itm_keyring"])
    made.presidency()
    made.other_institution()
    panel.extensions["factory"] = made
    return made


class Browser:
    """A browser with its cookies: reads forms' tokens as a person's would."""

    def __init__(self, panel: Flask) -> None:
        self.client: FlaskClient = panel.test_client()
        self.panel = panel

    def code(self, username: str) -> str | None:
        make: Factory = self.panel.extensions["factory"]
        try:
            return make.code(username)
        except NoResultFound:
            return None

    def get(self, address: str) -> TestResponse:
        return self.client.get(address)

    def post(self, address: str, page: str = "/sign-in", **values: str) -> TestResponse:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)
        assert token, f"no form on {page}"
        return self.client.post(address, data={"csrf_token": token[1], **values})

    def sign_in(self, who: Somebody | str, password: str = PASSWORD, **values: str) -> TestResponse:
        """Both steps, if the password is right."""
        username = who if isinstance(who, str) else who.username
        code = self.code(username)
        answer = self.post("/sign-in", username=username, password=password, **values)
        if answer.status_code != 303 or code is None:
            return answer
        return second_factors.show(self.client, answer, code)

    @property
    def cookie(self) -> str:
        found = self.client.get_cookie("itm")
        return found.value if found else ""

    def bring_back(self, cookie: str) -> None:
        self.client.set_cookie("itm", cookie)


@pytest.fixture
def browser(panel: Flask) -> Browser:
    return Browser(panel)


def signed_in(panel: Flask, who: Somebody | str, password: str = PASSWORD) -> Browser:
    """Has signed in, without the pages; by them, where the password is another one."""
    browser = Browser(panel)
    if password == PASSWORD:
        make: Factory = panel.extensions["factory"]
        enter(browser.client, make.database, who if isinstance(who, str) else who.username)
        return browser
    assert browser.sign_in(who, password).status_code == 303
    return browser
