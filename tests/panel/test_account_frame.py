"""Flask-AppBuilder under our security manager, and what signing in costs each request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from flask import Flask, g
from flask_appbuilder import AppBuilder
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from itm_admin.accounts import actor as actors
from itm_admin.accounts import passwords, usernames
from itm_admin.accounts.security import SecurityManager
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor, HeldRole, together
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, INSTITUTION, OVERSIGHT, ROLES
from tests.conftest import Database
from tests.factories import Factory


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """The statements sent to PostgreSQL in the block."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="module")
def factory(shared_database: Database) -> Factory:
    return Factory(shared_database)


def bare_panel() -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="x" * 32, FAB_UPDATE_PERMS=False)
    return app


def test_the_frame_starts_without_a_query_and_without_the_frameworks_security_screens(
    shared_database: Database,
) -> None:
    app, engine = bare_panel(), shared_database.engine("app")
    with statements(engine) as seen, app.app_context(), Session(engine) as session:
        builder = AppBuilder(app, session, security_manager_class=SecurityManager, update_perms=False)
        builder.sm.create_db()
        builder.add_permissions(update_perms=True)
    assert seen == []
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert not any(word in rule for rule in rules for word in ("security", "login", "user", "reset", "register"))


def test_the_manager_answers_from_the_roles_table_alone(factory: Factory) -> None:
    app = bare_panel()
    with app.app_context(), factory.working(factory.focal_point()) as session:
        manager = AppBuilder(app, session, security_manager_class=SecurityManager, update_perms=False).sm
        with app.test_request_context():
            assert not manager.has_access("can_list", "Case")
            g.actor = factory.focal_point().actor
            assert manager.has_access("can_list", "Case")
            assert manager.has_access("list", "Case")
            assert not manager.has_access("can_delete", "Case")
            assert not manager.has_access("can_list", "CaseView")  # no patterns, no prefixes
            assert not manager.is_item_public("can_list", "Case")
            assert manager.get_user_menu_access(["Case"]) == set()
            assert manager.load_user(g.actor.get_id()) is g.actor
            assert manager.load_user(factory.manager().id) is None
            assert manager.validate_api_key("sst_x") is None
            assert manager.load_user_jwt({}, {"sub": g.actor.get_id()}) is None


def test_a_person_is_loaded_with_two_statements(factory: Factory, shared_database: Database) -> None:
    who = factory.focal_point(unit=factory.unit("Ankara"))
    engine = shared_database.engine("app")
    with statements(engine) as seen, Session(engine) as session:
        tenancy.apply(session.connection())
        found = actors.find(session, who.id, who.tenant.id)
    assert found is not None
    assert len([each for each in seen if "set_config" not in each]) == 2
    assert (found.roles, found.held) == (who.actor.roles, who.actor.held)


def person(*held: HeldRole, kind: str = "law_enforcement") -> Actor:
    return Actor(uuid4(), "jgk.a.b", "A B", None, uuid4(), "JGK", "Jandarma", "Gendarmerie", kind, "tr", 0, tuple(held))


def test_each_role_works_in_its_own_scopes_and_no_other() -> None:
    for code, role in ROLES.items():
        someone = person(HeldRole(code, "*"))
        for scope in (INSTITUTION, OVERSIGHT, AUDIT, ACCOUNTS, "login", "everything"):
            bound = someone.context(scope)
            assert bound.scope == (scope if scope in role.scopes else None), (code, scope)
            assert bound.roles <= {code} or bound.scope is None


def test_grants_over_several_units_add_up_and_the_whole_institution_wins() -> None:
    one, two = UUID(int=1), UUID(int=2)
    both = person(HeldRole("focal_point", (one,)), HeldRole("caseworker", (two,))).context(INSTITUTION)
    assert (both.unit, both.create, both.assigned, both.manage) == ((one,), (one, two), True, ())
    whole = person(HeldRole("focal_point", (one,)), HeldRole("focal_point", "*")).context(INSTITUTION)
    assert whole.unit == "*"
    assert together([]) == ()
    boss = person(HeldRole("institution_manager", "*")).context(INSTITUTION)
    assert (boss.manage, boss.unit, boss.create, boss.reads) == ("*", (), (), "ledger")


def test_only_a_supervisor_approves_and_only_a_national_auditor_sees_the_nation() -> None:
    assert person(HeldRole("presidency_supervisor", "*"), kind="presidency").context(OVERSIGHT).approves
    assert not person(HeldRole("presidency_operator", "*"), kind="presidency").context(OVERSIGHT).approves
    assert person(HeldRole("auditor_national", "*")).context(AUDIT).national
    assert not person(HeldRole("auditor_institution", "*")).context(AUDIT).national


def test_an_unknown_role_gives_nothing() -> None:
    someone = person(HeldRole("emperor", "*"))
    assert (someone.roles, someone.scopes, someone.is_active) == (frozenset(), (), False)
    assert someone.context().scope is None


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "aaaaaaaaaaaaaaaa",
        "123456789012",
        "Password12345!",
        "galatasaray1905",
        "QWERTYuiop123",
        "passwordpassword",
        "jgk.ayse.yilmaz1",
        "AyşeYılmaz2026",
        "yilmazyilmaz12",
        "x" * 129,
        "lone \ud800 surrogate here",
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.require_good(password, "jgk.ayse.yilmaz", ("Ayşe", "Yılmaz"))


@pytest.mark.parametrize(
    "password",
    [
        "kırmızı gemi sekiz bulut",
        "correct ayse horse staple",
        "Trk9!vQz#pLw2",
        "四つの無関係な単語を使うと良い",
        "Şöför🚗 Güneş🌞 12",
    ],
)
def test_a_long_password_of_any_letters_is_accepted_and_found_again(password: str) -> None:
    passwords.require_good(password, "jgk.ayse.yilmaz", ("Ayşe", "Yılmaz"))
    stored = passwords.digest_of(password)
    assert passwords.matches(stored, password)
    assert not passwords.matches(stored, password + " ")
    assert not passwords.matches(None, password)


def test_one_password_typed_on_two_keyboards_is_one() -> None:
    composed, decomposed = "ş" * 3 + "deniz feneri", "s\u0327" * 3 + "deniz feneri"
    assert passwords.matches(passwords.digest_of(composed), decomposed)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" JGK.Ayse.Yilmaz ", "jgk.ayse.yilmaz"),
        ("jgk", None),
        ("jgk.ayşe", None),
        ("jgk..a", None),
        ("GIB.X", "gib.x"),
        ("a.b\n", "a.b"),
        ("a.b c", None),
        ("a." + "b" * 90, None),
    ],
)
def test_what_is_typed_as_a_user_name_is_one_or_none(text: str, name: str | None) -> None:
    assert usernames.typed(text) == name
