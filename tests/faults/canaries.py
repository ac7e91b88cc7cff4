"""Values that can be recognised wherever they turn up: one for each personal field and each box to type in."""

from __future__ import annotations

from urllib.parse import quote

from itm_admin.foundation.identity_numbers import with_check_digits

PERSON = {
    "given_name": "Kanaryaad",
    "family_name": "Kanaryasoyad",
    "birth_date": "1987-03-14",
    "tckn": with_check_digits("314159265"),
    "ykn": with_check_digits("992718281"),
    "passport": "KNR7182818",
    "phone": "+905327182845",
    "email": "kanarya.posta@example.invalid",
    "address": "Kanaryaadres",
    "guardian": "Kanaryavasi",
}
NARRATIVE, CLOSING, HEALTH = "Kanaryaanlati", "Kanaryakapanis", "Kanaryasaglik"
STORED = (*PERSON.values(), "14.03.1987", "5327182845", NARRATIVE, CLOSING, HEALTH)
"""The stored values, in every form in which a page might write them."""


def typed(place: str) -> str:
    """A value that is typed into one place and stored nowhere."""
    return f"kanaryayazilan{place}"


def found_in(content: str | bytes) -> list[str]:
    """The canaries in a text, in any case, also written for an address or as the database writes bytes."""
    plain = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    low = plain.lower()
    written = {value: {value.lower(), quote(value, safe="").lower(), value.encode().hex()} for value in STORED}
    found = [value for value, forms in written.items() if any(form in low for form in forms)]
    for mark in ("kanaryayazilan", b"kanaryayazilan".hex()):
        start = low.find(mark)
        if start >= 0:
            found.append(low[max(0, start - 60) : start + 60])
    return found
