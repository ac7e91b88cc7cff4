"""An account with a passkey is not brought down: to a code, to another factor, or to a device without its person."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from webauthn.helpers import bytes_to_base64url

from itm_admin.accounts import actor as actors
from itm_admin.accounts import session_rows
from itm_admin.foundation import tenancy
from tests.panel.test_context import sessions
from tests.panel.test_second_factors import OURS, password

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.factories import Somebody
    from tests.panel.panel_app import Browser, RunningPanel

PRESENT, VERIFIED = 0x01, 0x04
_ADD = text(
    "insert into second_factor (institution_id, account_id, kind, name, credential, public_key, confirmed_at)"
    " values (:home, :account, 'passkey', 'Anahtar', :credential, :key, now())"
)


@dataclass
class SoftKey:
    """A device of ours: it signs whatever it is asked, and says of its person what a test wants."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: uuid.uuid4().bytes)

    def public(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = (each.to_bytes(32, "big") for each in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def answer(self, panel: RunningPanel, challenge: str, flags: int, owner: uuid.UUID) -> str:
        site = panel.app.config["ITM_SITE"]
        client = json.dumps({"type": "webauthn.get", "challenge": challenge, "origin": site.origin}).encode()
        said = hashlib.sha256(site.rp_id.encode()).digest() + bytes([flags]) + bytes(4)
        signature = self.key.sign(said + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        parts = {"clientDataJSON": client, "authenticatorData": said, "signature": signature, "userHandle": owner.bytes}
        response = {name: bytes_to_base64url(part) for name, part in parts.items()}
        id = bytes_to_base64url(self.id)
        return json.dumps({"id": id, "rawId": id, "type": "public-key", "response": response})


def with_passkey(panel: RunningPanel, who: Somebody) -> SoftKey:
    key = SoftKey()
    values = {"home": who.tenant.id, "account": who.id, "credential": key.id, "key": key.public()}
    with panel.make.superuser() as connection:
        connection.execute(_ADD, values)
    return key


def by_passkey(panel: RunningPanel, browser: Browser, key: SoftKey, flags: int, who: Somebody) -> TestResponse:
    asked: Any = json.loads(browser.client.post("/sign-in/passkey/ask", headers=OURS).text)
    credential = key.answer(panel, asked["options"]["challenge"], flags, who.id)
    sent = {"question": asked["question"], "credential": credential}
    return browser.client.post("/sign-in/passkey/", data=sent, headers=OURS)


def test_an_account_with_a_passkey_alone_takes_no_code_and_sets_up_nothing_else_instead(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    with_passkey(panel, who)
    browser = panel.browser()
    assert password(browser, who).headers["Location"] == "/sign-in/factor"
    browser.renew_token()
    assert browser.post("/sign-in/factor", code="123456").status_code == 422
    for path in ("/sign-in/set-up", "/sign-in/set-up/passkey"):
        answer = browser.client.post(path, data={"csrf_token": browser.token, "code": "123456"}, kept=False)
        assert answer.status_code == 303
        assert re.match("/sign-in/factor", answer.headers["Location"]), path
    assert browser.client.post("/sign-in/set-up/passkey/ask", data={"csrf_token": browser.token}).status_code == 403
    assert panel.value("select count(*) from second_factor where account_id = :id", id=who.id) == 1


def test_a_passkey_whose_device_did_not_verify_its_person_proves_nothing(panel: RunningPanel) -> None:
    who = panel.make.focal_point()
    key = with_passkey(panel, who)
    browser = panel.browser()
    assert by_passkey(panel, browser, key, PRESENT, who).headers["Location"].startswith("/sign-in")
    assert browser.get("/profile/").status_code == 302
    assert by_passkey(panel, browser, key, PRESENT | VERIFIED, who).headers["Location"] == "/"
    assert browser.get("/profile/").status_code == 200


@pytest.mark.parametrize("methods", [("password",), ("password", "passkey")], ids=["half a session", "an old factor"])
def test_sql_without_a_fresh_factor_sets_up_none_and_makes_no_codes(
    panel: RunningPanel, methods: tuple[str, ...]
) -> None:
    who = panel.make.focal_point()
    for _ in range(2):
        with_passkey(panel, who)
    with sessions(panel) as session:
        found = actors.find(session, who.id, who.tenant.id)
        assert found
        here = session_rows.begin(session, found, methods, factor=len(methods) > 1)
        session.commit()
    panel.age(who, begun=400)
    values = {"home": who.tenant.id, "account": who.id, "credential": b"x" * 16, "key": b"y"}
    codes = (
        "insert into recovery_codes (account_id, institution_id, digests) values (:account, :home, array[sha256('x')])"
    )
    end = "update second_factor set ended_at = now() where account_id = :account"
    with sessions(panel) as session:
        for statement in (str(_ADD).replace(", confirmed_at", "").replace(", now()", ""), codes, end):
            with (
                tenancy.acting(replace(found, here=here).own_context(), session),
                pytest.raises(DBAPIError, match="second factor of the last minutes"),
            ):
                session.execute(text(statement), values)
            session.rollback()
