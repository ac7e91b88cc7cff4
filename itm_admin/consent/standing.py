"""The standing of an answer on a day: given and live, over, withdrawn, or never given. Knows no database."""

from __future__ import annotations

from datetime import date

from flask_babel import gettext as _

from itm_admin.foundation import vocabulary
from itm_admin.foundation.formats import label
from itm_admin.foundation.list_parts import Cell
from itm_admin.record.checks import today

GIVEN, EXPIRED = "GIVEN", "EXPIRED"
RECORDED, WITHDRAWN = "recorded", "withdrawn"
_TONES = {GIVEN: "good", "REFUSED": "neutral", "WITHDRAWN": "warn", EXPIRED: "warn", "NOT_ABLE": "warn"}


class ConsentStanding(str):
    """The words, with a tone for a badge."""

    tone: str = "neutral"

    @classmethod
    def of(cls, code: str) -> ConsentStanding:
        made = cls(words(code))
        made.tone = _TONES.get(code, "neutral")
        return made


def words(code: str) -> str:
    return str(_("Over")) if code == EXPIRED else label(code, "consent_answer")


def choices() -> list[tuple[str, str]]:
    """(code, words) of each standing, for a filter."""
    codes = (*vocabulary.codes("consent_answer"), EXPIRED)
    return [(code, words(code)) for code in codes]


def standing_of(answer: str, state: str, given_on: date, expires_on: date | None) -> ConsentStanding:
    if answer != GIVEN:
        return ConsentStanding.of(answer)
    if state == WITHDRAWN:
        return ConsentStanding.of("WITHDRAWN")
    return ConsentStanding.of(EXPIRED if expires_on is not None and expires_on < today() else GIVEN)


def badge(standing: ConsentStanding) -> Cell:
    return Cell("badge", str(standing), standing.tone)
