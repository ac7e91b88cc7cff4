"""Passkeys (W3C Web Authentication Level 3): one alone counts as two factors.

The device verifies its person each time. The origin and the relying party's id are the installation's own address,
exactly; neither comes from a request. The challenge is kept by the server alone, is taken away when it is used, and is
worth nothing after five minutes.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from itm_admin.accounts import factors
from itm_admin.accounts.factor_rows import PasskeyChallenge, SecondFactor
from itm_admin.accounts.factors import FactorOwner
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.proxies import is_number

_ASK = text("select itm.ask_passkey(:challenge)")
_ANSWER = text("select * from itm.answer_passkey(:question, :credential)")
LIFETIME = text("interval '5 minutes'")
_TIMEOUT = 5 * 60 * 1000
_LONGEST = 20_000
"""Characters of a browser's answer."""


class BadPasskey(Invalid):
    """The browser's answer proves nothing. People are not told the reason."""

    code = "bad_passkey"
    default = _l("The passkey was not accepted. Try again, or use another second factor.")


@dataclass(frozen=True)
class Site:
    """The installation as browsers know it. `origin` is None where it has no name: passkeys need one."""

    origin: str | None
    rp_id: str

    @classmethod
    def at(cls, origin: str) -> Site:
        host = urlsplit(origin).hostname or ""
        return cls(None if is_number(host) else origin, host)


@dataclass(frozen=True)
class Question:
    """A question for the browser: the challenge's number, and the options for `navigator.credentials`."""

    id: uuid.UUID
    options: dict[str, Any]


@dataclass(frozen=True)
class Stranger:
    """Somebody who is known by a passkey alone."""

    account: uuid.UUID
    factor: uuid.UUID
    sign_count: int


def ask_to_add(session: Session, site: Site, person: FactorOwner, full_name: str) -> Question:
    """For `navigator.credentials.create`: a passkey that this person's devices do not hold yet."""
    challenge = _challenge()
    known = [
        PublicKeyCredentialDescriptor(id=each.credential)
        for each in factors.standing(session, person.id)
        if each.credential is not None
    ]
    options = generate_registration_options(
        rp_id=site.rp_id, rp_name="İTM", user_name=person.username, user_id=person.id.bytes,
        user_display_name=full_name, challenge=challenge, timeout=_TIMEOUT, exclude_credentials=known,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )  # fmt: skip
    return Question(_keep(session, challenge, "add", person), json.loads(options_to_json(options)))


