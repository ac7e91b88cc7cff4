"""Passkeys (W3C Web Authentication Level 3): one alone counts as two factors.

The device verifies its person each time. The origin and the relying party's id are the installation's own address,
exactly; neither comes from a request. The challenge is kept by the server alone, is taken away when it is used, and is
worth nothing after five minutes.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, replace
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
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.proxies import is_number
from itm_admin.foundation.tenancy import acting

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
    return _ask(session, site, "sign_in", None, [])


def ask_again(session: Session, site: Site, person: FactorOwner) -> Question:
    """For `navigator.credentials.get` of a known person: one of the account's passkeys."""
    known = [each.credential for each in factors.standing(session, person.id) if each.credential is not None]
    return _ask(session, site, "step_up", person, known)


def prove(session: Session, site: Site, person: FactorOwner | None, question: str, answer: str) -> SecondFactor:
    """The passkey that has answered; of this person, where one is known. Raises BadPasskey.

    Its account's context has to be bound before anything else is done with it.
    """
    challenge = _take(session, question, "step_up" if person else "sign_in", person.id if person else None)
    credential = _parsed(answer)
    factor = _named(session, credential)
    if factor is None or (person is not None and factor.account_id != person.id):
        raise BadPasskey
    handle = credential.get("response", {}).get("userHandle")
    try:
        if (person is None or handle) and base64url_to_bytes(handle) != factor.account_id.bytes:
            raise BadPasskey
        found = verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=site.rp_id,
            expected_origin=site.origin or "", credential_public_key=factor.public_key or b"",
            credential_current_sign_count=factor.sign_count, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # as above
        raise BadPasskey from error
    with acting(replace(tenancy.current(), account=factor.account_id, institution=factor.institution_id), session):
        factors.used(session, factor.id, {"sign_count": max(found.new_sign_count, factor.sign_count)})
    return factor


def _ask(session: Session, site: Site, purpose: str, person: FactorOwner | None, known: list[bytes]) -> Question:
    challenge = _challenge()
    options = generate_authentication_options(
        rp_id=site.rp_id, challenge=challenge, timeout=_TIMEOUT,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    return Question(_keep(session, challenge, purpose, person), json.loads(options_to_json(options)))


def _challenge() -> bytes:
    return os.urandom(32)


def _keep(session: Session, challenge: bytes, purpose: str, person: FactorOwner | None) -> uuid.UUID:
    session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.made_at < func.now() - LIFETIME))
    id = uuid.uuid4()
    whose = {"account_id": person.id, "institution_id": person.institution} if person else {}
    kept = insert(PasskeyChallenge).values(id=id, challenge=challenge, purpose=purpose, **whose)
    session.execute(kept)
    return id


def _take(session: Session, question: str, purpose: str, account: uuid.UUID | None) -> bytes:
    """The challenge, which is gone with this transaction: a second answer to it finds none."""
    try:
        id = uuid.UUID(question)
    except ValueError:
        raise BadPasskey from None
    wanted = (
        PasskeyChallenge.id == id,
        PasskeyChallenge.purpose == purpose,
        PasskeyChallenge.account_id.is_not_distinct_from(account),
        PasskeyChallenge.made_at >= func.now() - LIFETIME,
    )
    found = session.execute(delete(PasskeyChallenge).where(*wanted).returning(PasskeyChallenge.challenge))
    challenge = found.scalar_one_or_none()
    if challenge is None:
        raise BadPasskey
    return bytes(challenge)


def _parsed(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer) if len(answer) <= _LONGEST else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("response"), dict):
        raise BadPasskey
    return found


def _named(session: Session, credential: dict[str, Any]) -> SecondFactor | None:
    """The factor with this credential id, of any account."""
    try:
        id = base64url_to_bytes(str(credential.get("rawId", "")))
    except ValueError:
        raise BadPasskey from None
    with acting(replace(tenancy.current(), token=id), session):
        return session.scalars(
            select(SecondFactor).where(SecondFactor.credential == id).execution_options(populate_existing=True)
        ).one_or_none()
