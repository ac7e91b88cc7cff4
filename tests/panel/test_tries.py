"""Wrong tries to sign in: whom they delay, whom not, and what of them the ledger and the people are told."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import known_devices, services, sign_in
from itm_admin.accounts.sign_in import SignInRefused, TooManyTries
from itm_admin.foundation.errors import DomainError
from itm_admin.foundation.tenancy import acting
from tests.conftest import Database
from tests.panel.account_world import PASSWORD, World

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WRONG = "not the password at all"


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


@pytest.fixture(autouse=True)
def _nobody_has_tried(world: World) -> None:
    with world.superuser.begin() as connection:
        connection.execute(text("delete from login_throttle"))
        connection.execute(text("delete from sign_in_tally"))


def tried(world: World, name: str, password: str = WRONG, **more: object) -> str | int:
    """`in`, `refused`, or the seconds to wait."""
    try:
        world.sign_in(name, password, **more)  # type: ignore[arg-type]
    except TooManyTries as early:
        return early.retry_after or 0
    except SignInRefused:
        return "refused"
    return "in"


def already(world: World, kind: str, tries: int) -> None:
    """So many tries of this kind were made before."""
    with world.superuser.begin() as connection:
        values = {"kind": kind, "tries": tries}
        connection.execute(text("update login_throttle set tries = :tries where kind = :kind"), values)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_wrong_tries_from_one_address_delay_its_next_one_and_each_delay_is_twice_as_long(world: World) -> None:
    name, second, waits = world.person("CSGB", "Ali", "Veli", "focal_point"), 0, []
    assert [tried(world, name, now=NOW) for _ in range(5)] == ["refused"] * 5
    for _ in range(9):
        wait = tried(world, name, now=at(second))
        assert tried(world, name, PASSWORD, now=at(second)) == wait, "the right one waits as long"
        assert isinstance(wait, int)
        waits.append(wait)
        second += wait
        assert tried(world, name, now=at(second)) == "refused"
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert tried(world, name, PASSWORD, now=at(second + 900)) == "in"
    assert [tried(world, name, now=at(second + 901)) for _ in range(5)] == ["refused"] * 5, "all is forgotten"


def test_a_strangers_tries_keep_the_person_out_of_no_other_place(world: World) -> None:
    name = world.person("EGM", "Uzak", "Kişi", "focal_point")
    for number in range(11):
        tried(world, name, address="198.51.100.7", now=at(number))
    assert tried(world, name, PASSWORD, address="203.0.113.5", now=at(12)) == "in"


def test_a_ministry_behind_one_address_works_while_a_colleague_mistypes_three_hundred_times(world: World) -> None:
    one, other = (world.person("MEB", first, "Kaya", "focal_point") for first in ("Can", "Cem"))
    told = [tried(world, one, now=at(5 * number)) for number in range(60)]
    assert told.count("refused") <= 12
    assert tried(world, other, PASSWORD, now=at(300)) == "in"


def test_many_names_from_one_network_are_delayed_and_no_other_network_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("itm_admin.accounts.passwords._slow", lambda _salt, _typed: b"")  # the work is not asked
    assert tried(world, "no.body0", address="203.0.113.1", now=NOW) == "refused"
    already(world, "network", 196)
    told = [tried(world, f"no.body{number}", address=f"203.0.113.{number}", now=NOW) for number in range(2, 8)]
    assert told == ["refused"] * 4 + [1] * 2
    assert tried(world, "no.body", address="2001:db8::1", now=NOW) == "refused"
    assert tried(world, "no.body", address="203.0.113.9", now=at(1)) == "refused"
    assert tried(world, "no.body", address="203.0.113.10", now=at(1)) == 2


def test_a_name_is_delayed_in_all_only_after_many_tries_from_everywhere(world: World) -> None:
    name = world.person("TICARET", "Bilinen", "Ad", "focal_point")
    for tried_name in (name, "ticaret.bilinmeyen.ad"):
        assert tried(world, tried_name, address="10.99.0.1", now=NOW) == "refused"
        already(world, "name", 97)
        told = [tried(world, tried_name, address=f"10.{number}.0.1", now=NOW) for number in range(4)]
        assert told == ["refused"] * 3 + [2], "a known name and an unknown one alike"


def test_a_device_that_has_signed_in_is_not_delayed_by_strangers_and_its_own_tries_are(world: World) -> None:
    name = world.person("SAGLIK", "Tanınan", "Aygıt", "focal_point")
    secret = device_of(world, name)
    tried(world, name, address="10.99.0.1", now=NOW)
    already(world, "name", 99)
    for _ in range(6):
        tried(world, name, now=NOW)
    assert tried(world, name, PASSWORD, now=NOW) != "in"
    assert tried(world, name, PASSWORD, now=NOW, device=secret) == "in"
    assert [tried(world, name, now=NOW, device=secret) for _ in range(6)] == ["refused"] * 5 + [5]
    other = world.person("SAGLIK", "Başka", "Hesap", "focal_point")
    for _ in range(6):
        tried(world, other, now=NOW)
    assert tried(world, other, PASSWORD, now=NOW, device=secret) == 5, "another account's device helps nobody"


def device_of(world: World, name: str) -> bytes:
    secret = uuid.uuid4().bytes * 2
    actor = world.sign_in(name)
    with world.acting(name) as (session, _me), acting(actor.own_context(), session):
        values = {"digest": hashlib.sha256(secret).digest()}
        session.execute(text("select itm.note_sign_in(:digest, 'Firefox, Linux', '192.0.2.1')"), values)
    return secret


def test_a_forgotten_device_is_a_stranger_and_so_is_one_after_a_new_link(world: World) -> None:
    name = world.person("KTB", "Unutulan", "Aygıt", "focal_point")
    secrets = [device_of(world, name) for _ in range(2)]
    actor = world.sign_in(name)
    with world.acting(name) as (session, _me), acting(actor.own_context(), session):
        held = known_devices.standing(session, actor.id)
        assert len(held) == 2
        known = text("select itm.device_known(sha256(cast(:secret as bytea)))")
        assert session.scalar(known, {"secret": secrets[0]}) is not None
        for each in held:
            assert known_devices.forget(session, actor.id, each.id)
        assert [session.scalar(known, {"secret": secret}) for secret in secrets] == [None, None]
    device_of(world, name)
    with world.acting("gib.sistem.yoneticisi") as (session, admin):
        services.invite(session, admin, world.id(name))
    assert not world.all("select 1 from known_device where account_id = :id", id=world.id(name))


def test_eight_threads_get_no_more_tries_than_one(world: World) -> None:
    name = world.person("ADALET", "Sekiz", "Kol", "focal_point")
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: tried(world, name, now=NOW), range(24)))
    assert (told.count("refused"), told.count(5)) == (5, 19)


def test_right_tries_use_up_nothing(world: World) -> None:
    name = world.person("HMB", "Sık", "Giren", "focal_point")
    assert [tried(world, name, PASSWORD, now=NOW) for _ in range(12)] == ["in"] * 12
    held = world.all("select kind from login_throttle where tries > 0")
    assert held == []


def test_many_wrong_tries_are_an_entry_at_once_and_one_that_counts_them(world: World) -> None:
    name = world.person("ILO", "Sayılan", "Kişi", "focal_point")
    before = len(world.events("auth.login", "ILO"))
    for number in range(60):
        tried(world, name, address=f"10.{number % 20}.0.1", now=at(number))
    at_once = world.events("auth.login", "ILO")[before:]
    assert [entry.detail["reason"] for entry in at_once] == ["wrong_password", "too_many_tries"][: len(at_once)]
    tried(world, "no.body.at.all", now=at(20 * 60))
    entries = world.events("auth.login", "ILO")[before:]
    counted = {entry.detail["reason"]: entry.detail["tries"] for entry in entries if "tries" in entry.detail}
    assert sum(counted.values()) + len(at_once) == 60
    assert len(entries) <= 4
    assert all(entry.actor_id == str(world.id(name)) for entry in entries)


def test_what_was_counted_is_an_entry_when_its_person_signs_in(world: World) -> None:
    name = world.person("ICMPD", "Dönen", "Kişi", "focal_point")
    for _ in range(4):
        tried(world, name, now=NOW)
    assert tried(world, name, PASSWORD, now=at(60)) == "in"
    told = [(entry.outcome, (entry.detail or {}).get("tries")) for entry in world.events("auth.login", "ICMPD")]
    assert told.count(("failure", 3)) == 1


def test_unknown_names_from_one_network_are_two_entries_and_from_everywhere_a_bounded_number(world: World) -> None:
    before = len(world.events("auth.login", "GIB"))
    for number in range(40):
        tried(world, f"no.body{number}", address="203.0.113.9", now=NOW)
    assert len(world.events("auth.login", "GIB")) - before == 1
    for number in range(60):
        tried(world, f"no.body{number}", address=f"10.0.{number}.1", now=NOW)
    assert len(world.events("auth.login", "GIB")) - before <= 52
    tried(world, "no.body", address="192.0.2.77", now=at(3600))
    assert [entry.detail.get("tries") for entry in world.events("auth.login", "GIB")].count(39) == 1


def test_guessing_the_own_password_in_a_stolen_session_is_delayed_too(world: World) -> None:
    name = world.person("DISISLERI", "Çalınan", "Oturum", "focal_point")
    actor = world.sign_in(name)
    with world.acting(name) as (session, me):
        mine = replace(me, here=actor.here)
        for _ in range(5):
            assert not sign_in.confirm(session, mine, WRONG)
        with pytest.raises(TooManyTries):
            sign_in.confirm(session, mine, PASSWORD)
    assert tried(world, name, PASSWORD) == "in", "who has the password is not kept out"


def test_what_is_counted_is_bounded_and_read_by_nobody(world: World) -> None:
    tried(world, "no.body.here", address="192.0.2.200", now=NOW)
    everything = world.all("select cast(to_jsonb(t) as text) as row from login_throttle t")
    assert everything
    assert not any("no.body" in row.row or "192.0.2" in row.row for row in everything)
    for statement in ("select 1 from login_throttle", "delete from login_throttle", "select 1 from sign_in_tally"):
        with world.nobody() as session, pytest.raises(DBAPIError):
            session.execute(text(statement))
    old = "update login_throttle set last_at = last_at - interval '3 days'"
    with world.superuser.begin() as connection:
        connection.execute(text(old))
        connection.execute(text("select setseed(0)"))
    for number in range(400):
        with contextlib.suppress(DomainError):
            world.sign_in(f"no.body{number}", address=f"10.1.{number % 250}.1", now=NOW)
        if not world.all("select 1 from login_throttle where last_at < :now", now=NOW - timedelta(days=1)):
            return
    pytest.fail("old rows stay")
