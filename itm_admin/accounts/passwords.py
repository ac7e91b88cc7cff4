"""Passwords: kept, proved and judged.

Kept as the SHA-256 of an argon2id digest (OWASP: 19 MiB, two passes, one lane) with its parameters and salt. This
process computes the slow digest, the proof, and the database compares: what is kept is read nowhere. Those of scrypt,
of before, count until the next sign-in. Judged by NIST SP 800-63B-4: length, and not easily guessed; no rules of
composition, no expiry. A comparison costs the same with and without a password.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NoReturn

from argon2 import PasswordHasher, low_level
from flask_babel import lazy_gettext as _l

from itm_admin.accounts.password_strength import guesses
from itm_admin.accounts.usernames import plain
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.name_folding import name_key
from itm_admin.foundation.turkish import turkish_lower

SHORTEST, LONGEST = 12, 128
FEWEST_GUESSES, OF_A_PHRASE = 1e10, 1e8
"""As many as nobody tries who meets the limits of signing in. Three words and more, with spaces, are in no list of
guesses as a whole, and people are asked for them."""
REMEMBERED = 5
"""The passwords of before that are not taken again (0014/10_passwords.sql keeps as many)."""
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_KEPT, _OLD = "$argon2id-sha256$", "scrypt-sha256:"
_OLD_SALT = "scrypt-sha256:32768:8:1$zSNqgPVUm3zoyUxL"
_ABROAD = str.maketrans({"ş": "sh", "ç": "ch", "ö": "oe", "ü": "ue", "ğ": "gh", "ı": "y"})
MOST_OWN_WORDS = 24


def parameters() -> str:
    """Today's, as they are stored before the salt."""
    return f"{_KEPT}v={low_level.ARGON2_VERSION}$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"


def digest_of(password: str) -> str:
    """The kept form of a new password."""
    salt = f"{parameters()}${_plain64(secrets.token_bytes(HASHER.salt_len))}"
    return f"{salt}${hashlib.sha256(_slow(salt, _normal(password))).hexdigest()}"


def proof(salt: str, password: str) -> bytes:
    """The slow digest of a typed password, of which the database knows the SHA-256. `salt`: parameters and salt."""
    try:
        typed = _normal(password)
    except ValueError:  # lone surrogates, or longer than any stored one
        typed = ""
    return _slow(salt, typed)


def matches(stored: str, password: str) -> bool:
    """True if `password` is the one of which this is stored."""
    salt, _, digest = stored.rpartition("$")
    return secrets.compare_digest(hashlib.sha256(proof(salt, password)).hexdigest(), digest)


def take_as_long(salt: str) -> None:
    """The work of the other kind of digest, while digests of before are stored: time tells nobody's kind."""
    _slow(f"{parameters()}${_plain64(bytes(16))}" if salt.startswith(_OLD) else _OLD_SALT, "")


def is_outdated(salt: str) -> bool:
    """True under other parameters than today's: kept anew when the password is known."""
    return not salt.startswith(f"{parameters()}$")


def _slow(salt: str, typed: str) -> bytes:
    if salt.startswith(_OLD):
        names, _, salted = salt.removeprefix(_OLD).partition("$")
        n, r, p = map(int, names.split(":"))
        return hashlib.scrypt(typed.encode(), salt=salted.encode(), n=n, r=r, p=p, maxmem=132 * n * r * p)
    _empty, _kind, version, costs, salted = salt.split("$")
    cost = {name: int(value) for name, value in (each.split("=") for each in costs.split(","))}
    return low_level.hash_secret_raw(
        typed.encode(),
        base64.b64decode(salted + "=" * (-len(salted) % 4)),
        time_cost=cost["t"],
        memory_cost=cost["m"],
        parallelism=cost["p"],
        hash_len=HASHER.hash_len,
        type=low_level.Type.ID,
        version=int(version.removeprefix("v=")),
    )


def _plain64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii").rstrip("=")


def require_good(password: str, username: str, names: Iterable[str] = (), field: str = "password") -> None:
    """Raises Invalid under `field` if the password is too short, too long or easily guessed.

    `names`: those of the person and of the institution.
    """
    fault = _fault(password, username, names)
    if fault is not None:
        raise Invalid({field: _FAULTS[fault]})


def refuse_former(field: str = "password") -> NoReturn:
    """Raises Invalid: the account had this password before."""
    raise Invalid({field: _FAULTS["former"]})


_FAULTS: Mapping[str, Message] = {
    "unfit": _l("This password is too long or holds a character that cannot be stored."),
    "short": _l("A password has at least 12 characters."),
    "own": _l("The password must not be made of your user name, your name or your institution's."),
    "former": _l("You had this password before. Choose a new one."),
    "guessed": _l("This password is one of those that are guessed first. Four unrelated words are better."),
}


def _fault(password: str, username: str, names: Iterable[str]) -> str | None:
    try:
        normal = _normal(password)
    except ValueError:
        return "unfit"
    if len(normal) < SHORTEST:
        return "short"
    letters = plain(normal)
    if plain(username) in letters:
        return "own"
    if len(set(name_key(normal))) < 5 or (normal.isascii() and letters.isdigit()):
        return "guessed"
    own = _own_words(username, names)
    about_them = any(word in letters for word in own)
    if guesses(normal, own) >= (OF_A_PHRASE if len(normal.split()) >= 3 and not about_them else FEWEST_GUESSES):
        return None
    return "own" if about_them else "guessed"


def _own_words(username: str, names: Iterable[str]) -> list[str]:
    """The words that somebody who knows the person tries first, in their spellings, alone and two joined."""
    texts = [text for name in (username, *names) for text in (name, turkish_lower(name).translate(_ABROAD))]
    parts = (plain(part) for text in texts for part in re.split(r"[\W_]+", text))
    words = list(dict.fromkeys(part for part in parts if len(part) > 1))[:MOST_OWN_WORDS]
    joined = (one + other for one in words for other in words if one != other)
    return [word for word in dict.fromkeys((*words, *joined)) if len(word) >= 3]


def _normal(password: str) -> str:
    """NFKC, so that two keyboards give one password. Raises ValueError if UTF-8 or the length forbids it."""
    normal = unicodedata.normalize("NFKC", password)
    normal.encode("utf-8")  # UnicodeEncodeError is a ValueError
    if len(normal) > LONGEST:
        raise ValueError("too long")
    return normal
