"""OpenID Connect: this panel as a client of an institution's issuer. Code flow with PKCE, and nothing else.

Promise: a `Vouched` comes from a token that this issuer signed for this panel, for this very trip of this browser, with
an algorithm of the list, in time. No token outlives the call that checks it. Knows neither database nor request.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from flask_babel import lazy_gettext as _l
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from itm_admin.accounts.provider_line import ProviderDown, ProviderLine
from itm_admin.accounts.provider_trips import Trip
from itm_admin.foundation.errors import DomainError
from itm_admin.foundation.identity_providers import HERE, OidcClient, Provider

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a private key alone: `none` and what a client's secret could sign stand nowhere."""
LEEWAY = 60
"""Seconds by which the two clocks may differ."""
YOUNG = 600
"""Seconds after its making in which a token is accepted."""
METADATA_KEPT, KEYS_KEPT, KEYS_AGAIN = 3600.0, 300.0, 10.0
"""Seconds for which they are kept; an unknown key is looked for again, not more often than every `KEYS_AGAIN`."""
LONGEST = 16 * 1024
_SIGNED_OUT = "http://schemas.openid.net/event/backchannel-logout"
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderRefused(DomainError):
    """The answer is no sign-in. `reason` is for the ledger; the person gets one sentence."""

    code = "provider_refused"
    default = _l("The sign-in through your institution was not completed. Begin it once more.")

    def __init__(self, reason: str, fault: str = "") -> None:
        super().__init__()
        self.reason, self.fault = reason, fault


@dataclass(frozen=True)
class Vouched:
    """A person for whom a provider vouches. Names and address are for an arrival's account, and prove nothing.

    `email` only if the provider has verified it. `factor`: the token says that a second factor was shown.
    """

    subject: str
    shown: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    sid: str | None = None
    factor: bool = False
    auth_time: float | None = None


@dataclass(frozen=True)
class SignedOut:
    """A provider's message that a person, or a session there, has signed out. `digest` names the message."""

    subject: str | None
    sid: str | None
    digest: bytes


