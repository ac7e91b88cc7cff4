"""One person changes a case through the ORM, with capture and without it, beside what others' audit packages cost.

"Without" is the same database, code and settings with the table's capture trigger taken away, as its superuser.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial

from sqlalchemy import text

from itm_admin.cases.models import Case
from tests.benchmarks import others
from tests.benchmarks.figures import Figure, Scale
from tests.benchmarks.place import Place
from tests.benchmarks.taking import in_turn
from tests.conftest import Database
from tests.factories import Factory, Somebody

UPDATES = 4
"""In one turn, each a transaction: load, change one column, commit."""
PROVINCES = ("TR-06", "TR-34")


class Work:
    """A case of one institution and the focal point who changes it."""

    def __init__(self, database: Database, captured: bool = True) -> None:
        self.make = Factory(database)
        self.who: Somebody = self.make.focal_point()
        self.case: uuid.UUID = self.make.case(self.who).id
        self._done = 0
        if not captured:
            without_capture(self.make)

    def change(self, updates: int) -> None:
        for _ in range(updates):
            self._done += 1
            with self.make.working(self.who) as session:
                case = session.get_one(Case, self.case)
                case.province = PROVINCES[self._done % 2]


def without_capture(make: Factory) -> None:
    with make.superuser() as superuser:
        superuser.execute(text("DROP TRIGGER audit_capture ON case_file"))


def measure(place: Place, scale: Scale) -> Sequence[Figure]:
    captured, plain = Work(place.database()), Work(place.database(), captured=False)
    updates, turns = max(1, int(UPDATES * scale)), max(2, int(250 * scale))
    work = {"captured": partial(captured.change, updates), "plain": partial(plain.change, updates)}
    taken = in_turn(turns, work, warm_up=max(1, int(20 * scale)))
    beside = {f"{name}, audited over unaudited": ratio for name, ratio in others.ratios(place, updates, turns).items()}
    beside["ms a captured update"] = taken.median("captured") / updates * 1000
    beside["ms the same without capture"] = taken.median("plain") / updates * 1000
    ratio = taken.ratio("captured", "plain")
    return [Figure("one audited update over the same without capture", ratio, least=0.80, beside=beside)]
