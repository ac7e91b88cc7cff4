"""Recovery codes: ten, shown once, each good for one sign-in. A new set replaces the old one.

A code has 120 random bits (OWASP ASVS 5.0, 6.5.2), so that its plain SHA-256 tells nothing about it.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
import uuid

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from itm_admin.accounts.factor_rows import RecoveryCodes

COUNT = 10
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"
"""Crockford's base32: no I, L, O and U."""
_GROUPS, _LENGTH = 6, 4
_READ_AS = str.maketrans("ILOİ", "1101")
_USE = text("select itm.use_recovery_code(:digest)")


def renew(session: Session, account: uuid.UUID, institution: uuid.UUID) -> list[str]:
    """Ten new codes, to be shown once. The former ones are void."""
    codes = [_new() for _ in range(COUNT)]
    values = {"digests": [_digest(code) for code in codes], "made_at": func.now()}
    session.execute(
        insert(RecoveryCodes)
        .values(account_id=account, institution_id=institution, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
    return codes


def use(session: Session, typed: str) -> bool:
    """True if this is a code of the person at work that was not used yet: it is used now, in one statement."""
    code = written(typed)
    if len(code) != _GROUPS * _LENGTH:
        return False
    return bool(session.scalar(_USE, {"digest": _digest(code)}))


def left(session: Session, account: uuid.UUID) -> int:
    """The number of unused codes."""
    statement = select(func.cardinality(RecoveryCodes.digests)).where(RecoveryCodes.account_id == account)
    return session.scalar(statement) or 0


def written(typed: str) -> str:
    """The code as it was meant: capitals without spaces and lines; letters that look like digits are read as those."""
    plain = unicodedata.normalize("NFKC", typed).replace("i", "1").replace("ı", "1").upper()
    return "".join(letter for letter in plain.translate(_READ_AS) if letter in _LETTERS)


def _new() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_GROUPS * _LENGTH))
    return "-".join(letters[at : at + _LENGTH] for at in range(0, len(letters), _LENGTH))


def _digest(code: str) -> bytes:
    return hashlib.sha256(b"itm/recovery-code/v1\0" + written(code).encode()).digest()
