"""A page that lists cases: what its entry in the ledger costs, and whether it stays as fast with many cases.

Requests go through the whole application, without a network. "Off" leaves out what publishes the entry.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import text

from itm_admin.foundation import audited_reads
from tests.benchmarks.figures import Figure, Scale
from tests.benchmarks.place import Place
from tests.benchmarks.taking import in_turn
from tests.panel.panel_app import Browser, RunningPanel

MANY, FEW = 100_000, 1_000
REQUESTS = 3
PATH = "/cases/"
_COPIES = """
INSERT INTO case_file (institution_id, unit_id, reference, status, opened_on, province, referral_source,
                       exploitation_types, confidentiality, shared, lead_institution_id, sensitivity)
SELECT c.institution_id, c.unit_id, 'ITM-2025-' || lpad(n::text, 6, '0'), c.status, date '2026-02-28' - (n % 700),
       (ARRAY['TR-06', 'TR-34', 'TR-35', 'TR-27'])[1 + n % 4], c.referral_source, c.exploitation_types,
       c.confidentiality, c.shared, c.lead_institution_id, c.sensitivity
FROM case_file c, generate_series(1, :copies) n WHERE c.id = :id
"""


class Office:
    """A panel whose institution has so many cases, and a focal point who has signed in to it."""

    def __init__(self, place: Place, home: Path, cases: int) -> None:
        self.panel = RunningPanel(place.database(), home)
        make = self.panel.make
        who = make.focal_point()
        case = make.case(who)
        with make.superuser() as superuser:
            superuser.execute(text("INSERT INTO itm.installation (synthetic) VALUES (true)"))
            superuser.execute(text("SET LOCAL session_replication_role = replica"))
            superuser.execute(text("ALTER TABLE case_file DISABLE TRIGGER audit_capture"))
            superuser.execute(text(_COPIES), {"copies": cases - 1, "id": case.id})
            superuser.execute(text("ALTER TABLE case_file ENABLE ALWAYS TRIGGER audit_capture"))
        with make.superuser() as superuser:
            superuser.execute(text("ANALYZE"))
        self.browser: Browser = self.panel.browser(who)

    def look(self, requests: int) -> None:
        for _ in range(requests):
            answer = self.browser.get(PATH)
            if answer.status_code != 200:
                raise AssertionError(answer.status_code)

    def look_unrecorded(self, requests: int) -> None:
        with _unrecorded(self.panel):
            self.look(requests)


@contextmanager
def _unrecorded(panel: RunningPanel) -> Iterator[None]:
    functions = panel.app.after_request_funcs[None]
    kept = list(functions)
    functions.remove(audited_reads._publish)
    try:
        yield
    finally:
        functions[:] = kept


def measure(place: Place, scale: Scale) -> Sequence[Figure]:
    requests, turns = max(1, int(REQUESTS * scale)), max(2, int(80 * scale))
    many_cases, few_cases = max(60, int(MANY * scale)), max(40, int(FEW * scale))
    with tempfile.TemporaryDirectory() as folder:
        many = Office(place, Path(folder) / "many", many_cases)
        few = Office(place, Path(folder) / "few", few_cases)
        work = {
            "few": partial(few.look, requests),
            "unrecorded": partial(few.look_unrecorded, requests),
            "many": partial(many.look, requests),
        }
        taken = in_turn(turns, work, warm_up=max(1, int(10 * scale)))
    milliseconds = {f"ms a page, {name}": taken.median(name) / requests * 1000 for name in work}
    return [
        Figure(
            "extra time of a list page for its entry in the ledger", taken.ratio("unrecorded", "few") - 1,
            most=0.15, beside=milliseconds,
        ),
        Figure(
            f"list page at {many_cases:,} cases over {few_cases:,}", taken.median("many") / taken.median("few"),
            most=1.3,
        ),
    ]  # fmt: skip
