"""The second factors of an account: set up, used, renamed and removed by their person alone.

A wrong code delays the next one, longer each time; a passkey is never delayed, since nobody guesses it. The database
keeps the rules (0014/30, 0016/11): a code works once, the last factor stays, and the owner is told of each change.
Takes the session in the account's own scope (`own_context()`). Flushes, never commits.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel import lazy_ngettext
from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from itm_admin.accounts import recovery_codes, totp
from itm_admin.accounts.factor_rows import NAME_LENGTH, SecondFactor
from itm_admin.foundation import claims
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import Invalid, Message, NotFound, TooMany

MOST = 10
FREE_TRIES = 5
"""Wrong codes in a row before the next one has to wait, as 0016/11_factors.sql counts them."""
_CODE_WAIT = text("select itm.code_wait()")
_CODE_WAS_WRONG = text("select itm.code_was_wrong()")
_SHOWN = text("select itm.factor_shown(:factor, :step, :signs, :at, :mac)")
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('itm factors of ' || cast(:account as text), 0))")


@dataclass(frozen=True)
class FactorOwner:
    """The account that sets up or uses a factor."""

    id: uuid.UUID
    institution: uuid.UUID
    username: str


@dataclass(frozen=True)
class ShownFactor:
    """A factor that was shown: `method` is totp, passkey or recovery."""

    method: str
    factor: uuid.UUID | None = None


class WrongCode(Invalid):
    """The code is none of this account's, or was used before (`wait`: seconds until the next one)."""

    code = "wrong_code"

    def __init__(self, message: Message, wait: int = 0) -> None:
        super().__init__({"code": message})
        self.wait = wait


WRONG = _l("This code is not correct.")


