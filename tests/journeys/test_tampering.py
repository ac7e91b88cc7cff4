"""A change that the database's superuser makes past the panel is named by the command, by the next scheduled
run, and by an alert on the auditor's page."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import Connection, text

from audit.leaf import leaf_hash
from tests.journeys.cast import FOCAL, NATIONAL, SUPERVISOR, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House
from tests.panel.assurance_world import until

_LEAF = "from audit.leaf f join audit.ledger l on l.id = f.ledger_id where l.code = :code"


@pytest.fixture(scope="module")
def own_cast(own_panel: Panel) -> Cast:
    """People of two institutions, whose work stands in their ledgers."""
    cast = Cast(own_panel)
    for code in ("JGK", "ASHB"):
        focal = cast.of(FOCAL, code)
        own_panel.make.person(focal, own_panel.make.case(focal))
    return cast


@pytest.fixture(scope="module")
def altered(own_panel: Panel, own_cast: Cast) -> dict[str, int]:
    """The entry at which each ledger was changed, and by which it is found."""
    assert own_panel.itm("ledger", "verify").returncode == 0
    with own_panel.make.superuser() as connection:
        return {"JGK": edit_an_event(connection, "JGK"), "ASHB": forge_a_leaf(connection, "ASHB")}


@pytest.fixture(scope="module")
def told(own_panel: Panel, altered: dict[str, int]) -> dict[str, tuple[str, int | None]]:
    """Verdict and first broken entry by the command; then a night has passed."""
    said = own_panel.itm("ledger", "verify", "--json")
    assert said.returncode == 1, said.stderr
    the_next_night_comes(own_panel, list(altered))
    return {row["institution"]: (row["verdict"], row["first_broken"]) for row in json.loads(said.stdout)}


@pytest.mark.parametrize(
    "code",
    [pytest.param("JGK", id="an old event that is edited"), pytest.param("ASHB", id="a leaf with a recomputed hash")],
)
def test_what_was_changed_is_named_by_the_command_the_next_run_and_an_alert(
    code: str,
    own_house: House,
    own_panel: Panel,
    own_cast: Cast,
    altered: dict[str, int],
    told: dict[str, tuple[str, int | None]],
) -> None:
    assert told[code] == ("tampered", altered[code])
    assert told["GIB"] == ("intact", None)
    is_found(own_house, own_panel, own_cast, code, altered[code])


def edit_an_event(connection: Connection, code: str) -> int:
    """The province of the case's first entry is another one now."""
    connection.execute(text("alter table audit.event disable trigger append_only"))
    seq: int = connection.scalars(
        text(
            "update audit.event set content = replace(content, 'TR-06', 'TR-34') where id ="
            f" (select f.event_id {_LEAF} and exists (select from audit.event e where e.id = f.event_id"
            " and e.content like '%TR-06%') order by f.seq limit 1)"
            " returning (select seq from audit.leaf where event_id = audit.event.id)"
        ),
        {"code": code},
    ).one()
    connection.execute(text("alter table audit.event enable always trigger append_only"))
    return seq


def forge_a_leaf(connection: Connection, code: str) -> int:
    """An old entry says another time, with the hash that belongs to it. Its successor gives it away."""
    connection.execute(text("alter table audit.leaf disable trigger append_only"))
    leaf = connection.execute(text(f"select f.*, l.origin {_LEAF} and f.seq = 3"), {"code": code}).one()
    before = connection.scalars(text(f"select f.recorded_at {_LEAF} and f.seq = 2"), {"code": code}).one()
    connection.execute(
        text("update audit.leaf set recorded_at = :at, hash = :hash where ledger_id = :ledger and seq = :seq"),
        {
            "at": before, "ledger": leaf.ledger_id, "seq": leaf.seq,
            "hash": leaf_hash(leaf.origin, leaf.seq, before, bytes(leaf.prev), bytes(leaf.commitment)),
        },
    )  # fmt: skip
    connection.execute(text("alter table audit.leaf enable always trigger append_only"))
    return int(leaf.seq) + 1


def is_found(house: House, panel: Panel, cast: Cast, code: str, seq: int) -> None:
    spoken = panel.itm("ledger", "verify", "--institution", code)
    assert spoken.returncode == 1
    assert re.search(rf"{code} .*tampered.*\n\s+first broken: {seq}\n", spoken.stdout)

    words = f"{cast.called(code)} denetim defteri değiştirilmiş. Bozulan ilk satırın sıra numarası: {seq}."
    auditor = house.visitor(cast.of(NATIONAL))
    for path in ("/", "/ledgers/", "/profile"):
        strip = auditor.open(path).page.get_by_role("region", name="Uyarılar")
        assert words in strip.inner_text()
    auditor.open("/").follow(cast.called(code).partition(" (")[0]).says(f"{seq}")
    auditor.open("/verification/").says(f"Bozulan ilk satır: {seq}")
    presidency = house.visitor(cast.of(SUPERVISOR))
    assert words in presidency.page.get_by_role("region", name="Uyarılar").inner_text()
    presidency.follow(words, presidency.page.locator(".alerts"))
    focal = house.visitor(cast.of(FOCAL, "JGK"))
    assert focal.page.locator(".alerts").count() == 0


def the_next_night_comes(panel: Panel, codes: list[str]) -> None:
    """The scheduler begins with the latest slot of each job; nobody has claimed one since the night came."""
    with panel.make.superuser() as connection:
        connection.execute(text("delete from job_run"))
    with panel.scheduling():
        raised = "select from alert where kind = 'ledger.tampered' and subject = any(:codes)"
        until(lambda: len(panel.ask(raised, codes=codes)) == len(codes), "the alerts")
        until(
            lambda: panel.ask(
                "select from job_run where outcome = 'success' and job like 'ledger.verify.%' having count(*) = 4"
            ),
            "all four runs",
        )
