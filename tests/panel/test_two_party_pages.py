"""Pages and interface of a record with two sides: each institution sees its own, an act changes both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.panel.handover_panel import API, NOTE, World, with_handovers
from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database


@pytest.fixture(scope="module")
def world(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with with_handovers(shared_database):
        yield World(RunningPanel(shared_database, tmp_path_factory.mktemp("panel")))


def sides(world: World, id: str) -> list[Any]:
    return world.panel.rows(
        "select s.party, s.state, s.act, s.shared, s.person_id, s.note_enc, s.answer_day::text from handover s"
        " join handover h on h.common = s.common where h.id = :id order by s.party", id=id,
    )  # fmt: skip


def test_who_adds_a_record_opens_it_on_both_sides(world: World) -> None:
    form = world.browser.get("/handovers/new")
    assert form.status_code == 200
    assert str(world.receiver.tenant.id) in form.text
    fields = {"other_institution_id": str(world.receiver.tenant.id), "need": "SHELTER", "due_day": "1.4.2026",
              "person_id": str(world.link.person_id), "note": NOTE}  # fmt: skip
    added = world.browser.post("/handovers/new", **fields)
    assert added.status_code == 303, added.text
    id = added.headers["Location"].rpartition("/")[2]
    ours, theirs = sides(world, id)
    assert (ours.party, theirs.party, ours.shared) == ("from", "to", theirs.shared)
    assert (ours.person_id, theirs.person_id, theirs.note_enc) == (world.link.person_id, None, None)
    assert NOTE.encode() not in bytes(ours.note_enc)
    page = world.browser.get(added.headers["Location"])
    for words in ("EGM", "Gönderen", "İstendi", world.link.person.pseudonym):
        assert words in page.text, words
    assert {event.code for event in world.panel.events(added)} == {"JGK", "EGM"}
    listed = world.receiving.get("/handovers/")
    assert world.other(id) in listed.text
    for hidden in (id, world.link.person.pseudonym, NOTE):
        assert hidden not in listed.text


def test_each_party_takes_its_own_steps_and_both_see_them(world: World) -> None:
    id = world.handover()
    other = world.other(id)
    for browser, own, buttons, missing in (
        (world.browser, id, ("withdraw",), ("take", "refuse", "end")),
        (world.receiving, other, ("take", "refuse"), ("withdraw", "end")),
    ):
        page = browser.get(f"/handovers/{own}").text
        assert all(f"/handovers/{own}/{act}" in page for act in buttons)
        assert not any(f"/handovers/{own}/{act}" in page for act in missing)
    refused = world.browser.send("POST", f"{API}/handovers/{id}/take", {"row_version": 1})
    assert refused.status_code == 423
    assert world.browser.post(f"/handovers/{id}/take", version="1").status_code == 423
    taken = world.receiving.post(f"/handovers/{other}/take", version="1", answer_day="2.4.2026")
    assert taken.status_code == 303, taken.text
    ours, theirs = sides(world, id)
    assert ours[1:4] == theirs[1:4]
    assert (ours.state, ours.act, ours.answer_day) == ("taken", 2, "2026-04-02")
    assert {(event.code, event.action) for event in world.panel.events(taken) if event.action != "record.read"} == {
        ("JGK", "record.update"), ("EGM", "record.update"),
    }  # fmt: skip
    late = world.browser.send("POST", f"{API}/handovers/{id}/withdraw", {"row_version": 1})
    assert late.status_code == 409
    late = world.browser.send("POST", f"{API}/handovers/{id}/withdraw", {"row_version": 2})
    assert late.status_code == 423
    assert world.browser.send("POST", f"{API}/handovers/{id}/end", {"row_version": 2}).status_code == 200
    assert {side.state for side in sides(world, id)} == {"ended"}


def test_what_both_hold_is_in_no_form_to_change_and_what_is_ones_own_is_the_others_never(world: World) -> None:
    id = world.handover()
    form = world.browser.get(f"/handovers/{id}/edit").text
    assert 'name="note"' in form
    for name in ("need", "due_day", "other_institution_id", "state", "party"):
        assert f'name="{name}"' not in form, name
        change = world.browser.send("PATCH", f"{API}/handovers/{id}", {name: "SHELTER", "row_version": 1})
        assert change.status_code == 400, name
    own = {"person_id": str(world.link.person_id), "note": "Kanarya yine", "version": "1"}
    assert world.browser.post(f"/handovers/{id}/edit", **own).status_code == 303
    assert [side.act for side in sides(world, id)] == [1, 1]
    other = world.other(id)
    assert world.receiving.get(f"/handovers/{id}").status_code == 404
    shown = json.loads(world.receiving.get(f"{API}/handovers/{other}").text)
    assert (shown["note"], shown["person_id"], shown["party"]) == (None, None, "to")


def test_nothing_protected_is_written_before_the_record_is_about_somebody(world: World) -> None:
    other = world.other(world.handover())
    note = {"note": NOTE, "row_version": 1}
    refused = world.receiving.send("PATCH", f"{API}/handovers/{other}", note)
    assert (refused.status_code, set(json.loads(refused.text)["fields"])) == (400, {"note"})
    assert world.receiving.send("POST", f"{API}/handovers/{other}/reveal", {"purpose": "CASE_WORK"}).status_code == 423
    assert f"/handovers/{other}/reveal" not in world.receiving.get(f"/handovers/{other}").text
    assert world.receiving.get(f"/handovers/{other}/reveal").status_code == 423, "no purpose is asked for in vain"
    visit = world.visit(other, world.receiving, note=None)
    refused = world.receiving.send("PATCH", f"{API}/visits/{visit}", note)
    assert (refused.status_code, set(json.loads(refused.text)["fields"])) == (400, {"note"})
    make = world.panel.make
    theirs = make.person(world.receiver, make.case(world.receiver))
    own = {"person_id": str(theirs.person_id), "row_version": 1}
    assert world.receiving.send("PATCH", f"{API}/handovers/{other}", own).status_code == 200
    assert world.receiving.send("PATCH", f"{API}/visits/{visit}", note).status_code == 200
    told = world.receiving.send("POST", f"{API}/visits/{visit}/reveal", {"purpose": "CASE_WORK"})
    assert json.loads(told.text)["note"] == NOTE
    foreign = {"person_id": str(world.link.person_id), "row_version": 1}
    another = world.other(world.handover())
    assert world.receiving.send("PATCH", f"{API}/handovers/{another}", foreign).status_code in (400, 403, 404)
    stays = make.person(world.receiver, make.case(world.receiver))
    moved = {"person_id": str(stays.person_id), "row_version": 2}
    assert world.receiving.send("PATCH", f"{API}/handovers/{other}", moved).status_code == 400
