"""The search box in the header: it accepts a reference or a pseudonym, nothing else.

The box is posted, so that a name typed there is in no address and no log; a name is not searched for.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from flask import redirect
from werkzeug.wrappers import Response

from itm_admin.foundation.views import safe_next_url

_CODE = r"[A-Z][A-Z0-9_]{0,30}"
_FORMS = re.compile(
    rf"ITM-{_CODE}(?:-[0-9]{{4}}(?:-[0-9]{{1,7}})?)?"  # a reference, or its beginning
    rf"|(?:{_CODE}-)?(?:19|20)[0-9]{{2}}-[0-9]{{1,7}}|ITM-(?:19|20)[0-9]{{2}}"  # its end, or a year
    rf"|(?:{_CODE}-)?[A-Z]-[A-Z0-9]{{1,8}}"  # a pseudonym, or its beginning
    r"|(?=[A-Z]*[0-9])[A-Z0-9]{1,6}"  # a part of either: shorter than any identity, passport or telephone number
)
_HAS_NUMBER = re.compile(r"[0-9]|-[A-Z]-[A-Z0-9]{5,}$")
LONGEST = 40


def reference_in(typed: str | None) -> str | None:
    """A reference or pseudonym as stored, or a part of one; None for anything else, so for every name."""
    text = "".join((typed or "").split()).replace("ı", "I").replace("İ", "I").upper()
    if len(text) > LONGEST or not _FORMS.fullmatch(text):
        return None
    return text if _HAS_NUMBER.search(text) else None


def searched_list(back: str, wanted: str) -> Response:
    """Redirects to the former list, searching for a reference or pseudonym: those may be in an address."""
    address = safe_next_url(back)
    return redirect(f"{address}{'&' if '?' in address else '?'}{urlencode({'q': wanted})}", 303)
