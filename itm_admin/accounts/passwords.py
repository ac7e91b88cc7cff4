"""Passwords: stored, compared and judged.

Stored as scrypt digests only. Judged by NIST SP 800-63B-4: length, and not easily guessed; no rules of composition, no
expiry. A comparison costs the same with and without a stored password.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping

from flask_babel import lazy_gettext as _l
from werkzeug.security import check_password_hash, generate_password_hash

from itm_admin.accounts.usernames import plain
from itm_admin.foundation.errors import Invalid, Message

SHORTEST, LONGEST = 12, 128
METHOD = "scrypt:32768:8:1"

# The digest of a random password that nobody knows: compared if there is no account.
_NOBODYS = (
    "scrypt:32768:8:1$zSNqgPVUm3zoyUxL$"
    "36509ed648c57fcf27401dc10070623390d018b8499f3ac1bf1b42f76d96992f"
    "7e77f746a0e67249a0de40733ad2608724afe5d9b82a6c8be233fb69de08175f"
)

# The first guesses among passwords of twelve letters and more: words of this list with digits or signs behind them,
# alone or repeated.
_GUESSED_FIRST = frozenset(
    "password passwort parola sifre sifrem yenisifre gizlisifre qwerty qwertyuiop qwertyuiopas asdfghjkl asdfghjklsi "
    "zxcvbnm letmein welcome administrator admin yonetici kullanici changeme iloveyou seniseviyorum trustno sunshine "
    "princess football baseball superman batman starwars dragon monkey master hello login google facebook instagram "
    "galatasaray fenerbahce besiktas trabzonspor bursaspor ankaragucu istanbul ankara izmir turkiye turkey ataturk "
    "mustafakemal cumhuriyet bismillah allah allahuekber insallah masallah anneannem canimannem annem babam askim "
    "bebegim canim jandarma emniyet polis gocidaresi gocidaresibaskanligi insanticareti itmpanel ministry goc itm "
    "correcthorsebatterystaple".split()
)


def digest_of(password: str) -> str:
    """The digest to store."""
    return generate_password_hash(_normal(password), method=METHOD)


def matches(stored: str | None, password: str) -> bool:
    """True if `password` is the stored one. Without a stored one: the same work, and False."""
    try:
        typed = _normal(password)
    except ValueError:  # lone surrogates, or longer than any stored one
        typed = ""
    right = check_password_hash(stored or _NOBODYS, typed)
    return right and stored is not None


def require_good(password: str, username: str, names: tuple[str, ...] = (), field: str = "password") -> None:
    """Raises Invalid under `field` if the password is too short, too long, or easily guessed."""
    fault = _fault(password, username, names)
    if fault is not None:
        raise Invalid({field: _FAULTS[fault]})


_FAULTS: Mapping[str, Message] = {
    "unfit": _l("This password is too long or holds a character that cannot be stored."),
    "short": _l("A password has at least 12 characters."),
    "own": _l("The password must not hold your user name or your name."),
    "guessed": _l("This password is one of those that are guessed first. Three or four unrelated words are better."),
}


def _fault(password: str, username: str, names: tuple[str, ...]) -> str | None:
    try:
        normal = _normal(password)
    except ValueError:
        return "unfit"
    if len(normal) < SHORTEST:
        return "short"
    if _is_about(normal, username, names):
        return "own"
    if _guessed_first(normal):
        return "guessed"
    return None


def _is_about(password: str, username: str, names: tuple[str, ...]) -> bool:
    letters = plain(password)
    own = {plain(username), *(plain(part) for part in (*username.split("."), *names))}
    whole = plain(username)
    if whole in letters:
        return True
    rest = letters
    for word in sorted((word for word in own if len(word) >= 3), key=len, reverse=True):
        rest = rest.replace(word, "")
    return len(rest) < len(letters) and len(rest) < SHORTEST // 2


def _guessed_first(password: str) -> bool:
    if len(set(password)) < 5 or _runs(password):
        return True
    letters = "".join(letter for letter in plain(password) if letter.isalpha())
    half = letters[: len(letters) // 2]
    return (
        letters in _GUESSED_FIRST
        or (half * 2 == letters and half in _GUESSED_FIRST)
        or (password.isascii() and not letters)
    )


def _runs(password: str) -> bool:
    """True if all steps are one or none: 123456789012, abcdefghijkl, and their reverses."""
    steps = [ord(after) - ord(before) for before, after in itertools.pairwise(password)]
    return sum(abs(step) <= 1 for step in steps) >= len(steps) - 2


def _normal(password: str) -> str:
    """NFKC, so that two keyboards give one password. Raises ValueError if UTF-8 or the length forbids it."""
    normal = unicodedata.normalize("NFKC", password)
    normal.encode("utf-8")  # UnicodeEncodeError is a ValueError
    if len(normal) > LONGEST:
        raise ValueError("too long")
    return normal
