"""Keys are replaced while people work: nothing is lost, a former key opens nothing, an interruption is made up for."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import create_app
from itm_admin.cases import lookup, person_services
from itm_admin.cases.key_rotation import KINDS, Rotation
from itm_admin.cases.models import CasePerson, Person
from itm_admin.commands import keys as commands
from itm_admin.foundation import claims, master_key
from itm_admin.foundation.config import Refusal, SettingError, Settings
from itm_admin.foundation.encryption import Keyring, Place
from itm_admin.foundation.errors import CannotDecrypt
from itm_admin.record import protected_values
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD, Factory, Somebody, without_rules
from tests.panel.panel_app import Browser

NAMES = [("Işıl", "Şimşek"), ("Zehra", "Öztürk"), ("Mehmet", "Kaya")]
WAITS = text("select exists (select from pg_locks where locktype = 'advisory' and not granted)")
PROFILE = text(
    "insert into victim_profile (id, institution_id, unit_id, case_person_id, trafficking_status, health_enc)"
    " values (:id, :institution, :unit, :link, 'PossibleVictimOfTrafficking', :sealed)"
)
RENEW = text("select itm.renew_values(:id, 'person', 'person', :row, cast(:sealed as jsonb))")
_VALUES = {
    "person": "data_key given_name_enc family_name_enc birth_date_enc phone_enc",
    "case_file": "data_key narrative_enc",
    "victim_profile": "health_enc",
    "institution_pair": "data_key private_sealed",
}


class World:
    """One institution: an open and a closed case with narratives, and three persons, one of them under a legal hold."""

    def __init__(self, database: Database, home: Path) -> None:
        self.settings = settings_for(database, home)
        self.ring = Keyring.from_settings(self.settings)
        self.database, self.make = database, Factory(database, self.ring)
        self.focal, self.manager = self.make.focal_point(), self.make.manager()
        self.tenant = self.focal.tenant
        self.cases = [self.make.case(self.focal, narrative=f"Anlatı {number}") for number in range(2)]
        self.links: list[CasePerson] = []
        for number, (given, family) in enumerate(NAMES):
            words = {"given_name": given, "family_name": family}
            self.links.append(self.make.person(self.focal, self.cases[number % 2], **words))
        with self.make.superuser() as connection, without_rules(connection, "case_file", "person"):
            connection.execute(
                text("update case_file set closed_on = current_date, closure_reason = 'OTHER' where id = :id"),
                {"id": self.cases[1].id},
            )
            connection.execute(
                text("update person set hold_reason = 'COURT_ORDER', held_at = now() where id = :id"),
                {"id": self.links[2].person_id},
            )

        with self.make.working(self.focal) as session:
            self.former = self.ring.of_institution(session)

    def rotation(self) -> Rotation:
        engines = self.database.engine("owner"), self.database.engine("app")
        return Rotation(*engines, Keyring.from_settings(self.settings), self.tenant.id, self.tenant.code)

    def rotation_with(self, settings: Settings) -> Rotation:
        return Rotation(
            self.database.engine("owner"),
            self.database.engine("app"),
            Keyring(settings.master_key()),
            self.tenant.id,
            "X",
        )

    def wrapped(self) -> bytes:
        statement = text("select wrapped from institution_key where institution_id = :id")
        with self.make.superuser() as connection:
            return bytes(connection.scalar(statement, {"id": self.tenant.id}) or b"")

    def sealed(self) -> dict[str, bytes]:
        """Every wrapped key and sealed value."""
        found: dict[str, bytes] = {}
        with self.make.superuser() as connection:
            for table, columns in _VALUES.items():
                statement = f"select id, {columns.replace(' ', ', ')} from {table} where institution_id = :id"
                for row in connection.execute(text(statement), {"id": self.tenant.id}):
                    values = [(name, value) for name, value in row._mapping.items() if name != "id"]
                    found |= {f"{table} {row.id} {name}": bytes(value) for name, value in values if value is not None}
        return found

    def names(self, who: Somebody | None = None) -> list[tuple[Any, Any]]:
        with self.make.working(who or self.manager) as session:
            people = [session.get_one(Person, link.person_id) for link in self.links]
            keys = self.ring.of_institution(session)
            told = [protected_values.opened(protected_values.record_key(keys, each), each) for each in people]
            return [(each["given_name"], each["family_name"]) for each in told]

    def found(self, name: str) -> list[uuid.UUID]:
        with self.make.working(self.manager) as session:
            return [person.id for person in lookup.find_persons(session, self.ring, {"name": name}).persons]


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path / "home")


def on(world: World, *words: str) -> str:
    """`itm keys WORDS` on the world's installation, which is an external server here."""
    told = {
        "ITM_HOME": str(world.settings.home),
        "ITM_DATABASE_URL": world.database.url("app"),
        "ITM_DATABASE_OWNER_URL": world.database.url("owner"),
        "ITM_DATABASE_SIGNER_URL": world.database.url("signer"),
        "ITM_SECRET_KEY": "k" * 40,
        "ITM_MASTER_KEY_FILE": str(world.settings.master_key_file),
        "ITM_MASTER_KEY_SHARE_FILE": str(world.settings.master_key_share_file or ""),
    }
    done = CliRunner().invoke(commands.keys, words, env=told, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def nothing(_done: int, _total: int) -> None:
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_replaced_and_everything_opens_and_is_found_as_before(world: World, kind: str) -> None:
    before, entries = world.sealed(), len(world.make.ledger(world.tenant))
    told: list[tuple[int, int]] = []
    done = world.rotation().renew(kind, lambda done, total: told.append((done, total)))
    after = world.sealed()
    assert (done.records, done.unreadable, told[-1]) == (6, 0, (6, 6))
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name] == after[name]], "also of closed cases and under a hold"
    assert world.names() == NAMES
    assert [world.found(family) for _given, family in NAMES] == [[link.person_id] for link in world.links]
    assert len(world.make.ledger(world.tenant)) >= entries + 5
    person = world.links[0].person_id
    former, name = world.former, f"person {person} data_key"
    former.unwrapped("person", person, before[name])
    if kind == "institution":
        with pytest.raises(CannotDecrypt):
            former.unwrapped("person", person, after[name])
    if kind == "person":
        assert former.unwrapped("person", person, after[name]) != former.unwrapped("person", person, before[name])


