"""Accounts that an institution's directory has closed end here: a real slapd, and the scheduler's call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import directory_check
from itm_admin.accounts.directory_check import DIRECTORIES, FEW
from itm_admin.foundation.config import Settings
from itm_admin.ledger import called_work
from tests import slapd
from tests.conftest import Database
from tests.directory_world import ISSUER, link, settings_with
from tests.factories import Somebody
from tests.panel.panel_app import RunningPanel
from tests.slapd import Slapd


@dataclass
class World:
    panel: RunningPanel
    server: Slapd
    settings: Settings

    def linked(self, name: str, role: str = "focal_point") -> Somebody:
        """Somebody who is in the directory too."""
        somebody = self.panel.make.somebody(role)
        link(self.panel.database, somebody, self.server.add(name), name)
        return somebody

    def named(self, *institutions: str, **keys: str) -> Settings:
        """Settings that name this directory, for these institutions."""
        return settings_with(self.panel.database, self.settings.home, self.server, *(institutions or ("JGK",)), **keys)

    def run(self) -> directory_check.DirectoryCheck:
        return directory_check.run(self.settings)

    def is_open(self, somebody: Somebody) -> bool:
        return bool(self.panel.value("select active from account where id = :id", id=somebody.id))


@pytest.fixture(scope="module")
def world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = Path(tmp_path_factory.mktemp("directories"))
    panel = RunningPanel(shared_database, home)
    panel.make.institution()
    with slapd.running() as server:
        yield World(panel, server, settings_with(shared_database, home, server, "JGK"))
    panel.close()


def test_who_is_closed_there_is_suspended_here_at_once_on_all_ways(world: World) -> None:
    leaver, colleague = world.linked("giden"), world.linked("kalan")
    browser, other = world.panel.browser(leaver), world.panel.browser(colleague)
    assert world.run().suspended == 0
    assert browser.get("/").status_code == 200
    world.server.change("giden", pwdAccountLockedTime="000001010000Z")
    assert world.run().suspended == 1
    assert not world.is_open(leaver)
    assert browser.get("/").status_code == 302
    assert other.get("/").status_code == 200
    change = world.panel.rows(
        "select kind, reason, created_by from access_change where account_id = :id", id=leaver.id
    )[-1]
    assert tuple(change) == ("suspend", "DIRECTORY_CLOSED", None)
    told = world.panel.rows(
        "select e.actor_name, e.content::jsonb -> 'detail' as detail from audit.event e"
        " where e.action = 'auth.logout' and e.target_id = :id",
        id=str(leaver.id),
    )[-1]
    assert (told.actor_name, told.detail) == (
        "itm.directory",
        {"sessions": "directory", "reason": "directory_disabled"},
    )
    assert world.run().suspended == 0


def test_who_is_gone_there_is_suspended_here(world: World) -> None:
    leaver = world.linked("silinen")
    world.server.remove("silinen")
    assert world.run().suspended == 1
    assert not world.is_open(leaver)


def test_locked_for_a_while_is_not_closed(world: World) -> None:
    somebody = world.linked("yanlis-yazan")
    world.server.change("yanlis-yazan", pwdAccountLockedTime="20261201000000Z")
    world.run()
    assert world.is_open(somebody)


def test_a_directory_that_suddenly_knows_nobody_suspends_nobody(world: World) -> None:
    people = [world.linked(f"kisi{number}") for number in range(FEW + 1)]
    settings = world.named(base=f"ou=elsewhere,{slapd.BASE}")
    checked = directory_check.run(settings)
    assert (checked.suspended, checked.doubtful > FEW) == (0, True)
    assert all(world.is_open(each) for each in people)
    world.settings = world.named()


def test_a_directory_that_is_silent_suspends_nobody_and_fails_the_job(world: World) -> None:
    somebody = world.linked("sessiz")
    for wrong in (
        {"address": f"ldap://localhost:{slapd.free_port()}"},
        {"service_password": "eski"},
        {"base": "ou=yok,dc=kurum,dc=example"},
    ):
        settings = world.named(**wrong)
        assert directory_check.run(settings).silent == 1
        assert DIRECTORIES.do(settings, lambda: False) is None
    assert world.is_open(somebody)
    world.settings = world.named()


def test_the_last_of_a_kind_stays_and_its_sessions_end(world: World) -> None:
    last = world.panel.make.manager(world.panel.make.other_institution())
    settings = world.named("JGK", "EGM")
    link(world.panel.database, last, world.server.add("son"), "son")
    browser = world.panel.browser(last)
    world.server.change("son", pwdAccountLockedTime="000001010000Z")
    assert directory_check.run(settings).kept == 1
    assert world.is_open(last)
    assert browser.get("/").status_code == 302
    world.server.remove("son")
    world.settings = world.named()


def test_the_scheduler_calls_for_it(world: World) -> None:
    leaver = world.linked("cagrilan")
    world.server.change("cagrilan", pwdAccountLockedTime="000001010000Z")
    ended = threading.Event()
    ours = threading.Thread(target=called_work.serve, args=((DIRECTORIES,), world.settings, ended.is_set))
    ours.start()
    try:
        assert directory_check.work(world.panel.database.engine("signer"), ended.is_set)["suspended"] == 1
    finally:
        ended.set()
        ours.join()
    assert not world.is_open(leaver)


def test_a_file_that_was_spoilt_meanwhile_fails_the_job(world: World) -> None:
    path = world.named().identity_providers_file
    assert path is not None
    path.write_text("[[provider", "utf-8")
    assert DIRECTORIES.do(world.settings, lambda: False) is None
    world.settings = world.named()


@pytest.mark.parametrize(
    "statement",
    [
        "select itm.directory_people(:provider, :at, :mac)",
        "select itm.directory_closes(:provider, 'x', 'directory_disabled', :at, :mac)",
        "select itm.directory_answer(:provider, 'right', null, null, :at, :mac)",
        "select itm.has_directories()",
    ],
)
def test_sql_in_a_page_has_no_word_of_a_directory(world: World, statement: str) -> None:
    provider = world.panel.value("select id from identity_provider where issuer = :issuer", issuer=ISSUER)
    values: dict[str, Any] = {"provider": provider, "at": 1, "mac": b"0" * 32}
    with (
        world.panel.database.engine("app").connect() as connection,
        pytest.raises(DBAPIError, match="no claim|permission denied"),
    ):
        connection.execute(text(statement), values)
