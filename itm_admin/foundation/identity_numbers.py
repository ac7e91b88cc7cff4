"""Identity numbers of Türkiye, passports and telephone numbers: their form and their check digits.

Only the form is checked: the population register alone knows if a number was ever issued. Source of the check digits:
the population directorate shares the algorithm with institutions (tckimlik.nvi.gov.tr); these were compared with
python-stdnum, `stdnum.tr.tckimlik`.
"""

from __future__ import annotations

import re

from itm_admin.foundation.name_folding import ascii_digits, digits, document_number

_PASSPORT = re.compile(r"[A-Z0-9]{5,20}")
_PHONE = re.compile(r"\+?[\d\s().\-/]+")
_FOREIGNER = "99"


def tckn(text: str) -> str | None:
    """The number of a citizen (T.C. kimlik numarası): 11 digits, the first not 0; None if it is not one.

    99 opens the numbers of foreigners, so such a number is refused here and belongs in the other field.
    """
    number = _national_number(text)
    return None if number is None or number.startswith(_FOREIGNER) else number


def ykn(text: str) -> str | None:
    """The number of a foreigner (yabancı kimlik numarası): the same check digits, 99 first (Law 5490 art. 8)."""
    number = _national_number(text)
    return number if number is not None and number.startswith(_FOREIGNER) else None


def with_check_digits(first_nine: str) -> str:
    """Eleven digits from nine: the tenth is (7 × odd places − even places) mod 10, the eleventh the sum mod 10."""
    values = [int(sign) for sign in first_nine]
    tenth = (7 * sum(values[0::2]) - sum(values[1::2])) % 10
    return f"{first_nine}{tenth}{(sum(values) + tenth) % 10}"


def _national_number(text: str) -> str | None:
    number = "".join(ascii_digits(text).split())
    if not re.fullmatch(r"[1-9][0-9]{10}", number):
        return None
    return number if with_check_digits(number[:9]) == number else None


def seems_mistyped(text: str) -> bool:
    """True for digits that look like an identity number with an error; not for what may be a telephone number."""
    number = "".join(ascii_digits(text).split())
    if not re.fullmatch(r"[1-9][0-9]{9,11}", number) or _national_number(number):
        return False
    return not re.fullmatch(r"5[0-9]{9}|90[0-9]{10}", number)


def passport_number(text: str) -> str | None:
    """Capital letters and digits, 5 to 20 of them, at least one a digit (ICAO Doc 9303 allows any issuer's form)."""
    number = document_number(text)
    return number if _PASSPORT.fullmatch(number) and any(sign.isdigit() for sign in number) else None


def phone_number(text: str) -> str | None:
    """The number with its country (+905321234567; E.164, 8 to 15 digits). Without a country it is Turkish."""
    typed = ascii_digits(text).strip()
    if not _PHONE.fullmatch(typed):
        return None
    number = digits(typed)
    if not typed.startswith("+"):
        if number.startswith("00"):
            number = number[2:]
        elif re.fullmatch(r"0?[2-5][0-9]{9}", number):
            number = "90" + number.removeprefix("0")
        elif not re.fullmatch(r"90[2-5][0-9]{9}", number):
            return None
    return f"+{number}" if re.fullmatch(r"[1-9][0-9]{7,14}", number) else None
