"""Texts of this area in both languages. An area of the product writes `_l(…)` and has its Turkish in messages.po."""

from __future__ import annotations

from flask_babel.speaklater import LazyString

from itm_admin.foundation.i18n import language


def said(turkish: str, english: str) -> LazyString:
    return LazyString(lambda: turkish if language() == "tr" else english)
