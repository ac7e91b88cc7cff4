"""Attacks on signing in through an issuer: each is refused, opens no session, and stands in the ledger."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import provider_line
from tests.panel.issuer import ACR, CLIENT, SECRET, path_of, query_of, unsigned
from tests.panel.provider_world import ProviderWorld, world

__all__ = ["world"]
Claims = dict[str, Any]
_NOW = int(time.time())


def _said(**more: Any) -> Callable[[Claims], Claims]:
    """An ID token with these claims; None: without."""
    return lambda claims: {name: value for name, value in {**claims, **more}.items() if value is not None}


TOKENS: dict[str, Callable[[Claims], Claims]] = {
    "another nonce": _said(nonce="another"),
    "no nonce": _said(nonce=None),
    "an empty nonce": _said(nonce=""),
    "for another client": _said(aud="another"),
    "for nobody": _said(aud=[]),
    "without an audience": _said(aud=None),
    "for two clients, and it does not say which asked": _said(aud=[CLIENT, "another"]),
    "another one asked": _said(aud=[CLIENT, "another"], azp="another"),
    "another one asked alone": _said(azp="another"),
    "another issuer": _said(iss="https://evil.example"),
    "the issuer with a slash": lambda claims: {**claims, "iss": claims["iss"] + "/"},
    "no issuer": _said(iss=None),
    "expired": _said(exp=_NOW - 3600),
    "without an end": _said(exp=None),
    "an end in words": _said(exp="tomorrow"),
    "not yet": _said(nbf=_NOW + 3600),
    "made long ago": _said(iat=_NOW - 86400),
    "made tomorrow": _said(iat=_NOW + 86400),
    "nobody": _said(sub=None),
    "an empty person": _said(sub=""),
    "a person that is no text": _said(sub=17),
    "a person that is a list": _said(sub=["s-victim"]),
    "a sign-out's message": _said(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "another access token's": _said(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_says_something_else_signs_nobody_in(world: ProviderWorld, name: str) -> None:
    who = world.linked(f"s-{name}"[:255])
    world.issuer.say = TOKENS[name]
    try:
        answer = world.come(world.browser(), {"sub": f"s-{name}"[:255], "acr": ACR})
    finally:
        world.issuer.say = None
    assert answer.location.startswith("/sign-in")
    assert not world.sessions(who)
    assert world.reasons()[0] == ("provider_token", "jgk")


def _signers(world: ProviderWorld) -> dict[str, Callable[[Claims], str]]:
    issuer = world.issuer
    public = json.dumps(issuer.keys[0].as_dict(private=False)).encode()
    stranger = ECKey.generate_key("P-256", {"kid": str(issuer.keys[0].kid)})
    unknown = ECKey.generate_key("P-256", {"kid": "unknown"})

    def by_secret(key: bytes) -> Callable[[Claims], str]:
        return lambda claims: jws.serialize_compact(
            {"alg": "HS256", "kid": issuer.keys[0].kid}, json.dumps(claims).encode(), OctKey.import_key(key), ["HS256"]
        )

    def changed(claims: Claims) -> str:
        head, _body, signature = issuer.signed({**claims, "sub": "s-innocent"}).split(".")
        body = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "s-forged"}).encode()).rstrip(b"=").decode()
        return f"{head}.{body}.{signature}"

    return {
        "unsigned": unsigned,
        "signed with the client's secret": by_secret(SECRET.encode()),
        "signed with the public key as a secret": by_secret(public),
        "signed by a stranger under the same name": lambda claims: issuer.signed(claims, stranger),
        "signed by a key that nobody listed": lambda claims: issuer.signed(claims, unknown),
        "with its key inside": lambda claims: issuer.signed(claims, unknown, jwk=unknown.as_dict(private=False)),
        "with an extension that has to be understood": lambda claims: issuer.signed(claims, crit=["exp"], exp=1),
        "changed after it was signed": changed,
        "no token": lambda _claims: "a.b",
        "not ASCII": lambda _claims: "ş.ğ.ı",
        "long": lambda claims: issuer.signed({**claims, "more": "x" * 20_000}),
    }


def test_a_token_with_another_signature_signs_nobody_in(world: ProviderWorld) -> None:
    who = world.linked("s-forged")
    for name, sign in _signers(world).items():
        world.issuer.sign = sign
        try:
            answer = world.come(world.browser(), {"sub": "s-forged", "acr": ACR})
        finally:
            world.issuer.sign = None
        assert answer.location.startswith("/sign-in"), name
        assert not world.sessions(who), name
        assert world.reasons()[0] == ("provider_token", "jgk"), name


def test_a_new_key_is_found_and_a_former_one_counts_no_more(
    world: ProviderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = world.linked("s-rotated")
    world.come(world.browser(), {"sub": "s-rotated", "acr": ACR})
    former = world.issuer.keys[0]
    world.issuer.rotate(keep=False)
    monkeypatch.setattr("itm_admin.accounts.oidc.KEYS_AGAIN", 0.0)
    world.come(world.browser(), {"sub": "s-rotated", "acr": ACR})
    assert len(world.sessions(who)) == 2
    world.issuer.sign = lambda claims: world.issuer.signed(claims, former)
    try:
        world.come(world.browser(), {"sub": "s-rotated", "acr": ACR})
    finally:
        world.issuer.sign = None
    assert len(world.sessions(who)) == 2


def test_unknown_keys_make_nobody_ask_the_provider_again_and_again(world: ProviderWorld) -> None:
    stranger = ECKey.generate_key("P-256", {"kid": "stranger"})
    world.come(world.browser(), {"sub": "s-nobody"})
    before = world.issuer.asked.count("/keys")
    for _ in range(5):
        token = world.issuer.signed({"iss": world.issuer.address}, stranger)
        answer = world.app.test_client().post("/sign-in/calls/jgk/signed-out", data={"logout_token": token})
        assert answer.status_code == 400
    assert world.issuer.asked.count("/keys") <= before + 1


def test_an_answer_of_another_browser_is_refused(world: ProviderWorld) -> None:
    """Sign-in CSRF: the attacker's own answer is opened in the victim's browser."""
    attacker = world.linked("s-attacker")
    world.issuer.person = {"sub": "s-attacker", "acr": ACR}
    back = world.go(world.browser())
    victim = world.browser()
    assert victim.get(back).location == "/sign-in"
    victim.get("/sign-in/with/jgk")  # a trip of its own changes nothing
    assert victim.get(back).location == "/sign-in"
    assert not world.sessions(attacker)
    assert ("provider_state", "jgk") in world.reasons()


def test_an_answer_counts_once_also_with_the_cookie_of_before(world: ProviderWorld) -> None:
    who = world.linked("s-once")
    browser = world.browser()
    world.issuer.person = {"sub": "s-once", "acr": ACR}
    back, cookie = world.go(browser), browser.cookie
    browser.get(back)
    assert len(world.sessions(who)) == 1
    again = world.browser()
    again.bring_back(cookie)
    assert again.get(back).location.startswith("/sign-in")
    assert len(world.sessions(who)) == 1
    assert world.reasons()[0][0] == "provider_state"


def test_a_code_in_another_trip_is_refused_by_its_challenge(world: ProviderWorld) -> None:
    """A stolen code, injected into the thief's own trip: the verifier and the nonce are the owner's."""
    who = world.linked("s-stolen")
    world.issuer.person = {"sub": "s-stolen", "acr": ACR}
    stolen = query_of(world.go(world.browser()))["code"]
    thief = world.browser()
    mine = query_of(world.go(thief))
    answer = thief.get(f"/sign-in/with/jgk/back?code={stolen}&state={mine['state']}&iss={mine['iss']}")
    assert answer.location.startswith("/sign-in")
    assert not world.sessions(who)
    assert world.reasons()[0] == ("provider_code", "jgk")


def test_an_answer_of_another_issuer_is_refused(world: ProviderWorld) -> None:
    """Mix-up (RFC 9207): by the sender that the answer names, and by an address for each provider."""
    who = world.linked("s-mixed")
    world.issuer.person = {"sub": "s-mixed", "acr": ACR}
    for sender in (world.other.address, f"{world.issuer.address}/", "https://evil.example"):
        world.issuer.iss_in_answer = sender
        try:
            assert world.come(world.browser()).location.startswith("/sign-in")
        finally:
            world.issuer.iss_in_answer = None
        assert world.reasons()[0] == ("provider_issuer", "jgk")
    browser = world.browser()
    back = world.go(browser)
    assert browser.get(back.replace("/jgk/", "/other/")).location == "/sign-in"
    browser = world.browser()
    told = query_of(world.go(browser))
    answer = browser.get(f"/sign-in/with/jgk/back?code={told['code']}&state={told['state']}")  # it hides its sender
    assert answer.location.startswith("/sign-in")
    assert not world.sessions(who)


def test_what_the_provider_refuses_leads_back_to_the_sign_in_page(world: ProviderWorld) -> None:
    browser = world.browser()
    state = query_of(browser.get("/sign-in/with/jgk?next=/cases/").location)["state"]
    told = f"error=access_denied&error_description=<b>&state={state}&iss={world.issuer.address}"
    answer = browser.get(f"/sign-in/with/jgk/back?{told}")
    assert answer.location == "/sign-in?next=/cases/"
    page = browser.get(answer.location).text
    assert "Kurumunuz üzerinden oturum açma tamamlanmadı" in page
    assert "access_denied" not in page


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_led_to_another_site(world: ProviderWorld, next: str) -> None:
    world.linked(f"s-next-{next}"[:200])
    answer = world.come(world.browser(), {"sub": f"s-next-{next}"[:200], "acr": ACR}, next=next)
    assert answer.location == "/"


def test_another_site_begins_no_sign_in(world: ProviderWorld) -> None:
    client = world.app.test_client()
    for site in ("cross-site", "same-site"):
        answer = client.get("/sign-in/with/jgk", headers={"Sec-Fetch-Site": site})
        assert answer.location.startswith("/sign-in?")


def test_a_session_of_before_ends_and_its_cookie_opens_nothing(world: ProviderWorld) -> None:
    """Session fixation: the cookie that the browser came with is not the one that it leaves with."""
    first, second = world.linked("s-first"), world.linked("s-second")
    browser = world.browser()
    world.come(browser, {"sub": "s-first", "acr": ACR})
    cookie = browser.cookie
    world.come(browser, {"sub": "s-second", "acr": ACR})
    assert [row.why for row in world.sessions(first)] == ["renewed"]
    old = world.browser()
    old.bring_back(cookie)
    assert old.get("/profile/").status_code == 302
    assert [row.ended_at for row in world.sessions(second)] == [None]


def test_a_provider_that_is_down_leads_to_the_page_with_the_password(world: ProviderWorld) -> None:
    world.redeclare(_file(world))
    world.issuer.status = 503
    try:
        browser = world.browser()
        answer = browser.get("/sign-in/with/jgk?next=/cases/")
        assert answer.location == "/sign-in?next=/cases/"
        page = browser.get(answer.location).text
        assert "Kurumunuzun girişine şu anda ulaşılamıyor" in page
        assert 'name="password"' in page
    finally:
        world.issuer.status = 200


def test_metadata_that_name_another_issuer_are_refused(world: ProviderWorld) -> None:
    world.redeclare(_file(world))
    real, world.issuer.address = world.issuer.address, "https://victim.example"
    try:
        answer = world.browser().get("/sign-in/with/jgk")
        assert answer.location.startswith("/sign-in")
    finally:
        world.issuer.address = real
    assert world.browser().get("/sign-in/with/jgk").location.startswith(real)


def test_a_slow_provider_is_waited_for_so_long_and_keeps_nobody_else(
    world: ProviderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.redeclare(_file(world))
    monkeypatch.setattr(provider_line, "SECONDS", 0.5)
    world.issuer.wait = threading.Event()
    try:
        answer = world.browser().get("/sign-in/with/jgk")
        assert answer.location.startswith("/sign-in")
        asked = len(world.issuer.asked)
        assert world.browser().get("/sign-in/with/jgk").location.startswith("/sign-in")
        assert len(world.issuer.asked) == asked, "it rests after a failure"
        assert world.browser().get("/sign-in/with/other").location.startswith(world.other.address)
    finally:
        world.issuer.wait.set()
        world.issuer.wait = None
        world.redeclare(_file(world))


def test_no_more_than_some_calls_wait_for_a_provider_at_once(world: ProviderWorld) -> None:
    line = provider_line.ProviderLine("slow", "")
    world.issuer.wait = threading.Event()
    try:
        waiting = [
            threading.Thread(target=_quietly, args=(line, world.issuer.address)) for _ in range(provider_line.AT_ONCE)
        ]
        for thread in waiting:
            thread.start()
        while world.issuer.asked[-provider_line.AT_ONCE :].count("/slow") < provider_line.AT_ONCE:
            time.sleep(0.01)
        with pytest.raises(provider_line.ProviderDown):
            line.document(f"{world.issuer.address}/slow")
        assert world.issuer.asked.count("/slow") == provider_line.AT_ONCE
    finally:
        world.issuer.wait.set()
        world.issuer.wait = None
    for thread in waiting:
        thread.join()


def _quietly(line: provider_line.ProviderLine, address: str) -> None:
    with pytest.raises(provider_line.ProviderDown):
        line.document(f"{address}/slow")


def test_sql_of_the_panel_believes_no_provider_without_a_claim(world: ProviderWorld) -> None:
    who = world.linked("s-sql")
    for call in (
        "itm.declare_providers('[]')",
        "itm.declare_providers('[]', extract(epoch from now())::bigint, sha256('x'))",
        "itm.provider_person((select id from identity_provider limit 1), 's-sql', null)",
        "itm.provider_arrival((select id from identity_provider limit 1), 's-x', null, '{}')",
        "itm.provider_link((select id from identity_provider limit 1), 's-x', null)",
        "itm.redeem_by_provider('x', (select id from identity_provider limit 1), 's-x', null)",
        "itm.provider_signs_out((select id from identity_provider limit 1), 's-sql', null)",
        "itm.first_time(sha256('x'))",
        "itm.refuse_provider('jgk', 'unknown_identity', null)",
    ):
        with world.database.engine("app").connect() as connection, pytest.raises(DBAPIError, match="no claim"):
            connection.execute(text(f"select * from {call}"))
    with world.database.engine("app").connect() as connection:
        for statement in (
            "insert into external_identity (institution_id, account_id, provider_id, subject, how)"
            f" values ('{who.tenant.id}', '{who.id}', gen_random_uuid(), 'x', 'linked')",
            "update identity_provider set issuer = 'https://evil.example'",
            "insert into provider_binding (institution_id, provider_id) values (gen_random_uuid(), gen_random_uuid())",
            "delete from external_identity",
            "select * from provider_message",
        ):
            with pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
                connection.execute(text(statement))
        assert not connection.execute(text("select * from external_identity")).all()


def test_no_token_code_or_secret_stands_in_the_database_or_a_log(
    world: ProviderWorld, caplog: pytest.LogCaptureFixture
) -> None:
    who = world.linked("s-quiet")
    browser = world.browser()
    world.issuer.person = {"sub": "s-quiet", "acr": ACR, "sid": "sid-quiet"}
    told = query_of(back := world.go(browser))
    caplog.clear()
    answer = browser.get(back)
    assert len(world.sessions(who)) == 1
    assert told["code"] not in answer.location
    secrets = [told["code"], told["state"], world.issuer.tokens[-1], SECRET]
    ours = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    for secret in secrets:
        assert not [line for line in ours if secret in line]
    places = world.rows("select schemaname, tablename from pg_tables where schemaname in ('public', 'audit', 'itm')")
    assert len(places) > 50
    those = [f"%{each}%" for each in secrets]
    for schema, name in places:
        counted = world.rows(f'select count(*) from "{schema}"."{name}" r where r::text like any (:those)', those=those)
        assert counted[0][0] == 0, name


def _file(world: ProviderWorld) -> str:
    path = world.settings.identity_providers_file
    assert path is not None
    return path.read_text()


def test_an_address_back_is_the_settings_own(world: ProviderWorld) -> None:
    client = world.app.test_client()
    there = client.get("/sign-in/with/jgk", base_url="http://127.0.0.1", headers={"X-Forwarded-Host": "evil.example"})
    assert query_of(there.location)["redirect_uri"] == "http://localhost:8080/sign-in/with/jgk/back"
    assert path_of(there.location).startswith("/authorize")