class Delayed(TooMany):
    """Too many wrong codes: the next one has to wait. `retry_after` says how long."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        words = lazy_ngettext(
            "Too many wrong codes. Wait %(num)s minute, then try again.",
            "Too many wrong codes. Wait %(num)s minutes, then try again.",
            minutes,
        )
        super().__init__(words, retry_after=seconds)


def standing(session: Session, account: uuid.UUID) -> list[SecondFactor]:
    """The factors that count, the oldest first."""
    mine = (*_open(account), SecondFactor.confirmed_at.is_not(None))
    return list(session.scalars(select(SecondFactor).where(*mine).order_by(SecondFactor.created_at, SecondFactor.id)))


def pending(session: Session, account: uuid.UUID) -> SecondFactor | None:
    """The app that is being set up: its first code is still missing."""
    mine = (*_open(account), SecondFactor.confirmed_at.is_(None))
    return session.scalars(select(SecondFactor).where(*mine).order_by(SecondFactor.created_at.desc())).first()


def begin_app(
    session: Session, keyring: Keyring, person: FactorOwner, name: str, secret: str | None = None
) -> SecondFactor:
    """An app with a new secret, which counts after its first code. Drops one that was begun before."""
    named = checked_name(name)
    make_room(session, person.id)
    begun = (*_open(person.id), SecondFactor.confirmed_at.is_(None))
    session.execute(update(SecondFactor).where(*begun).values(ended_at=func.now()))
    keys, id = keyring.of_institution(session), uuid.uuid4()
    hidden = totp.sealed(keys, id, secret or totp.new_secret())
    made = {"id": id, "institution_id": person.institution, "account_id": person.id, "kind": "totp", "name": named}
    session.execute(insert(SecondFactor).values(**made, **hidden))
    return session.get_one(SecondFactor, id)


def secret_of(session: Session, keyring: Keyring, factor: SecondFactor) -> str:
    """The secret of an app that is being set up. NotFound for one that counts: it is never shown again."""
    if factor.kind != "totp" or factor.confirmed_at is not None:
        raise NotFound
    return totp.opened(keyring.of_institution(session), factor)


def confirm_app(session: Session, keyring: Keyring, person: FactorOwner, typed: str) -> SecondFactor:
    """The app counts from now on. Raises WrongCode."""
    factor = pending(session, person.id)
    if factor is None:
        raise NotFound
    step = totp.step_of(totp.opened(keyring.of_institution(session), factor), typed, totp.clock(session))
    if step is None or not shown(session, person.id, factor.id, step=step):
        raise WrongCode(_l("This code is not correct. Check that the clock of your device is right."))
    session.refresh(factor)
    return factor


def codes_if_none(session: Session, person: FactorOwner) -> list[str]:
    """The first recovery codes of an account, which come with its first factor; [] if it has a set."""
    if recovery_codes.left(session, person.id):
        return []
    return recovery_codes.renew(session, person.id, person.institution)


def prove(session: Session, keyring: Keyring, person: FactorOwner, typed: str) -> ShownFactor:
    """The proof that a code gives: of any of the apps, or a recovery code.

    Raises WrongCode or Delayed; the wrong try is counted in this transaction, which has to be committed all the same.
    """
    if blocked := session.scalar(_CODE_WAIT):
        raise Delayed(blocked)
    wait, now = 0, totp.clock(session)
    apps = [each for each in standing(session, person.id) if each.kind == "totp"]
    keys = keyring.of_institution(session) if apps and totp.digits(typed) else None
    for each in apps if keys is not None else ():
        step = totp.step_of(totp.opened(keys, each), typed, now)  # type: ignore[arg-type]
        if step is None:
            continue
        if shown(session, person.id, each.id, step=step):
            return ShownFactor("totp", each.id)
        session.refresh(each)
        wait = max(1, totp.seconds_to_wait(each.last_step, now))
    if wait:
        raise WrongCode(
            lazy_ngettext(
                "This code was used already. Wait for the next one: %(num)s second.",
                "This code was used already. Wait for the next one: %(num)s seconds.",
                wait,
            ),
            wait,
        )
    if recovery_codes.use(session, typed):
        return ShownFactor("recovery")
    session.execute(_CODE_WAS_WRONG)
    raise WrongCode(WRONG)


def rename(session: Session, account: uuid.UUID, id: uuid.UUID, name: str) -> None:
    """Gives a factor another name."""
    mine = _own(session, account, id)
    named = checked_name(name)
    if mine.name != named:
        session.execute(update(SecondFactor).where(SecondFactor.id == mine.id).values(name=named))


def remove(session: Session, account: uuid.UUID, id: uuid.UUID) -> None:
    """Removes a factor. Raises Invalid for the last one."""
    session.execute(_LOCK, {"account": account})
    mine = _own(session, account, id)
    if len(standing(session, account)) == 1:
        raise Invalid({"": _l("The last second factor stays. Add another one, then remove this one.")})
    session.execute(update(SecondFactor).where(SecondFactor.id == mine.id).values(ended_at=func.now()))


def exists(session: Session, account: uuid.UUID) -> bool:
    """True if the account has a factor: asked of any account, by those who see it."""
    return bool(session.scalar(select(func.itm.has_factor(account))))


def checked_name(name: str) -> str:
    """The name of a factor. Raises Invalid under `name`."""
    plain = " ".join(name.split())
    if not plain or len(plain) > NAME_LENGTH or not plain.isprintable():
        raise Invalid({"name": _l("Write a name of at most 60 characters.")})
    return plain


def shown(
    session: Session, account: uuid.UUID, factor: uuid.UUID, *, step: int | None = None, signs: int | None = None
) -> bool:
    """Claims that a code of this step, or a passkey with this count, was right. False: the code was used before."""
    written = ["-" if each is None else each for each in (step, signs)]
    claim = claims.made(session, "factor", account, factor, *written)
    return bool(session.scalar(_SHOWN, {"factor": factor, "step": step, "signs": signs, **claim}))


def make_room(session: Session, account: uuid.UUID) -> None:
    """Locks the account's factors. Raises Invalid if it has as many as an account may have."""
    session.execute(_LOCK, {"account": account})
    if len(standing(session, account)) >= MOST - 1:
        raise Invalid({"": _l("An account has nine second factors at most. Remove one first.")})


def _own(session: Session, account: uuid.UUID, id: uuid.UUID) -> SecondFactor:
    found = session.get(SecondFactor, id, populate_existing=True)
    if found is None or found.account_id != account or found.confirmed_at is None or found.ended_at is not None:
        raise NotFound
    return found


def _open(account: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    return (SecondFactor.account_id == account, SecondFactor.ended_at.is_(None))
