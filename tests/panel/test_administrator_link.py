"""`itm invite`: the way back for somebody who holds the machine, seen by auditors and the Presidency."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from itm_admin.accounts import administrator_link, bootstrap
from itm_admin.accounts.sign_in import SignInRefused
from itm_admin.foundation.config import Refusal, Settings
from tests.conftest import Database, settings_for
from tests.panel.account_world import World

NEW = "yedi mavi kayık sabah denizde"


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


@pytest.fixture
def settings(shared_database: Database, tmp_path: Path) -> Settings:
    made = settings_for(shared_database, tmp_path)
    return replace(made, signer_url=shared_database.url("signer"))


def test_an_administrator_who_is_locked_out_comes_back_by_a_link_of_the_machine(
    world: World, settings: Settings
) -> None:
    world.sign_in(bootstrap.ADMINISTRATOR)
    link = administrator_link.make(settings, bootstrap.ADMINISTRATOR)
    with pytest.raises(SignInRefused):
        world.sign_in(bootstrap.ADMINISTRATOR)  # the old password is void from now on
    world.redeem(link.rpartition("/")[2], NEW)
    assert world.sign_in(bootstrap.ADMINISTRATOR, NEW).roles == {"system_administrator"}


def test_the_link_of_the_machine_is_an_entry_and_an_alert(world: World, settings: Settings) -> None:
    administrator_link.make(settings, bootstrap.ADMINISTRATOR)
    made = [entry for entry in world.events("account.change", "GIB") if entry.actor_name == "itm invite"]
    assert made
    alert = world.one("select severity, subject from alert where kind = 'account.invited' and acknowledged_at is null")
    assert tuple(alert) == ("critical", bootstrap.ADMINISTRATOR)
    assert world.events("alert.raise")


@pytest.mark.parametrize("who", ["nobody.at.all", "jgk.murat.yonetir"])
def test_nobody_but_a_system_administrator_gets_a_link_of_the_machine(
    world: World, settings: Settings, who: str
) -> None:
    if who.startswith("jgk") and not world.all("select 1 from account where username = :name", name=who):
        world.person("JGK", "Murat", "Yönetir", "institution_manager")
    before = world.one("select count(*) as n from invitation").n
    with pytest.raises(Refusal, match="no active system administrator"):
        administrator_link.make(settings, who)
    assert world.one("select count(*) as n from invitation").n == before