def test_a_replacement_that_was_killed_goes_on_after_the_last_record(world: World) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, _total: int) -> None:
        if done == 2:
            raise Killed

    for kind in KINDS:
        with pytest.raises(Killed):
            world.rotation().renew(kind, kill)
        assert world.names() == NAMES, "people work meanwhile"
        assert world.found("Şimşek") == [world.links[0].person_id]
        with pytest.raises(Refusal, match=f"itm keys rotate {kind}"):
            world.rotation().renew(next(other for other in KINDS if other != kind), nothing)
        assert world.rotation().renew(kind, nothing).records == 4
        assert world.names() == NAMES


def test_who_writes_while_persons_keys_are_replaced_loses_nothing(world: World) -> None:
    """Between two records, an edit, a new person and a new case come in."""
    changed: list[int] = []

    def work(done: int, _total: int) -> None:
        if done in (1, 4) and done not in changed:
            changed.append(done)
            with world.make.working(world.focal) as session:
                link = world.links[0]
                person = session.get_one(Person, link.person_id)
                data = {"given_name": f"Adı{done}"}
                person_services.change_person(session, world.ring, person.id, data, person.row_version)
            case = world.make.case(world.focal, narrative="Yeni")
            world.links.append(world.make.person(world.focal, case, given_name=f"Yeni{done}", family_name="Kişi"))

    world.rotation().renew("person", work)
    assert changed == [1, 4]
    assert [given for given, _family in world.names()] == ["Adı4", "Zehra", "Mehmet", "Yeni1", "Yeni4"]


def test_who_is_at_work_with_a_persons_key_is_waited_for(world: World) -> None:
    """A value that was sealed with the former key, and is stored after the person was renewed, would be lost."""
    rotation = world.rotation()
    found = rotation.open("person")
    with rotation.transaction() as session:
        session.execute(text("select itm.switch_key(:id, null, null)"), {"id": found.id})
    link = world.links[0]
    with ThreadPoolExecutor(1) as pool:
        with world.make.working(world.focal) as session:
            person = session.get_one(Person, link.person_id)
            key = protected_values.record_key(world.ring.of_institution(session), person)
            renewing = pool.submit(world.rotation().renew, "person", nothing)
            with world.make.superuser() as watching:
                while not renewing.done() and not watching.scalar(WAITS):
                    time.sleep(0.05)
            assert not renewing.done()
            place = Place(world.tenant.id, "victim_profile", uuid.uuid4(), "health_enc")
            values = {"id": place.row, "institution": world.tenant.id, "link": link.id, "unit": world.tenant.root}
            session.execute(PROFILE, {**values, "sealed": key.seal_text(place, "Sağlık")})
        assert renewing.result(60).unreadable == 0
    with world.make.working(world.focal) as session:
        person = session.get_one(Person, link.person_id)
        stored = session.scalar(text("select health_enc from victim_profile where id = :id"), {"id": place.row})
        key = protected_values.record_key(world.ring.of_institution(session), person)
        assert key.open_text(place, bytes(stored or b"")) == "Sağlık"


