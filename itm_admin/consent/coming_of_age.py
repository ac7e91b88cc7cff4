"""The day until which a consent holds that was given while the person was, or may have been, under 18.

At 18 everything is asked anew. Where only a year, an estimate or nothing is known, the earliest possible day counts: a
consent that ends too soon is asked again, one that lasts too long tells what nobody agreed to. The birth date is sealed
and the last day is not, so it is the end of a month, unless the person comes of age in the month of the answer.
"""

from __future__ import annotations

from datetime import date, timedelta

from itm_admin.record.birth_date import ADULT_AT, BirthDate

UNSURE = timedelta(days=90)
"""So long holds what was given for somebody who may come of age, or have come of age, any day."""
_CHILD_BANDS = frozenset({"0-8", "9-17"})


def last_day(
    born: BirthDate | None, is_child: bool | None, age_band: str, by_guardian: bool, given: date
) -> date | None:
    """The last day of a consent that was given on this day; None for an adult's, which age does not end."""
    if born is None:
        return given + UNSURE if is_child or age_band in _CHILD_BANDS or by_guardian else None
    if born.youngest_age(given) >= ADULT_AT:
        return None
    adult = _years_after(born.earliest, ADULT_AT)
    if adult <= given:
        return given + UNSURE
    month = adult.replace(day=1)
    return (month if month > given else adult) - timedelta(days=1)


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # the 29th of February: the day before the 1st of March is the earlier reading
        return day.replace(year=day.year + years, day=28)
