"""Somebody types the name and the password of an institution's directory: counted, asked, answered.

The try is counted and committed before the directory is asked, as one of a password is (sign_in.py); no connection to
the database is held meanwhile. Promise: a refused person cannot tell the reason, but for what a directory says to the
right password alone; each refusal is an entry, or counted by one. The password is passed on, and stays nowhere.
"""

from __future__ import annotations

import hashlib
import logging
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy import text
from sqlalchemy.orm import Session

from itm_admin.accounts import known_devices, provider_register, throttle
from itm_admin.accounts.directory import LONGEST, DirectoryPerson, Unreachable, prove
from itm_admin.accounts.directory_answers import RENEW, Refused
from itm_admin.accounts.directory_calls import Places
from itm_admin.accounts.oidc import Vouched
from itm_admin.accounts.provider_line import ProviderDown
from itm_admin.accounts.sign_in import SignInRefused, TooManyTries
from itm_admin.foundation import claims, tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.directories import Directory
from itm_admin.foundation.identity_providers import Provider
from itm_admin.foundation.name_folding import name_key
from itm_admin.foundation.transaction import writing

log = logging.getLogger("itm.directories")
_WRITE_COUNTED = text("select itm.write_counted(null)")
_COUNT = text(
    "select wait, ticket from itm.count_directory_try(:provider, :name, :pair, :network, :counted, :typed, :device)"
)
_ANSWER = text("select itm.directory_answer(:ticket, :answer, :network, :typed, :at, :mac)")


class RenewThere(SignInRefused):
    """Told only to somebody whose password there was right."""

    code = "renew_there"
    default = _l(
        "Your institution has recognised you, but your password there has expired or has to be changed first. Change "
        "it at your institution, then sign in here."
    )


class ClosedThere(SignInRefused):
    """Told only to somebody whose password there was right."""

    code = "closed_there"
    default = _l(
        "Your institution has recognised you, but your account there is closed. Ask your institution's manager."
    )


def ask(provider: Provider, name: str, password: str, key: bytes) -> Vouched:
    """The person whom the directory knows by this name and password.

    Raises SignInRefused, TooManyTries or ProviderDown, after the entry. Commits, and drops uncommitted work: call it
    before anything else.
    """
    db.session.rollback()
    typed = _TypedThere.of(provider.code, name, key)
    with writing() as work:
        work.execute(_WRITE_COUNTED)
        counted = work.execute(_COUNT, {"provider": provider_register.id_of(work, provider), **typed.values()}).one()
    if counted.wait:
        raise TooManyTries(counted.wait)
    directory: Directory = provider.own
    answer = "right"
    refusal: SignInRefused | ProviderDown | None = None
    try:
        person = _places().ask(directory, lambda wire: prove(directory, name, password, wire))
        if person.closed is not None:
            answer, refusal = person.closed, ClosedThere()
    except Refused as error:
        answer, refusal = error.reason, _told(error)
    except Unreachable as error:
        log.warning("the directory %s did not answer: %s", directory.issuer, error)
        answer, refusal = "directory_down", ProviderDown()
    with writing() as work:
        _answer(work, counted.ticket, answer, typed)
    if refusal is not None:
        raise refusal
    return _vouched(person, name)


def _told(refused: Refused) -> SignInRefused:
    if not refused.told:
        return SignInRefused()
    return RenewThere() if refused.reason in RENEW else ClosedThere()


def _answer(work: Session, ticket: uuid.UUID, answer: str, typed: _TypedThere) -> None:
    claim = claims.made(work, "directory_answer", ticket, answer)
    work.execute(_ANSWER, {"ticket": ticket, "answer": answer, **typed.refusal(), **claim})


def _vouched(person: DirectoryPerson, name: str) -> Vouched:
    """`shown` is the name that was typed: with it the next tries are counted."""
    return Vouched(
        person.subject, _plain(name), person.given_name or "", person.family_name or "", person.email, factor=False
    )


def _places() -> Places:
    found: Places = current_app.extensions["itm_directory_places"]
    return found


@dataclass(frozen=True)
class _TypedThere:
    """A typed name and where it came from, as they are counted."""

    name: str
    pair: bytes
    network: bytes
    digest: bytes
    typed: bytes
    device: bytes

    @classmethod
    def of(cls, code: str, name: str, key: bytes) -> _TypedThere:
        plain, address = name_key(_plain(name)), tenancy.current().address
        there = f"{code}\0{plain}"
        return cls(
            plain,
            throttle.keyed_digest(key, "pair", f"{address or 'none'}\0{there}"),
            throttle.keyed_digest(key, "network", throttle.network_of(address)),
            throttle.keyed_digest(key, "name", there),
            throttle.keyed_digest(key, "typed-name", name.strip()),
            hashlib.sha256(known_devices.secret_here() or b"").digest(),
        )

    def values(self) -> dict[str, Any]:
        return {
            "name": self.name, "pair": self.pair, "counted": self.digest, "device": self.device, **self.refusal()
        }  # fmt: skip

    def refusal(self) -> dict[str, Any]:
        return {"network": self.network, "typed": self.typed}


def _plain(name: str) -> str:
    """Without what no name has, for the database."""
    cleaned = "".join(each for each in unicodedata.normalize("NFKC", name.strip()) if each.isprintable())
    return cleaned[:LONGEST]
