"""The estimate of the time left."""

from __future__ import annotations

from itm_admin.ledger.time_left import Pace


def test_how_much_longer_it_takes_is_told_from_the_pace_of_late() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    assert pace.left(5_000, 10_000) is None, "what was done before says nothing"
    now[0] += 10
    assert pace.left(6_000, 10_000) == 40
    now[0] += 25
    assert pace.left(6_100, 10_000) == 125, "35 seconds for 1,100"
    now[0] += 30
    assert pace.left(9_100, 10_000) == 9, "only what is not long ago counts"
    assert pace.left(9_100, 10_000) == 9, "no time has passed"
    assert pace.left(10, 10_000) is None, "something else has begun"