class Issuer:
    """One OIDC provider. Keeps its metadata and public keys for a while; threads share it."""

    def __init__(self, provider: Provider, line: ProviderLine | None = None) -> None:
        self.provider = provider
        self.client: OidcClient = provider.own
        self._line = line or ProviderLine(provider.code, self.client.certificates)
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, jwk.KeySet] | None = None

    def address_to_begin(self, trip: Trip, back: str, language: str) -> str:
        """The provider's address to which the browser goes, and returns from to `back`. Raises ProviderDown."""
        more: dict[str, str] = {"nonce": trip.nonce, "ui_locales": language}
        if self.client.acr_values:
            more["acr_values"] = " ".join(self.client.acr_values)
        if trip.again:
            more |= {"prompt": "login", "max_age": "0"}
        endpoint = self.metadata()["authorization_endpoint"]
        url, _state = self._asking(back).create_authorization_url(
            endpoint, state=trip.state, code_verifier=trip.verifier, **more
        )
        return str(url)

    def take(self, trip: Trip, back: str, answer: Mapping[str, str]) -> Vouched:
        """The person of an answer's code. Raises ProviderRefused or ProviderDown."""
        self._check_sender(answer)
        if "error" in answer or not answer.get("code"):
            raise ProviderRefused("provider_denied")
        endpoint = self.metadata()["token_endpoint"]
        try:
            tokens = self._asking(back).fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=answer["code"],
                code_verifier=trip.verifier,
                redirect_uri=back,
            )
        except (AuthlibBaseError, ValueError, UnicodeError) as fault:
            raise ProviderRefused("provider_code", type(fault).__name__) from None
        return self.judge(tokens.get("id_token"), trip.nonce, tokens.get("access_token"))

    def judge(self, token: Any, nonce: str, access_token: Any = None) -> Vouched:
        """The person of an ID token (OpenID Connect Core 3.1.3.7). Raises ProviderRefused or ProviderDown."""
        found = self._signed(token)
        said = {"iss": {"essential": True, "value": self.provider.issuer}, "sub": {"essential": True}}
        said |= {"aud": {"essential": True, "value": self.client.client_id}, "nonce": {"essential": True}}
        params = {"nonce": nonce, "client_id": self.client.client_id, "access_token": access_token}
        claims = CodeIDToken(found.claims, found.header, said, params)
        _validated(lambda: claims.validate(leeway=LEEWAY))
        self._check_plain(claims)
        if not nonce or "events" in claims:
            raise ProviderRefused("provider_token", "nonce")
        acr, amr, when = claims.get("acr"), claims.get("amr") or [], claims.get("auth_time")
        return Vouched(
            claims["sub"],
            shown=_text(claims.get("name")),
            first_name=_text(claims.get("given_name")),
            last_name=_text(claims.get("family_name")),
            email=_text(claims.get("email")) or None if claims.get("email_verified") is True else None,
            sid=_text(claims.get("sid")) or None,
            factor=acr in self.provider.acr or any(each in self.provider.amr for each in amr),
            auth_time=float(when) if isinstance(when, int | float) else None,
        )

    def signed_out(self, token: str) -> SignedOut:
        """A logout token (Back-Channel Logout 1.0, 2.6). Raises ProviderRefused or ProviderDown."""
        found = self._signed(token)
        if str(found.header.get("typ", "")).lower().removeprefix("application/") != "logout+jwt":
            raise ProviderRefused("provider_token", "typ")  # no other token of this issuer is taken for one
        said = {"iss": {"essential": True, "value": self.provider.issuer}, "exp": {"essential": True}}
        said |= {"aud": {"essential": True, "value": self.client.client_id}, "jti": {"essential": True}}
        registry = jwt.JWTClaimsRegistry(leeway=LEEWAY, **said)  # type: ignore[arg-type]
        _validated(lambda: registry.validate(found.claims))
        self._check_plain(found.claims)
        events = found.claims.get("events")
        subject, sid = found.claims.get("sub"), found.claims.get("sid")
        named = [each for each in (subject, sid) if each is not None]
        if not isinstance(events, dict) or not isinstance(events.get(_SIGNED_OUT), dict) or "nonce" in found.claims:
            raise ProviderRefused("provider_token", "events")
        if not named or not all(isinstance(each, str) and each for each in named):
            raise ProviderRefused("provider_token", "sub")
        words = f"logout\0{self.provider.issuer}\0{found.claims['jti']}"
        return SignedOut(subject, sid, hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest())

    def address_to_end(self, back: str) -> str | None:
        """The provider's address for signing out there too (RP-Initiated Logout 1.0); None if it has none.

        It names this panel and no person: a token in an address would stay in histories and logs.
        """
        endpoint = self.metadata().get("end_session_endpoint")
        if not isinstance(endpoint, str) or not _is_safe(endpoint):
            return None
        told = urlencode({"client_id": self.client.client_id, "post_logout_redirect_uri": back})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{told}"

    def metadata(self) -> dict[str, Any]:
        """The issuer's own description (OpenID Connect Discovery). Raises ProviderDown."""
        kept = self._metadata
        if kept is not None and time.monotonic() - kept[0] < METADATA_KEPT:
            return kept[1]
        found = self._line.document(f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.provider.issuer or not all(_is_safe(found.get(each)) for each in _NEEDED):
            raise ProviderDown
        self._metadata = (time.monotonic(), found)
        return found

    def _asking(self, back: str) -> OAuth2Client:
        known = self.metadata().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"
        return OAuth2Client(
            self._line,
            client_id=self.client.client_id,
            client_secret=self.client.client_secret,
            token_endpoint_auth_method=method,
            scope=" ".join(self.client.scopes),
            redirect_uri=back,
            code_challenge_method="S256",
        )

    def _check_sender(self, answer: Mapping[str, str]) -> None:
        """Refuses another issuer's answer (RFC 9207), and one without a sender if this issuer always names itself."""
        sender = answer.get("iss")
        says = self.metadata().get("authorization_response_iss_parameter_supported") is True
        if sender != self.provider.issuer and (sender is not None or says):
            raise ProviderRefused("provider_issuer")

    def _check_plain(self, claims: Mapping[str, Any]) -> None:
        subject, made, now = claims.get("sub"), claims.get("iat"), time.time()
        if subject is not None and (not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\0" in subject):
            raise ProviderRefused("provider_token", "sub")
        if isinstance(made, bool) or not isinstance(made, int | float) or abs(now - made) > YOUNG:
            raise ProviderRefused("provider_token", "iat")

    def _signed(self, token: Any) -> jwt.Token:
        """A token whose signature is this issuer's. An unknown or changed key is looked for once more."""
        if not isinstance(token, str) or len(token) > LONGEST:
            raise ProviderRefused("provider_token", "no token")
        try:
            kid = jws.extract_compact(token.encode("ascii")).headers().get("kid")
        except (JoseError, ValueError, KeyError):
            raise ProviderRefused("provider_token", "form") from None
        keys = self._public_keys(KEYS_KEPT)
        if kid is not None and kid not in {each.kid for each in keys.keys}:
            keys = self._public_keys(KEYS_AGAIN)
        try:
            return jwt.decode(token, _fitting(keys, kid), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError, KeyError, TypeError) as fault:
            raise ProviderRefused("provider_token", type(fault).__name__) from None

    def _public_keys(self, kept_for: float) -> jwk.KeySet:
        kept = self._keys
        if kept is not None and time.monotonic() - kept[0] < kept_for:
            return kept[1]
        listed = self._line.document(self.metadata()["jwks_uri"]).get("keys")
        found: list[Any] = []
        for each in listed if isinstance(listed, list) else []:
            if isinstance(each, dict) and each.get("kty") in ("RSA", "EC", "OKP") and each.get("use", "sig") == "sig":
                try:
                    found.append(jwk.import_key({name: value for name, value in each.items() if name != "d"}))
                except (JoseError, ValueError, KeyError, TypeError):
                    continue
        self._keys = (time.monotonic(), jwk.KeySet(found))
        return self._keys[1]


def _fitting(keys: jwk.KeySet, kid: Any) -> jwk.KeySet:
    """The keys that may have signed: the named one; without a name a sole one."""
    fitting = [each for each in keys.keys if each.kid == kid] if kid is not None else list(keys.keys)
    if len(fitting) != 1:
        raise ProviderRefused("provider_token", "key")
    return jwk.KeySet(fitting)


def _validated(check: Callable[[], None]) -> None:
    try:
        check()
    except (JoseError, AuthlibBaseError, ValueError, TypeError, AttributeError) as fault:
        raise ProviderRefused("provider_token", getattr(fault, "claim", "") or type(fault).__name__) from None


def _is_safe(address: Any) -> bool:
    if not isinstance(address, str):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE))


def _text(value: Any) -> str:
    return " ".join(value.split())[:200] if isinstance(value, str) and "\0" not in value else ""