def test_the_panels_login_alone_replaces_nothing(world: World) -> None:
    rows = world.sealed()
    rotation = world.rotation()
    for statement in (
        "insert into itm.key_rotation (institution_id, kind) select institution_id, 'person' from institution_key",
        "update institution_key set wrapped = '\\x00'",
        "select itm.switch_key(gen_random_uuid(), null, null)",
        "select * from itm.sealed_values(gen_random_uuid(), 'person', gen_random_uuid())",
        "select * from itm.key_owners(gen_random_uuid(), '', 10)",
        "select itm.renew_values(gen_random_uuid(), 'person', 'person', (select id from person limit 1), '{}')",
        "select itm.open_rotation(gen_random_uuid())",
    ):
        with pytest.raises(DBAPIError), rotation.transaction() as session:
            session.execute(text(statement))
    # In an open replacement too, what is filled stays filled, and only sealed columns are written.
    found = rotation.open("person")
    with rotation.transaction() as session:
        session.execute(text("select itm.switch_key(:id, null, null)"), {"id": found.id})
    row = {"id": found.id, "row": world.links[0].person_id}
    for sealed in ('{"given_name_enc": null}', '{"hold_reason": "X"}', '{"pseudonym": "X"}'):
        with pytest.raises(DBAPIError), rotation.transaction() as session:
            session.execute(RENEW, {**row, "sealed": sealed})
    assert world.sealed() == rows


def test_a_legal_hold_still_keeps_what_people_would_change_in_the_midst_of_a_renewal(world: World) -> None:
    rotation = world.rotation()
    found = rotation.open("person")
    with rotation.transaction() as session:
        session.execute(text("select itm.switch_key(:id, null, null)"), {"id": found.id})
    held = world.links[2].person_id
    values = {"id": found.id, "row": held, "sealed": f'{{"given_name_enc": "{chr(92) * 2}x00"}}'}
    with rotation.transaction() as session:
        session.execute(RENEW, values)
        with pytest.raises(DBAPIError, match="legal hold"), session.begin_nested():
            session.execute(text("update person set given_name_enc = '\\x01' where id = :row"), {"row": held})


def test_the_master_key_is_replaced_under_a_running_panel(world: World) -> None:
    file = world.settings.master_key_file
    assert file is not None
    former = file.read_bytes()
    running = world.ring  # a process that has read the former key
    following = Keyring(master_key.prepare(world.settings))
    world.rotation().wrap_anew(following)
    assert world.names() == NAMES, "the running process reads the next key, before it is the present one"
    assert master_key.promote(world.settings)
    running._open.clear()
    assert world.names() == NAMES
    assert file.read_bytes() != former
    assert file.with_name("master_key.former").read_bytes() == former
    wrapped = world.wrapped()
    Keyring(world.settings.master_key()).unwrap(world.tenant.id, wrapped)
    with pytest.raises(CannotDecrypt):
        Keyring(master_key.read(Settings(master_key_file=file.with_name("master_key.former")))).unwrap(
            world.tenant.id, wrapped
        )


def test_the_commands_replace_each_key_in_any_order_and_a_second_time(world: World) -> None:
    for words in (
        ["master"],
        ["institution", "--institution", world.tenant.code],
        ["master"],
        ["person"],
        ["index"],
        ["index"],
    ):
        told = on(world, "rotate", *words)
        assert world.tenant.code in told or "present one" in told
        assert world.names() == NAMES
        assert world.found("Öztürk") == [world.links[1].person_id]
    with pytest.raises(Refusal, match="no such institution"):
        on(world, "rotate", "index", "--institution", "NONE")


def test_a_key_in_two_shares_needs_both_and_is_replaced_like_another(world: World, tmp_path: Path) -> None:
    share, file = tmp_path / "share", world.settings.master_key_file
    before = world.settings.master_key()
    on(world, "split", str(share))
    two = replace(world.settings, master_key_share_file=share)
    assert (two.master_key(), share.stat().st_mode & 0o777) == (before, 0o600)
    for alone in (Settings(master_key_file=file), Settings(master_key_file=share)):
        assert alone.master_key() != before
        with pytest.raises(CannotDecrypt):
            world.rotation_with(alone).keyring.unwrapped(world.tenant.id, world.wrapped())
    world.settings, world.ring = two, Keyring.from_settings(two)
    on(world, "rotate", "master")
    assert world.names() == NAMES
    assert two.master_key() != before


