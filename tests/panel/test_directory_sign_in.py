"""Signing in with a directory's name and password: our throttle, our second factor, and nothing told to strangers."""

from __future__ import annotations

import hashlib
import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import create_app
from itm_admin.foundation.config import Settings
from itm_admin.foundation.database import db
from tests import second_factors, slapd
from tests.conftest import Database, settings_for
from tests.directory_world import link, settings_with
from tests.factories import Factory, Somebody
from tests.panel.account_browser import Browser, signed_in
from tests.slapd import PASSWORD, Slapd

PAGE = "/sign-in/directory/dizin"
CANARY = "kanarya-PAROLA-7351"
REFUSED = "Kullanıcı adı veya parola hatalı"


@dataclass
class World:
    database: Database
    server: Slapd
    settings: Settings
    app: Flask
    make: Factory

    def linked(self, name: str, password: str = PASSWORD) -> Somebody:
        """Somebody who is in the directory too, and has an authenticator app."""
        somebody = self.make.somebody("focal_point")
        link(self.database, somebody, self.server.add(name, password=password), name)
        self.make.code(somebody.username)
        return somebody

    def named(self, **keys: str) -> Flask:
        """A panel whose settings name this directory otherwise."""
        app = create_app(settings_with(self.database, self.settings.home, self.server, "JGK", **keys))
        app.extensions["factory"] = self.make
        return app

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine("superuser").connect() as connection:
            return list(connection.execute(text(statement), values))

    def refusals(self, somebody: Somebody | None = None) -> list[Any]:
        """Reasons of refused sign-ins of an account, or of nobody's, in the order of their entries."""
        where = "e.target_id = :id" if somebody else "e.target_id is null"
        told = self.rows(
            "select e.content::jsonb -> 'detail' ->> 'reason' as reason from audit.event e"
            f" where e.action = 'auth.login' and e.outcome <> 'success' and {where} order by e.id",
            id=str(somebody.id) if somebody else None,
        )
        return [row.reason for row in told]

    def forget(self) -> None:
        """Counts and tallies of before."""
        with self.database.engine("superuser").begin() as connection:
            connection.execute(text("delete from login_throttle"))
            connection.execute(text("delete from sign_in_tally"))


@pytest.fixture(scope="module")
def whole_world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = Path(tmp_path_factory.mktemp("directory"))
    with slapd.running() as server:
        keyring = create_app(settings_for(shared_database, home)).extensions["itm_keyring"]
        make = Factory(shared_database, keyring)
        make.presidency()
        make.institution()
        settings = settings_with(shared_database, home, server, "JGK")
        app = create_app(settings)
        app.extensions["factory"] = make
        yield World(shared_database, server, settings, app, make)


@pytest.fixture
def world(whole_world: World) -> World:
    whole_world.forget()
    return whole_world


def send(app: Flask, name: str, password: str = PASSWORD, browser: Browser | None = None) -> TestResponse:
    return (browser or Browser(app)).post(PAGE, PAGE, username=name, password=password)


def test_the_second_factor_still_follows(world: World) -> None:
    somebody = world.linked("ayse")
    browser = Browser(world.app)
    answer = send(world.app, "AYSE", browser=browser)
    assert (answer.status_code, answer.location) == (303, "/sign-in/factor")
    assert browser.get("/").location.startswith("/sign-in/factor")
    assert second_factors.show(browser.client, answer, world.make.code(somebody.username)).status_code == 303
    assert browser.get("/").status_code == 200
    (methods,) = world.rows(
        "select methods from account_session where account_id = :id and ended_at is null", id=somebody.id
    )[0]
    assert set(methods) == {"provider", "totp"}
    assert world.refusals(somebody) == ["factor_missing"]


def test_the_sign_in_page_names_the_directory(world: World) -> None:
    assert f'href="{PAGE}' in Browser(world.app).get("/sign-in").text
    page = Browser(world.app).get(PAGE)
    assert "Kurum dizini" in page.text
    assert Browser(world.app).get("/sign-in/directory/baska").status_code == 404


def test_refusals_look_alike_and_each_is_an_entry(world: World) -> None:
    somebody = world.linked("kerem")
    world.server.add("kilitli", pwdAccountLockedTime="20200101000000Z")
    pages = [
        send(world.app, name, password)
        for name, password in (
            ("kerem", "yanlış"),
            ("kerem", ""),
            ("yok.boyle", "x"),
            ("kilitli", "x"),
            ("*", "x"),
        )
    ]
    assert {page.status_code for page in pages} == {401}
    assert all(REFUSED in page.text for page in pages)
    assert send(world.app, "kerem\x00").status_code == 400
    assert world.refusals(somebody)[0] == "directory_refused"
    assert {"directory_unknown", "directory_locked"} <= set(world.refusals())


