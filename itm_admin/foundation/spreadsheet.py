"""Texts in files for spreadsheet programs.

A program may take a cell's text for a formula, a number, a date or a truth value, and show something else (OWASP, CSV
injection). CSV has no types, so such a text gets a mark: an apostrophe before it. A text that begins with an apostrophe
gets one more, so that the mark can be removed without loss. XLSX has types: there the text is written as it is. This
knows no record.
"""

from __future__ import annotations

import re
import unicodedata

MARK = "'"
_ACTS = frozenset("=+-@|%\u2212")
"""First characters of formulas and of calls to other programs (DDE).

Full-width and small forms are folded into them.
"""
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Invisible characters that Unicode calls letters, marks or symbols."""
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_MONTHS = "(oca|şub|mar|nis|may|haz|tem|ağu|eyl|eki|kas|ara|jan|feb|apr|jun|jul|aug|sep|oct|nov|dec)[a-zşğüöç]*"
_NUMBER = re.compile(r"[\s(]*[₺$€£]?[\s\d.,:/()'’-]*\d[\s\d.,:/()'’-]*(e\s*[+-]?\s*\d+)?\s*([%₺$€£]|tl|am|pm)?[\s)]*")
_DAY = re.compile(rf"(\d+[\s./,-]*)?{_MONTHS}[\s./,-]*\d+|\d+[\s./,-]*{_MONTHS}([\s./,-]*\d+)?")
_TRUTH = frozenset({"true", "false", "doğru", "yanliş"})


def reads_as_more(text: str) -> bool:
    """True if a spreadsheet program may take the text for something else."""
    if not text:
        return False
    if _unseen(text[0]) and text[0] not in " \u00a0":
        return True
    start = next((sign for sign in text if not _unseen(sign)), "")
    plain = unicodedata.normalize("NFKC", text).strip().lower().replace("i\u0307", "i").replace("ı", "i")
    return (
        unicodedata.normalize("NFKC", start)[:1] in _ACTS
        or bool(_NUMBER.fullmatch(plain) or _DAY.fullmatch(plain))
        or plain in _TRUTH
    )


def marked(text: str) -> str:
    """The text for a cell of a CSV file."""
    return MARK + text if text.startswith(MARK) or reads_as_more(text) else text


def unmarked(cell: str) -> str:
    """The text of a cell that `marked` has written."""
    return cell.removeprefix(MARK)


def _unseen(sign: str) -> bool:
    return unicodedata.category(sign) in _UNSEEN or sign in _BLANK or "\ufe00" <= sign <= "\ufe0f"