def test_what_root_writes_is_read_by_the_process_that_has_the_key(world: World, tmp_path: Path) -> None:
    file = world.settings.master_key_file
    assert file is not None
    if os.geteuid():
        return  # one user's processes read the same files
    os.chown(file, 65534, 65534)
    master_key.prepare(world.settings)
    assert file.with_name("master_key.next").stat().st_uid == 65534
    assert master_key.promote(world.settings)
    assert file.stat().st_uid == 65534
    assert file.with_name("master_key.former").stat().st_uid == 0, "the former key is the operator's"
    master_key.split(world.settings, tmp_path / "share")
    assert {file.stat().st_uid, (tmp_path / "share").stat().st_uid} == {65534}


def test_a_command_gives_the_key_and_the_one_that_follows(world: World, tmp_path: Path) -> None:
    file, script = world.settings.master_key_file, tmp_path / "kms"
    assert file is not None
    following = tmp_path / "following"
    following.write_text(base64.b64encode(b"n" * 32).decode(), "ascii")
    script.write_text(f'#!/bin/sh\n[ "$1" = next ] && exec cat {following}\nexec cat {file}\n', "ascii")
    script.chmod(0o700)
    told = {"ITM_MASTER_KEY_COMMAND": str(script), "ITM_DATABASE_URL": "postgresql://a:b@localhost/itm"}
    settings = Settings.from_environment(told).require("ITM_MASTER_KEY_FILE")
    assert settings.master_key() == world.settings.master_key()
    assert master_key.prepare(settings) == b"n" * 32
    world.rotation().wrap_anew(Keyring(master_key.prepare(settings)))
    assert not master_key.promote(settings)
    ring = Keyring.from_settings(settings)
    ring.unwrap(world.tenant.id, world.wrapped())


@pytest.mark.parametrize("command", ["/no/such/program", "false", "echo nonsense", "sh -c 'exit 3'", "'"])
def test_a_command_that_gives_no_key_is_one_line_that_repeats_nothing(command: str) -> None:
    with pytest.raises(SettingError, match="^ITM_MASTER_KEY_COMMAND: ") as refused:
        Settings(master_key_command=command).master_key()
    assert "nonsense" not in str(refused.value)


def test_what_systemd_hands_over_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = tmp_path / "itm-master-key"
    credential.write_bytes(base64.b64encode(b"s" * 32))
    credential.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Settings.from_environment({"CREDENTIALS_DIRECTORY": str(tmp_path)}).master_key() == b"s" * 32
    credential.chmod(0o444)
    with pytest.raises(SettingError, match="others may read it"):
        Settings.from_environment({"CREDENTIALS_DIRECTORY": str(tmp_path)}).master_key()


def test_a_key_from_two_places_is_refused() -> None:
    with pytest.raises(SettingError, match="^ITM_MASTER_KEY_COMMAND: "):
        Settings.from_environment({"ITM_MASTER_KEY_COMMAND": "cat x", "ITM_MASTER_KEY_FILE": "/x"})
    with pytest.raises(SettingError, match="^ITM_MASTER_KEY_FILE: "):
        Settings.from_environment({"ITM_MASTER_KEY_SHARE_FILE": "/x"})


def test_another_session_key_costs_sessions_and_nothing_else(world: World) -> None:
    """The drill: who had signed in signs in again; what is sealed opens as before, and so does the same password."""
    former = create_app(world.settings)
    following = create_app(replace(world.settings, secret_key="another-secret-of-at-least-32-characters"))
    browser = Browser(former.test_client())
    browser.renew_token()
    told = {"username": world.focal.username, "password": PASSWORD, "code": world.make.code(world.focal.username)}
    assert browser.send("POST", "/api/v1/session/", told).status_code == 200
    cookie = browser.client.get_cookie("itm")
    assert cookie is not None
    claims.bring(str(world.settings.owner_url), "another-secret-of-at-least-32-characters")
    again = Browser(following.test_client())
    again.client.set_cookie("itm", cookie.value)
    assert again.get("/cases/").status_code == 302
    again.renew_token()
    told["code"] = world.make.code(world.focal.username)
    assert again.send("POST", "/api/v1/session/", told).status_code == 200
    again.renew_token()
    answer = again.send("POST", f"/api/v1/persons/{world.links[0].person_id}/reveal", {"purpose": "CASE_WORK"})
    assert (answer.status_code, "Şimşek" in json.loads(answer.text)["family_name"]) == (200, True)