def test_the_password_of_here_is_nothing_there_and_the_other_way_round(world: World) -> None:
    somebody = world.linked("iki.parola")
    assert send(world.app, "iki.parola", "dogru at pil zimba").status_code == 401
    assert send(world.app, somebody.username).status_code == 401
    assert Browser(world.app).post("/sign-in", username=somebody.username, password=PASSWORD).status_code == 401
    assert Browser(world.app).post("/sign-in", username="iki.parola", password=PASSWORD).status_code == 401


def test_a_directorys_name_that_is_a_user_name_here_is_not_that_account(world: World) -> None:
    victim = world.make.somebody("focal_point")
    world.server.add(victim.username)
    answer = send(world.app, victim.username)
    assert answer.status_code == 401
    assert not world.rows("select 1 from account_session where account_id = :id", id=victim.id)


def test_a_name_that_is_given_again_is_not_the_person_of_before(world: World) -> None:
    before = world.linked("tekrar")
    world.server.remove("tekrar")
    world.server.add("tekrar")
    assert send(world.app, "tekrar").status_code == 401
    assert not world.rows("select 1 from account_session where account_id = :id", id=before.id)
    world.server.remove("tekrar")
    world.server.add("tekrar")
    send(world.app, "tekrar")
    accounts = world.rows("select distinct account_id from external_identity where shown_name = 'tekrar'")
    assert len(accounts) == 3, "the one before, and one for each who came with this name since"


def test_who_comes_for_the_first_time_has_no_role_until_the_manager_gives_one(world: World) -> None:
    world.server.add("yeni", sn="Yılmaz", givenName="Ayça")
    answer = send(world.app, "yeni")
    assert answer.status_code == 401
    assert "Hesabınıza henüz rol verilmedi" in answer.text
    (row,) = world.rows("select a.id, a.username, a.institution_id from account a where a.last_name = 'Yılmaz'")
    assert not world.rows("select 1 from role_grant where account_id = :id", id=row.id)
    assert send(world.app, "yeni").status_code == 401
    assert len(world.rows("select 1 from account where last_name = 'Yılmaz'")) == 1
    with world.make.superuser() as connection:
        connection.execute(
            text("insert into role_grant (institution_id, account_id, role) values (:home, :id, 'caseworker')"),
            {"home": row.institution_id, "id": row.id},
        )
    answer = send(world.app, "yeni")
    assert (answer.status_code, answer.location) == (303, "/sign-in/set-up")


def test_tries_are_delayed_as_those_of_passwords_are(world: World) -> None:
    world.linked("sabirsiz")
    statuses = [send(world.app, "sabirsiz", f"yanlış {number}").status_code for number in range(6)]
    assert statuses == [401] * 5 + [429]
    late = send(world.app, "SABIRSIZ")
    assert late.status_code == 429
    assert int(late.headers["Retry-After"]) > 0
    world.server.add("baskasi")
    assert send(world.app, "baskasi", "x").status_code == 401


def test_a_browser_of_before_is_not_delayed_by_strangers_tries(world: World) -> None:
    somebody = world.linked("taninan")
    browser = Browser(world.app)
    answer = send(world.app, "taninan", browser=browser)
    second_factors.show(browser.client, answer, world.make.code(somebody.username))
    for number in range(6):
        send(world.app, "taninan", f"yanlış {number}")
    assert send(world.app, "taninan").status_code == 429
    browser.client.delete_cookie("itm")
    assert send(world.app, "taninan", browser=browser).status_code == 303


def test_a_right_password_that_has_to_be_renewed_is_told_and_a_lock_is_not(world: World) -> None:
    somebody = world.linked("suresi.dolan")
    world.server.change("suresi.dolan", pwdReset="TRUE")
    answer = send(world.app, "suresi.dolan")
    assert answer.status_code == 401
    assert "süresi dolmuş" in answer.text
    assert "süresi dolmuş" not in send(world.app, "suresi.dolan", "yanlış").text
    world.server.change("suresi.dolan", pwdReset=None, pwdAccountLockedTime="20200101000000Z")
    answer = send(world.app, "suresi.dolan")
    assert REFUSED in answer.text
    assert {"password_must_change", "directory_locked"} <= set(world.refusals(somebody))


def test_a_directory_that_is_down_is_told_and_takes_no_try(world: World) -> None:
    somebody = world.linked("bekleyen")
    app = world.named(address=f"ldap://localhost:{slapd.free_port()}")
    try:
        answers = [send(app, "bekleyen") for _ in range(7)]
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["Retry-After"] for answer in answers)
        assert "ulaşılamıyor" in answers[0].text
        assert 'value="bekleyen"' in answers[0].text
        assert PASSWORD not in answers[0].text
        assert "directory_down" in world.refusals(somebody)
        assert Browser(app).sign_in(somebody).status_code == 303
    finally:
        world.named()


