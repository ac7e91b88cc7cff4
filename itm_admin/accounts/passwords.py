"""Passwords: stored, compared and judged.

Stored as argon2id digests only (OWASP: 19 MiB, two passes, one lane); scrypt digests of before count until the next
sign-in. Judged by NIST SP 800-63B-4: length, and not easily guessed; no rules of composition, no expiry. A comparison
costs the same with and without a stored password.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_babel import lazy_gettext as _l
from werkzeug.security import check_password_hash

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

# The digest of a random password that nobody knows: compared if there is no account.
_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$+oHPreqMhpW6pnhBDj4MsQ$5bZPqsQNsqdhR2rSvELP5W7NUgUZXceNwuvXbOLUFVw"
_OLD = "scrypt:"
_NOBODYS_OLD = (
    "scrypt:32768:8:1$zSNqgPVUm3zoyUxL$"
    "36509ed648c57fcf27401dc10070623390d018b8499f3ac1bf1b42f76d96992f"
    "7e77f746a0e67249a0de40733ad2608724afe5d9b82a6c8be233fb69de08175f"
)
_ABROAD = str.maketrans({"ş": "sh", "ç": "ch", "ö": "oe", "ü": "ue", "ğ": "gh", "ı": "y"})
MOST_OWN_WORDS = 24


def digest_of(password: str) -> str:
    """The digest to store."""
    return HASHER.hash(_normal(password))


def matches(stored: str | None, password: str) -> bool:
    """True if `password` is the stored one. Without a stored one: the same work, and False."""
    try:
        typed = _normal(password)
    except ValueError:  # lone surrogates, or longer than any stored one
        typed = ""
    right = _compare(stored or _NOBODYS, typed)
    return right and stored is not None


def take_as_long(stored: str | None) -> None:
    """The work of the other kind of digest, while digests of before are stored: time tells nobody's kind."""
    _compare(_NOBODYS if (stored or "").startswith(_OLD) else _NOBODYS_OLD, "")


def is_outdated(stored: str) -> bool:
    """True for a digest with other parameters than today's: to be made anew when the password is known."""
    return stored.startswith(_OLD) or HASHER.check_needs_rehash(stored)


def _compare(stored: str, typed: str) -> bool:
    if stored.startswith(_OLD):
        return check_password_hash(stored, typed)
    try:
        return HASHER.verify(stored, typed)
    except (VerificationError, InvalidHashError):
        return False


def require_good(
    password: str, username: str, names: Iterable[str] = (), former: Iterable[str] = (), field: str = "password"
) -> None:
    """Raises Invalid under `field` if the password is too short, too long, easily guessed, or one of `former`.

    `names`: those of the person and of the institution; `former`: digests of the passwords of before.
    """
    fault = _fault(password, username, names)
    if fault is None and any(matches(digest, password) for digest in former):
        fault = "former"
    if fault is not None:
        raise Invalid({field: _FAULTS[fault]})


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
