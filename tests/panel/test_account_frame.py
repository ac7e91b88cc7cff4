"""Flask-AppBuilder under our security manager, and what signing in costs each request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from flask import Flask, g
from flask_appbuilder import AppBuilder
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash
from zxcvbn import matching

from itm_admin.accounts import actor as actors
from itm_admin.accounts import common_passwords, password_strength, passwords, usernames
from itm_admin.accounts.security import SecurityManager
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor, HeldRole, together
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.name_folding import folded, name_key
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, INSTITUTION, OVERSIGHT, ROLES
from tests.conftest import Database
from tests.factories import Factory
from tests.panel.account_world import kept


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
        "1qaz2wsx3edc",
        "zaq12wsxcde3",
        "P@ssw0rd1234",
        "Ş1fr3m123456",
        "deneme123456",
        "deneme.123.456",
        "ｄｅｎｅｍｅ１２３４５６",
        "qwertyuıopğü",
        "fgğıodrnhpqw",
        "türkiyem1923",
        "TÜRKİYEM1923",
        "29ekim192329",
        "Eylül2026!!!",
        "mehmetyilmaz1980",
        "istanbul34istanbul",
        "Yilmaz.Ayse.1985",
        "4yş3.Y1lm4z.123",
        "Jandarma.2026!",
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.require_good(password, "jgk.ayse.yilmaz", ("Ayşe", "Yılmaz", "Jandarma Genel Komutanlığı"))


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


@pytest.mark.parametrize(
    "password",
    [
        "isil.simsek123456",
        "IŞIL.ŞİMŞEK2026",
        "Simsek_Isil!!!",
        "1s1l.s1msek123",
        "ishil.shimshek123456",
        "kesmislisi123",
    ],
)
def test_the_own_names_in_any_order_case_and_spelling_are_no_password(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.require_good(password, "jgk.baska.ad", ("Işıl", "Şimşek"))


def test_the_list_of_common_passwords_is_what_its_facts_give_and_each_of_it_is_refused() -> None:
    listed = common_passwords.common()
    assert listed == common_passwords.made()
    assert len(set(listed)) >= 3000
    assert all(len(each) >= passwords.SHORTEST and name_key(each) == each for each in listed)
    known = password_strength._known()
    assert all(known[each] < passwords.FEWEST_GUESSES for each in listed)


@pytest.mark.parametrize("typed", ["a{90xbe!52(6174<1szcgl+@[i$%83|t" * 4, "4@8({[<69!1|0$5+7%2" * 6, "aA@4" * 32])
def test_no_text_makes_the_estimate_long(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many words are looked up as the bound allows, whatever digits stand for letters."""
    looked: list[int] = []
    real = matching.dictionary_match

    def counted(reading: str, lists: Any) -> Any:
        looked.append(len(reading))
        return real(reading, lists)

    monkeypatch.setattr(matching, "dictionary_match", counted)
    passwords.require_good("mor masa yedi yıldız", "jgk.ayse.yilmaz")
    with contextlib.suppress(Invalid):
        passwords.require_good(typed, "jgk.ayse.yilmaz")
    assert sum(looked) < 200 * password_strength.BOUND


@pytest.mark.usefixtures("slow_passwords")
def test_digests_are_argon2id_as_owasp_asks_and_older_ones_are_converted_and_still_open(
    shared_database: Database,
) -> None:
    password = "mor masa yedi yıldız"
    old = [
        PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(password),
        PasswordHasher(time_cost=1, memory_cost=64, parallelism=2).hash(password),
        generate_password_hash(password, method="scrypt:256:8:1"),
        generate_password_hash(password),
    ]
    for digest, outdated in zip(old, (False, True, True, True), strict=True):
        stored = kept(shared_database, digest)
        assert digest.rpartition("$")[2] not in stored
        assert passwords.matches(stored, password), digest
        assert not passwords.matches(stored, password.replace("ı", "i"))
        assert passwords.is_outdated(stored) is outdated
    assert not passwords.is_outdated(passwords.digest_of(password))


PAIRS = [
    ("İOM.ELİF.KAYA", "iom.elif.kaya"),
    ("IOM.ELIF.KAYA", "iom.elif.kaya"),
    ("ıom.elıf.kaya", "iom.elif.kaya"),
    ("i\u0307om.eli\u0307f.kaya", "iom.elif.kaya"),
    ("ｉｏｍ．ｅｌｉｆ．ｋａｙａ", "iom.elif.kaya"),
    ("iom。elif｡kaya", "iom.elif.kaya"),
    ("iom․elif․kaya", "iom.elif.kaya"),
    ("iom\u200b.elif.kaya\ufeff", "iom.elif.kaya"),
    ("jgk.ays\u0327e.go\u0308k", "jgk.ayse.gok"),
    ("JGK.AYŞE.GÖK", "jgk.ayse.gok"),
    ("jgk.ayșe.gök", "jgk.ayse.gok"),
    ("Straße Øre Łódź Æsop", "strasse ore lodz aesop"),
    ("ИВАН Ёлкин", "иван елкин"),
    ("ΣΩΚΡΑΤΗΣ", "σωκρατησ"),
    ("Kâzım Âdil Î Û", "kazim adil i u"),
    ("علی\u200cرضا", "علیرضا"),
]
"""The ways of typing, and the form of each."""


@pytest.mark.parametrize(("typed", "form"), PAIRS)
def test_what_people_type_alike_has_one_form(typed: str, form: str) -> None:
    assert name_key(typed) == form
    assert name_key(form) == form
    if form.count(".") == 2:
        assert usernames.typed(f" {typed} ") == form


def test_the_database_folds_names_as_the_panel_does(shared_database: Database) -> None:
    letters = [chr(point) for point in (*range(0x20, 0x590), *range(0x1E00, 0x2030), *range(0xFF00, 0xFF70), 0x3002)]
    texts = [*(typed for typed, _form in PAIRS), *(f"x{letter}x" for letter in letters)]
    folds = text(
        "select n, itm.tr_fold(t), itm.name_key(t) from unnest(cast(:texts as text[])) with ordinality u(t, n)"
    )
    with shared_database.engine("superuser").connect() as connection:
        rows = connection.execute(folds, {"texts": texts}).all()
    assert [(row[1], row[2]) for row in sorted(rows)] == [(folded(each), name_key(each)) for each in texts]


def test_one_password_typed_on_two_keyboards_is_one() -> None:
    composed, decomposed = "ş" * 3 + "deniz feneri", "s\u0327" * 3 + "deniz feneri"
    assert passwords.matches(passwords.digest_of(composed), decomposed)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (" JGK.Ayse.Yilmaz ", "jgk.ayse.yilmaz"),
        ("jgk", None),
        ("jgk.ayşe", "jgk.ayse"),
        ("jgk.ay şe", None),
        ("jgk..a", None),
        ("GIB.X", "gib.x"),
        ("a.b\n", "a.b"),
        ("a.b c", None),
        ("a." + "b" * 90, None),
        ("x" * 10_000, None),
    ],
)
def test_what_is_typed_as_a_user_name_is_one_or_none(typed: str, name: str | None) -> None:
    assert usernames.typed(typed) == name
