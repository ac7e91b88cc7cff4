"""An OpenID Connect issuer on loopback, which can also misbehave: it signs whatever a test wants it to say."""

from __future__ import annotations

import base64
import hashlib
import http.client
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask, jsonify, redirect, request
from joserfc import jws
from joserfc.jwk import ECKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

CLIENT, SECRET = "itm", "a-client-secret-of-the-tests"
ACR = "urn:example:two-factors"
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class Issuer:
    """`person`: the claims of who signs in there. `say` changes an ID token's claims before it is signed."""

    person: dict[str, Any] = field(default_factory=lambda: {"sub": "s-1", "name": "Elif Kaya"})
    say: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    sign: Callable[[dict[str, Any]], str] | None = None
    sends_iss: bool = True
    iss_in_answer: str | None = None
    status: int = 200
    wait: threading.Event | None = None
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = [ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig"})]
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        if self.wait is not None:
            self.wait.set()
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, keep: bool = True) -> None:
        """Signs with a new key; the former ones stay in the list, or go."""
        new = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig"})
        self.keys = [new, *(self.keys if keep else [])]

    def signed(self, claims: dict[str, Any], key: ECKey | None = None, **header: Any) -> str:
        key = key or self.keys[0]
        head = {"alg": "ES256", "kid": key.kid, **header}
        return jws.serialize_compact(
            {name: value for name, value in head.items() if value is not None}, _bytes(claims), key, ["ES256"]
        )

    def claims(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        told = {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 300, "auth_time": now, "nonce": nonce}
        return {**told, **self.person}

    def logout_token(self, **more: Any) -> str:
        now = int(time.time())
        told = {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": secrets.token_hex(8)}
        said = {**told, "events": {_LOGOUT: {}}, **more}
        return self.signed({name: value for name, value in said.items() if value is not None}, typ="logout+jwt")

    def authorize(self, address: str) -> str:
        """The person signs in there: gives the address to which the browser is sent back."""
        parts = urlsplit(address)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port)
        line.request("GET", f"{parts.path}?{parts.query}")
        answer = line.getresponse()
        assert answer.status == 302, answer.read()
        there = answer.headers["Location"]
        line.close()
        return str(there)

    def _app(self) -> Flask:
        app = Flask("issuer")

        @app.before_request
        def _note() -> Response | None:
            self.asked.append(request.path)
            if self.wait is not None:
                self.wait.wait(20)
            return Response("no", self.status) if self.status != 200 else None

        @app.get("/.well-known/openid-configuration")
        def _metadata() -> Response:
            return jsonify(
                issuer=self.address, authorization_endpoint=f"{self.address}/authorize",
                token_endpoint=f"{self.address}/token", jwks_uri=f"{self.address}/keys",
                end_session_endpoint=f"{self.address}/out",
                authorization_response_iss_parameter_supported=self.sends_iss,
            )  # fmt: skip

        @app.get("/keys")
        def _keys() -> Response:
            return jsonify(keys=[key.as_dict(private=False) for key in self.keys])

        @app.get("/authorize")
        def _authorize() -> Response:
            told = dict(request.args.items())
            assert (told["response_type"], told["code_challenge_method"]) == ("code", "S256")
            code = secrets.token_urlsafe(16)
            self.codes[code] = told
            sender = self.iss_in_answer or self.address
            answer = {"code": code, "state": told["state"], **({"iss": sender} if self.sends_iss else {})}
            return redirect(f"{told['redirect_uri']}?{urlencode(answer)}")

        @app.post("/token")
        def _token() -> Response | tuple[Response, int]:
            sent = request.form
            told = self.codes.pop(sent.get("code", ""), None)  # once
            basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if (
                told is None
                or request.headers.get("Authorization") != f"Basic {basic}"
                or told["redirect_uri"] != sent.get("redirect_uri")
                or told["code_challenge"] != challenge
            ):
                return jsonify(error="invalid_grant"), 400
            claims = self.claims(told["nonce"])
            claims = self.say(claims) if self.say else claims
            token = self.sign(claims) if self.sign else self.signed(claims)
            self.tokens.append(token)
            return jsonify(access_token=secrets.token_urlsafe(16), token_type="Bearer", id_token=token)

        return app


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def unsigned(claims: dict[str, Any]) -> str:
    """A token without a signature, as `alg: none` has it."""
    parts = (_bytes({"alg": "none"}), _bytes(claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def _bytes(claims: dict[str, Any]) -> bytes:
    import json

    return json.dumps(claims).encode()
