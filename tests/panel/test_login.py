"""Signing in: who gets in, what everybody else is told, what the ledger knows, and what bounds it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from werkzeug.security import generate_password_hash

from itm_admin.accounts import bootstrap, grants, invitations, passwords, services, sign_in
from itm_admin.accounts.sign_in import SignInRefused
from itm_admin.foundation.errors import DomainError, Invalid
from itm_admin.foundation.tenancy import acting
from tests.conftest import SECRET, Database
from tests.factories import without_rules
from tests.panel.account_world import DIGEST_KEY, PASSWORD, World, holder, kept

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


def refusal(world: World, username: str, password: str = PASSWORD, **more: object) -> DomainError:
    with pytest.raises(DomainError) as caught:
        world.sign_in(username, password, address=uuid.uuid4().hex, **more)
    return caught.value


def test_the_right_password_signs_in_and_is_an_entry_of_the_own_ledger(world: World) -> None:
    name = world.person("JGK", "Ayşe", "Yılmaz", "focal_point")
    assert name == "jgk.ayse.yilmaz"
    actor = world.sign_in(" JGK.Ayse.Yilmaz ")
    assert actor.roles == {"focal_point"}
    assert actor.context().scope == "institution"
    entry = world.events("auth.login", "JGK")[-1]
    assert (entry.outcome, entry.actor_id, entry.actor_name) == ("success", str(actor.id), name)
    assert world.one("select last_login from account where id = :id", id=actor.id).last_login is not None


def test_all_refusals_look_alike_and_the_ledger_knows_the_reason(world: World) -> None:
    people = {
        case: world.person("EGM", case, "Kişi", *([] if case == "norole" else ["focal_point"]))
        for case in ("wrong", "suspended", "norole", "reset")
    }
    at_asleep = world.person("IOM", "Asleep", "Person", "focal_point")
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        services.suspend(session, actor, world.id(people["suspended"]))
        services.invite(session, actor, world.id(people["reset"]))
        invited_only = services.create(
            session,
            holder("Invited", "Only", "only@egm.invalid", institution_id=world.institution("EGM")),
        ).username
    with world.superuser.begin() as connection:
        connection.execute(text("update institution set status = 'suspended' where code = 'IOM'"))
    told = {
        "wrong_password": refusal(world, people["wrong"], "not the password at all"),
        "inactive": refusal(world, people["suspended"]),
        "no_role": refusal(world, people["norole"]),
        "reset_pending": refusal(world, people["reset"]),
        "no_password": refusal(world, invited_only),
        "institution_suspended": refusal(world, at_asleep),
    }
    unknown = refusal(world, "egm.nobody.here")
    assert {(type(error), str(error), error.code) for error in (*told.values(), unknown)} == {
        (SignInRefused, str(SignInRefused()), "sign_in_refused")
    }
    entries = [*world.events("auth.login", "EGM"), *world.events("auth.login", "IOM")]
    assert {entry.detail["reason"] for entry in entries if entry.outcome != "success"} == set(told)
    assert all(entry.actor_id for entry in entries)


def test_an_unknown_name_enters_the_presidencys_ledger_as_a_keyed_digest_only(world: World) -> None:
    typed = "MyPassword-typed-as-a-name!"
    refusal(world, typed)
    entry = world.events("auth.login", "GIB")[-1]
    assert entry.outcome == "failure"
    assert entry.actor_id is None
    assert entry.detail["reason"] == "unknown_name"
    assert len(entry.detail["name"]) == 64
    everything = world.all("select content from audit.event")
    assert not any(typed.lower() in row.content.lower() for row in everything)


@pytest.mark.parametrize("typed", ["", " ", "a", "x" * 10_000, "jgk.\x00", "jgk.\ud800", "💥.💥", "' or 1=1 --", "%.%"])
def test_broken_names_and_passwords_are_refused_like_any_other(world: World, typed: str) -> None:
    assert isinstance(refusal(world, typed, typed), SignInRefused)


@pytest.mark.usefixtures("slow_passwords")
def test_the_hash_is_compared_even_where_there_is_no_account(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(database.engine("app"), database.engine("superuser"))
    compared: list[str] = []
    real: Callable[[str, str], bytes] = passwords._slow

    def watched(salt: str, typed: str) -> bytes:
        compared.append("$".join(salt.split("$")[:4]))
        return real(salt, typed)

    monkeypatch.setattr(passwords, "_slow", watched)
    known = world.person("MEB", "Can", "Kaya", "focal_point")
    compared.clear()
    refusal(world, known, "not the password at all")
    refusal(world, "meb.no.such")
    refusal(world, "no name")
    assert compared == ["$argon2id-sha256$v=19$m=19456,t=2,p=1"] * 3
    with world.superuser.begin() as connection, without_rules(connection, "credential"):
        old = {"old": kept(database, generate_password_hash(PASSWORD)), "id": world.id(known)}
        connection.execute(text("update credential set password_hash = :old where account_id = :id"), old)
    compared.clear()
    refusal(world, known, "not the password at all")
    refusal(world, "meb.no.such")
    assert [sorted(each.split("$")[0] for each in compared[place : place + 2]) for place in (0, 2)] == [
        ["", "scrypt-sha256:32768:8:1"]
    ] * 2
    world.sign_in(known)


def test_a_digest_of_before_is_renewed_at_the_next_sign_in_and_nobody_is_told_of_a_new_password(
    world: World, shared_database: Database
) -> None:
    name = world.person("TIHEK", "Eski", "Özet", "focal_point")
    with world.superuser.begin() as connection, without_rules(connection, "credential"):
        digest = generate_password_hash(PASSWORD, method="scrypt:256:8:1")
        old = {"old": kept(shared_database, digest), "id": world.id(name)}
        connection.execute(text("update credential set password_hash = :old where account_id = :id"), old)
    told = "select count(*) as n from mail where account_id = :id and kind = 'told_password'"
    before = world.one(told, id=world.id(name)).n
    web_server = Flask("web server")
    web_server.secret_key = SECRET
    with web_server.app_context():  # it alone renews digests
        world.sign_in(name)
    renewed = world.one("select password_hash from credential where account_id = :id", id=world.id(name)).password_hash
    assert renewed.startswith("$argon2id-sha256$")
    world.sign_in(name)
    assert world.one(told, id=world.id(name)).n == before


def test_none_of_the_last_five_passwords_is_taken_again_and_only_functions_read_them(world: World) -> None:
    name = world.person("ISKUR", "Eski", "Parola", "focal_point")
    chosen = [PASSWORD, *(f"mor masa yedi yıldız {word}" for word in "bulut deniz kalem çatal toprak pencere".split())]
    for password in chosen[1:]:
        with world.acting(name) as (session, me):
            invitations.change_own_password(session, me, password)
    for password in chosen[1:]:
        with world.acting(name) as (session, me), pytest.raises(Invalid):
            invitations.change_own_password(session, me, password)
    held = world.all("select account_id from former_password where account_id = :id", id=world.id(name))
    assert len(held) == passwords.REMEMBERED
    with world.acting(name) as (session, me):
        invitations.change_own_password(session, me, chosen[0])
    with world.acting(name) as (session, _me):
        assert session.scalars(text("select itm.own_salts()")).all() == []
        for table in ("former_password", "credential"):
            with pytest.raises(ProgrammingError):
                session.execute(text(f"select 1 from {table}"))
            session.rollback()
    other = world.person("ISKUR", "Başka", "Kişi", "focal_point")
    with world.acting(other) as (session, me), acting(me.own_context(), session):
        (salt,) = session.scalars(text("select itm.own_salts()")).all()
        assert salt.startswith("$argon2id-sha256$")
        assert len(salt.split("$")) == 5, "without the digest"


def test_a_password_that_two_people_have_ended_is_not_chosen_again(world: World) -> None:
    name = world.person("ABB", "Yine", "Aynı", "focal_point")
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        token = services.invite(session, actor, world.id(name))
    with pytest.raises(Invalid):
        world.redeem(token, PASSWORD)


@pytest.mark.parametrize(
    "digest",
    [
        "scrypt:32768:8:1$x$00",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$x",
        "$argon2i$v=19$m=1$x$y",
        "kırmızı gemi sekiz bulut",
    ],
)
def test_nothing_but_the_sha256_of_an_argon2id_digest_becomes_a_password(world: World, digest: str) -> None:
    with world.superuser.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text("update credential set password_hash = :digest"), {"digest": digest})


def test_signing_out_ends_one_session_or_all_and_is_an_entry(world: World) -> None:
    name = world.person("KTB", "Çıkan", "Kişi", "focal_point")
    actor, other = world.sign_in(name), world.sign_in(name)
    with world.acting(name) as (session, _same):
        sign_in.sign_out(session, actor)
    assert [world.ended(each) for each in (actor, other)] == ["signed_out", None]
    assert world.events("auth.logout", "KTB")[-1].actor_id == str(actor.id)
    with world.acting(name) as (session, _same):
        sign_in.sign_out_everywhere(session, other)
    assert world.actor(name).epoch == actor.epoch + 1
    assert [world.ended(each) for each in (actor, other)] == ["signed_out", "all"]
    assert world.events("auth.logout", "KTB")[-1].detail == {"sessions": "all"}


def test_an_invitation_works_once_and_ends_what_went_before(world: World) -> None:
    name = world.person("HMB", "Davet", "Edilen", "focal_point")
    before = world.sign_in(name).epoch
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        first = services.invite(session, actor, world.id(name))
        second = services.invite(session, actor, world.id(name))
    assert world.actor(name).epoch > before
    refusal(world, name)
    new = "mor masa yedi yıldız"
    with pytest.raises(invitations.BadInvitation):
        world.redeem(first, new)
    world.redeem(second, new)
    with pytest.raises(invitations.BadInvitation):
        world.redeem(second, "sarı kapı deniz feneri")
    world.confirm(name)
    assert world.sign_in(name, new).username == name
    refusal(world, name, PASSWORD)


def test_an_invitation_ends_after_72_hours_with_suspension_and_cannot_be_guessed(world: World) -> None:
    name = world.person("ILO", "Geç", "Kalan", "focal_point")
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        token = services.invite(session, actor, world.id(name))
    later = datetime.now(UTC) + timedelta(hours=72, minutes=1)
    for bad, moment in ((token, later), ("x" * 43, None), ("", None), ("\ud800", None)):
        with world.nobody() as session, pytest.raises(invitations.BadInvitation):
            invitations.redeem(session, bad, "mor masa yedi yıldız", moment)
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        services.suspend(session, actor, world.id(name))
    with world.nobody() as session, pytest.raises(invitations.BadInvitation):
        invitations.look_up(session, token)


def test_two_people_with_one_link_set_one_password(world: World) -> None:
    name = world.person("ICMPD", "Bir", "Bağlantı", "focal_point")
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        token = services.invite(session, actor, world.id(name))

    def try_it(password: str) -> bool:
        try:
            world.redeem(token, password)
        except invitations.BadInvitation:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(try_it, [f"sarı kapı {number} deniz feneri" for number in range(4)])) == 1


def test_the_token_is_kept_as_a_digest_only(world: World) -> None:
    name = world.person("UNHCR", "Gizli", "Bağ", "focal_point")
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        token = services.invite(session, actor, world.id(name))
    assert not any(token in row.content for row in world.all("select content from audit.event"))
    assert all(len(row.token_digest) == 32 for row in world.all("select token_digest from invitation"))


def test_the_own_password_changes_after_the_current_one_and_ends_other_sessions(world: World) -> None:
    name = world.person("ASHB", "Kendi", "Sözü", "focal_point")
    actor = world.sign_in(name)
    with world.acting(name) as (session, me):
        assert not sign_in.confirm(session, me, "not the password at all")
        assert sign_in.confirm(session, me, PASSWORD)
        renewed = invitations.change_own_password(session, me, "mor masa yedi yıldız")
    assert [world.ended(each) for each in (actor, replace(actor, here=renewed))] == ["password", None]
    world.sign_in(name, "mor masa yedi yıldız")
    assert world.events("auth.login", "ASHB")[-3].detail == {"reason": "wrong_password", "while": "signed_in"}


def test_role_change_and_suspension_raise_the_epoch_of_whoever_has_signed_in(world: World) -> None:
    name = world.person("SAHILGUV", "Rol", "Değişen", "focal_point")
    epochs = [world.sign_in(name).epoch]
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        grant = services.get(session, actor, world.id(name)).grants[0]
        grants.end(session, actor, grant.id)
    epochs.append(world.actor(name).epoch)
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        again = grants.give(session, actor, world.account(session, name), "focal_point").id
    with world.acting(bootstrap.SUPERVISOR, "oversight") as (session, actor):
        grants.approve(session, actor, again)
    epochs.append(world.actor(name).epoch)
    with world.acting(bootstrap.ADMINISTRATOR) as (session, actor):
        services.suspend(session, actor, world.id(name))
    epochs.append(world.actor(name).epoch)
    assert epochs == sorted(set(epochs))


def test_nothing_of_others_is_seen_while_signing_in(world: World) -> None:
    name = world.person("YARGITAY", "Dar", "Görüş", "focal_point")
    actor = world.actor(name)
    with world.nobody() as session, acting(actor.own_context(), session):
        for table, count in (("account", 1), ("case_file", 0), ("person", 0)):
            assert session.execute(text(f"select count(*) from {table}")).scalar_one() == count
        assert session.execute(text("select count(distinct account_id) from invitation")).scalar_one() == 1


def test_a_refusal_that_the_ledger_cannot_hold_signs_nobody_in(world: World) -> None:
    name = world.person("THSSGM", "Defter", "Kapalı", "focal_point")
    with world.superuser.begin() as connection:
        connection.execute(text("revoke execute on function audit.append from itm_app"))
    try:
        with world.nobody() as session, pytest.raises(Exception, match="permission denied"):
            sign_in.attempt(session, name, PASSWORD, key=DIGEST_KEY)
        last = world.one("select last_login from account where username = :name", name=name).last_login
    finally:
        with world.superuser.begin() as connection:
            connection.execute(text("grant execute on function audit.append to itm_app"))
    assert last is None