def test_nobody_holds_a_connection_of_the_database_while_a_directory_is_asked(world: World) -> None:
    world.linked("yavas")
    serving = socket.create_server(("127.0.0.1", 0))
    app = world.named(address=f"ldap://localhost:{serving.getsockname()[1]}")
    answers: list[TestResponse] = []
    browser = Browser(app)
    browser.get(PAGE)
    asking = threading.Thread(target=lambda: answers.append(send(app, "yavas", browser=browser)))
    try:
        asking.start()
        connection, _ = serving.accept()
        with connection:
            assert connection.recv(4096)
            with app.app_context():
                assert db.engine.pool.checkedout() == 0
        asking.join()
        assert answers[0].status_code == 503
    finally:
        serving.close()
        world.named()


def test_the_password_stays_nowhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    somebody = world.linked("kanarya", password=CANARY)
    with caplog.at_level(logging.DEBUG):
        answer = send(world.app, "kanarya", CANARY)
        assert answer.status_code == 303
        refused = send(world.app, "kanarya", CANARY + "x")
    assert CANARY not in caplog.text
    assert CANARY not in answer.text + refused.text + str(answer.headers) + str(refused.headers)
    assert not world.rows("select 1 from audit.event e where e.content::text like :canary", canary=f"%{CANARY}%")
    assert not world.rows(
        "select 1 from external_identity x where to_jsonb(x)::text like :canary", canary=f"%{CANARY}%"
    )
    assert somebody.username not in caplog.text


def test_an_account_is_linked_from_its_own_session_after_a_look(world: World) -> None:
    somebody = world.make.somebody("caseworker")
    world.server.add("baglanan")
    browser = signed_in(world.app, somebody)
    there = "/profile/institution-sign-in/directory/dizin"
    answer = browser.post(there, there, username="baglanan", password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/profile/institution-sign-in/confirm")
    page = browser.get(answer.location)
    assert "baglanan" in page.text
    assert browser.post(answer.location, answer.location).status_code == 303
    answer = send(world.app, "baglanan")
    assert answer.location in ("/sign-in/factor", "/sign-in/set-up")


def test_another_institutions_people_are_not_linked_with_it(world: World) -> None:
    somebody = world.make.somebody("caseworker", world.make.other_institution())
    browser = signed_in(world.app, somebody)
    assert browser.get("/profile/institution-sign-in/directory/dizin").location == "/profile/institution-sign-in/"


def test_a_one_time_link_is_used_with_the_directory_in_place_of_a_password(world: World) -> None:
    somebody, token = world.make.somebody("caseworker"), secrets.token_urlsafe(32)
    world.server.add("davetli")
    with world.make.superuser() as connection:
        connection.execute(
            text(
                "insert into invitation (institution_id, account_id, token_digest, expires_at)"
                " values (:home, :who, :digest, now() + interval '1 hour')"
            ),
            {"home": somebody.tenant.id, "who": somebody.id, "digest": hashlib.sha256(token.encode()).digest()},
        )
    browser, there = Browser(world.app), "/invitation/directory/dizin"
    assert browser.get(there).status_code == 404
    browser.get(f"/invitation/{token}")
    assert there in browser.get("/invitation/").text
    assert browser.post(there, there, username="davetli", password="yanlis").status_code == 401
    answer = browser.post(there, there, username="davetli", password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/invitation/with/dizin/confirm")
    assert browser.post(answer.location, answer.location).location == "/sign-in"
    assert send(world.app, "davetli").status_code == 303


def test_an_unknown_name_takes_as_many_questions_as_a_wrong_password(world: World) -> None:
    """So that the time tells no stranger who is there."""
    world.linked("bilinen")
    connections: list[int] = []
    with forwarding(world.server.port, connections) as port:
        app = world.named(address=f"ldap://localhost:{port}")
        for name in ("bilinen", "bilinmeyen"):
            connections.append(0)
            assert send(app, name, "yanlış").status_code == 401
    world.named()
    assert connections == [2, 2]


@contextmanager
def forwarding(there: int, connections: list[int]) -> Iterator[int]:
    """A port that leads to another one, and counts its connections in the last number."""

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while said := one.recv(65536):
                other.sendall(said)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                here, _ = serving.accept()
                connections[-1] += 1
                beyond = socket.create_connection(("127.0.0.1", there))
                for pair in ((here, beyond), (beyond, here)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    serving = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield serving.getsockname()[1]
    finally:
        serving.close()