def add(session: Session, site: Site, person: FactorOwner, name: str, question: str, answer: str) -> SecondFactor:
    """The new passkey. Raises BadPasskey, or Invalid under `name`."""
    named = factors.checked_name(name)
    challenge = _take(session, question, "add", person.id)
    factors.make_room(session, person.id)
    try:
        found = verify_registration_response(
            credential=_parsed(answer), expected_challenge=challenge, expected_rp_id=site.rp_id,
            expected_origin=site.origin or "", require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # the library parses strangers' bytes with several parsers, each with faults of its own
        raise BadPasskey from error
    id = uuid.uuid4()
    made = insert(SecondFactor).values(
        id=id, institution_id=person.institution, account_id=person.id, kind="passkey", name=named,
        credential=found.credential_id, public_key=found.credential_public_key, sign_count=found.sign_count,
    )  # fmt: skip
    if session.execute(made.on_conflict_do_nothing().returning(SecondFactor.id)).first() is None:
        raise BadPasskey
    return session.get_one(SecondFactor, id)


def ask_to_sign_in(session: Session, site: Site) -> Question:
    """For `navigator.credentials.get` of somebody who is not known yet: the passkey names the account."""
    challenge = _challenge()
    return Question(session.scalar(_ASK, {"challenge": challenge}), _options(site, challenge, []))


def ask_again(session: Session, site: Site, person: FactorOwner) -> Question:
    """For `navigator.credentials.get` of a known person: one of the account's passkeys."""
    known = [each.credential for each in factors.standing(session, person.id) if each.credential is not None]
    challenge = _challenge()
    return Question(_keep(session, challenge, "step_up", person), _options(site, challenge, known))


def prove(session: Session, site: Site, person: FactorOwner, question: str, answer: str) -> SecondFactor:
    """The passkey of this person that has answered. Raises BadPasskey."""
    challenge = _take(session, question, "step_up", person.id)
    credential = _parsed(answer)
    mine = select(SecondFactor).where(SecondFactor.credential == _id_in(credential))
    factor = session.scalars(mine.execution_options(populate_existing=True)).one_or_none()
    if factor is None or factor.account_id != person.id:
        raise BadPasskey
    count = _verified(site, credential, challenge, person.id, factor.public_key or b"", factor.sign_count)
    factors.shown(session, person.id, factor.id, signs=max(count, factor.sign_count))
    return factor


def prove_alone(session: Session, site: Site, question: str, answer: str) -> Stranger:
    """The passkey that has answered, of somebody who is not known yet. Raises BadPasskey."""
    credential = _parsed(answer)
    found = session.execute(_ANSWER, {"question": _number(question), "credential": _id_in(credential)}).one_or_none()
    if found is None or found.account_id is None or not credential["response"].get("userHandle"):
        raise BadPasskey
    before = (bytes(found.public_key), found.sign_count)
    count = _verified(site, credential, bytes(found.challenge), found.account_id, *before)
    return Stranger(found.account_id, found.factor, max(count, found.sign_count))


def _verified(
    site: Site, credential: dict[str, Any], challenge: bytes, account: uuid.UUID, public_key: bytes, sign_count: int
) -> int:
    """The passkey's new count. Raises BadPasskey."""
    handle = credential["response"].get("userHandle")
    try:
        if handle and base64url_to_bytes(handle) != account.bytes:
            raise BadPasskey
        found = verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=site.rp_id,
            expected_origin=site.origin or "", credential_public_key=public_key,
            credential_current_sign_count=sign_count, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # as above
        raise BadPasskey from error
    return int(found.new_sign_count)


def _options(site: Site, challenge: bytes, known: list[bytes]) -> dict[str, Any]:
    options = generate_authentication_options(
        rp_id=site.rp_id, challenge=challenge, timeout=_TIMEOUT,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    written: dict[str, Any] = json.loads(options_to_json(options))
    return written


def _challenge() -> bytes:
    return os.urandom(32)


def _keep(session: Session, challenge: bytes, purpose: str, person: FactorOwner) -> uuid.UUID:
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.made_at < func.now() - LIFETIME))
    id = uuid.uuid4()
    whose = {"account_id": person.id, "institution_id": person.institution}
    session.execute(insert(PasskeyChallenge).values(id=id, challenge=challenge, purpose=purpose, **whose))
    return id


def _take(session: Session, question: str, purpose: str, account: uuid.UUID) -> bytes:
    """The challenge, which is gone with this transaction: a second answer to it finds none."""
    wanted = (
        PasskeyChallenge.id == _number(question),
        PasskeyChallenge.purpose == purpose,
        PasskeyChallenge.account_id == account,
        PasskeyChallenge.made_at >= func.now() - LIFETIME,
    )
    found = session.execute(delete(PasskeyChallenge).where(*wanted).returning(PasskeyChallenge.challenge))
    challenge = found.scalar_one_or_none()
    if challenge is None:
        raise BadPasskey
    return bytes(challenge)


def _number(question: str) -> uuid.UUID:
    try:
        return uuid.UUID(question)
    except ValueError:
        raise BadPasskey from None


def _parsed(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer) if len(answer) <= _LONGEST else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("response"), dict):
        raise BadPasskey
    return found


def _id_in(credential: dict[str, Any]) -> bytes:
    try:
        return base64url_to_bytes(str(credential.get("rawId", "")))
    except ValueError:
        raise BadPasskey from None
