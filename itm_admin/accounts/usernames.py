"""User names: `jgk.ayse.yilmaz`. The institution's code leads, so no institution can probe another's names."""

from __future__ import annotations

import re

from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.name_folding import name_key

LONGEST = 80
_FORM = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


def plain(text: str) -> str:
    """The lower-case ASCII letters and digits of a text: İpek Şahin → ipeksahin."""
    return "".join(letter for letter in name_key(text) if letter.isascii() and letter.isalnum())


def typed(text: str) -> str | None:
    """The sign-in's input as a user name, from any keyboard; None if it cannot be one (and may be a password)."""
    if len(text) > 4 * LONGEST:
        return None
    name = name_key(text)
    return name if len(name) <= LONGEST and _FORM.fullmatch(name) else None


def propose(code: str, first_name: str, last_name: str) -> str:
    """The name for a new account. Raises Invalid if nothing of the person's name can be written in ASCII."""
    parts = ["_".join(filter(None, map(plain, name.split()))) for name in (first_name, last_name)]
    if not all(parts):
        raise Invalid({"username": _l("Enter a user name: none can be made from this person's name.")})
    return check(code, ".".join((code.lower(), *parts))[:LONGEST].rstrip("._"))


def check(code: str, username: str) -> str:
    """The user name. Raises Invalid unless it has the form and begins with the institution's code."""
    if typed(username) != username or not username.startswith(f"{code.lower()}."):
        form = f"{code.lower()}.ad.soyad"
        raise Invalid({"username": _l("A user name looks like %(form)s: small letters, digits, dots.", form=form)})
    return username
