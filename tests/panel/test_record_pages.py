"""Each kind of record has this from its base: tried with a small area of the tests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from itm_admin.foundation.roles import ROLES, may, permit
from itm_admin.record import kind, parts
from itm_admin.record.pages import RecordPage
from tests.panel.handover_panel import NOTE, World, with_handovers
from tests.panel.handovers.models import Handover, Visit
from tests.panel.handovers.services import Visits
from tests.panel.handovers.views import VisitView
from tests.panel.panel_app import RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

API = "/api/v1/visits"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    with with_handovers(shared_database):
        yield RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def test_a_record_is_added_with_a_form_and_shown_masked(world: World) -> None:
    path = f"/visits/new/{world.id}"
    form = world.browser.get(path)
    assert form.status_code == 200
    order = [form.text.index(f'name="{name}"') for name in ("day", "province", "needs", "urgent", "note")]
    assert order == sorted(order)
    fields = {"day": "3.4.2026", "needs": ["SHELTER"], "note": NOTE}
    added = world.browser.post(path, **fields)
    assert added.status_code == 303, added.text
    page = world.browser.get(added.headers["Location"])
    assert "Barınma" in page.text
    assert "03.04.2026" in page.text
    assert NOTE not in page.text
    assert "masked" in page.text
    listed = world.browser.get("/visits/")
    assert "03.04.2026" in listed.text
    assert NOTE not in listed.text
    sealed = world.panel.value("select note_enc from visit where day = '2026-04-03'")
    assert NOTE.encode() not in bytes(sealed)
    assert "visit" in {event.kind for event in world.panel.events(listed)}


def test_a_part_is_reached_from_its_parent_and_leads_back_to_it(world: World) -> None:
    above, form = f"/handovers/{world.id}", f"/visits/new/{world.id}"
    assert f'href="{form}"' in world.browser.get(above).text
    page = world.browser.get(form).text
    assert page.count(f'href="{above}"') == 2  # the trail, and the way back
    assert "Leave empty to keep what is stored" not in page


def test_a_page_lists_the_parts_that_the_person_may_list_and_the_ledger_has_them(world: World) -> None:
    visit = world.visit()
    page = world.browser.get(f"/handovers/{world.id}")
    assert f'href="/visits/{visit}"' in page.text
    assert [visit in event.subjects for event in world.panel.events(page) if event.kind == "visit"] == [True]
    shown = json.loads(world.browser.get(f"{API}/{visit}").text)
    assert shown["handover_id"] == str(world.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ROLES["focal_point"].may, "Visit", ROLES["focal_point"].may["Visit"] - {"list"})
        assert f'href="/visits/{visit}"' not in world.browser.get(f"/handovers/{world.id}").text


def test_a_page_lists_the_first_parts_and_leads_to_all_of_them(world: World) -> None:
    id = world.handover(world.browser)
    for day in range(1, parts.MOST + 2):
        added = world.browser.send("POST", f"{API}/in/{id}", {"day": f"2026-04-{day:02}"})
        assert added.status_code == 201, added.text
    page, more = world.browser.get(f"/handovers/{id}").text, f"/visits/?handover_id={id}"
    assert page.count('href="/visits/') - page.count('href="/visits/new') >= parts.MOST
    assert f'href="{more}"' in page
    assert world.browser.get(more).text.count('class="kind-link"') == parts.MOST + 1


def test_a_list_is_filtered_by_the_records_that_its_rows_name(world: World) -> None:
    """A person by pseudonym or id, an institution out of the register, the parent from its page."""
    person = world.panel.value("select pseudonym from person where id = :id", id=world.link.person_id)
    other = world.panel.make.person(world.focal, world.panel.make.case(world.focal), role="VICTIM")
    for wanted in (person, str(world.link.person_id)):
        found = world.browser.get(f"/handovers/?person_id={wanted}")
        assert found.status_code == 200
        assert f'href="/handovers/{world.id}"' in found.text
        assert f'name="person_id" value="{person}"' in found.text
        assert any(str(world.link.person_id) in event.subjects for event in world.panel.events(found))
        assert json.loads(world.browser.get(f"/api/v1/handovers/?person_id={wanted}").text)["total"] >= 1
    empty = world.browser.get(f"/handovers/?person_id={other.person_id}")
    assert f'href="/handovers/{world.id}"' not in empty.text
    for wrong in ("K-NOBODY", str(uuid.uuid4())):
        assert world.browser.get(f"/handovers/?person_id={wrong}").status_code == 400, wrong
    institution = world.panel.value("select other_institution_id from handover where id = :id", id=world.id)
    register = world.browser.get(f"/handovers/?other_institution_id={institution}")
    assert f'href="/handovers/{world.id}"' in register.text
    assert f'<option value="{institution}" selected>' in register.text


def test_what_is_refused_stands_at_its_field_and_nothing_is_stored(world: World) -> None:
    before = world.panel.value("select count(*) from visit")
    refused = world.browser.post(f"/visits/new/{world.id}", note=NOTE)
    assert refused.status_code == 422
    assert 'id="day-error"' in refused.text
    early = {"day": "2026-06-01"}
    answer = world.browser.send("POST", f"{API}/in/{world.id}", early)
    assert (answer.status_code, set(json.loads(answer.text)["fields"])) == (400, {"day"})
    unknown = world.browser.send("POST", f"{API}/in/{world.id}", {**early, "state": "done"})
    assert set(json.loads(unknown.text)["fields"]) == {"day", "state"} or unknown.status_code == 400
    assert world.panel.value("select count(*) from visit") == before


def test_a_field_that_takes_an_act_is_neither_asked_for_nor_taken_from_others(world: World) -> None:
    browser = world.panel.browser(world.panel.make.operator())
    id = world.handover(browser, person_id=None, note=None)
    form = browser.get(f"/visits/new/{id}")
    assert form.status_code == 200
    assert 'name="urgent"' not in form.text
    refused = browser.send("POST", f"{API}/in/{id}", {"day": "2026-04-01", "urgent": True})
    assert (refused.status_code, set(json.loads(refused.text)["fields"])) == (400, {"urgent"})


def test_two_versions_of_a_record_stand_side_by_side(world: World) -> None:
    id = world.visit()
    assert world.browser.get(f"/visits/{id}/edit").status_code == 200
    first = {"day": "5.4.2026", "province": "TR-06", "version": "1"}
    assert world.browser.post(f"/visits/{id}/edit", **first).status_code == 303
    second = world.browser.post(f"/visits/{id}/edit", day="6.4.2026", version="1")
    assert second.status_code == 409
    for text in ("05.04.2026", "06.04.2026", "Ankara"):
        assert text in second.text, text
    stale = world.browser.send("PATCH", f"{API}/{id}", {"day": "2026-04-07", "row_version": 1})
    assert stale.status_code == 409
    kept = world.panel.value("select note_enc is not null from visit where id = :id", id=id)
    assert kept, "a protected field that was left empty stays"


def test_a_state_changes_by_its_acts_alone(world: World) -> None:
    id = world.visit()
    page = world.browser.get(f"/visits/{id}")
    assert f"/visits/{id}/carry_out" in page.text
    assert world.browser.send("PATCH", f"{API}/{id}", {"state": "done", "row_version": 1}).status_code == 400
    asked = world.browser.get(f"/visits/{id}/carry_out")
    assert 'name="day"' in asked.text
    assert world.browser.post(f"/visits/{id}/carry_out", day="2026-04-09", version="1").status_code == 303
    done = world.panel.rows("select state, day::text from visit where id = :id", id=id)[0]
    assert tuple(done) == ("done", "2026-04-09")
    again = world.browser.send("POST", f"{API}/{id}/call_off", {"row_version": 2})
    assert again.status_code == 423
    assert f"/visits/{id}/call_off" not in world.browser.get(f"/visits/{id}").text


def test_an_action_is_a_button_for_those_who_may(world: World) -> None:
    id = world.visit()
    assert f"/visits/{id}/mark_urgent" in world.browser.get(f"/visits/{id}").text
    assert world.browser.post(f"/visits/{id}/mark_urgent", version="1").status_code == 303
    assert world.panel.value("select urgent from visit where id = :id", id=id)
    manager = world.panel.browser(world.manager)
    assert f"/visits/{id}/mark_urgent" not in manager.get(f"/visits/{id}").text
    assert manager.post(f"/visits/{id}/mark_urgent", version="2").status_code == 403


def _urgent(world: World, ids: list[str]) -> int:
    return int(world.panel.value("select count(*) from visit where urgent and id = any(cast(:i as uuid[]))", i=ids))


def test_an_action_on_several_rows_asks_first_and_is_done_to_all_or_to_none(world: World) -> None:
    ids, path = [world.visit() for _ in range(3)], "/visits/together/mark_urgent"
    assert path in world.browser.get("/visits/").text
    assert path not in world.browser.get(f"/visits/{ids[0]}").text
    boxes = [f"{id}:1" for id in ids]
    asked = world.browser.post(path, chosen=boxes, next="/visits/")
    assert (asked.status_code, _urgent(world, ids)) == (200, 0)
    assert asked.text.count('name="chosen"') == 3
    (look,) = world.panel.events(asked)
    assert set(ids) < set(look.subjects), "and the record that they are part of, which each line names"
    stale = world.browser.post(path, chosen=[*boxes[:2], f"{ids[2]}:2"], next="/visits/", confirmed="yes")
    assert (stale.status_code, _urgent(world, ids)) == (409, 0)
    assert stale.text.count('class="field-error"') == 1
    done = world.browser.post(path, chosen=[*boxes, boxes[0]], next="/visits/", confirmed="yes")
    assert (done.status_code, done.headers["Location"], _urgent(world, ids)) == (303, "/visits/", 3)
    assert sorted(event.target for event in world.panel.events(done)) == sorted(ids)


def test_an_action_on_several_rows_is_for_those_who_may_and_for_rows_that_are_theirs(world: World) -> None:
    id, path = world.visit(), "/visits/together/mark_urgent"
    manager = world.panel.browser(world.manager)
    assert path not in manager.get("/visits/").text
    assert manager.post(path, chosen=[f"{id}:1"], confirmed="yes").status_code == 403
    stranger = world.panel.browser(world.panel.make.focal_point(world.panel.make.other_institution()))
    assert stranger.post(path, chosen=[f"{id}:1"]).status_code == 404
    assert world.browser.post(path, chosen=[f"{id}:1", "x:1"], confirmed="yes").status_code == 400
    assert _urgent(world, [id]) == 0


def test_a_record_is_deleted_for_a_reason_and_restored_by_a_manager(world: World) -> None:
    id, manager = world.visit(), world.panel.browser(world.manager)
    assert world.browser.post(f"/visits/{id}/delete", reason="DUPLICATE", version="1").status_code == 403
    assert manager.get(f"/visits/{id}/delete").status_code == 200
    assert manager.post(f"/visits/{id}/delete", reason="DUPLICATE", version="1").status_code == 303
    assert world.browser.get(f"/visits/{id}").status_code == 404
    assert id in manager.get("/visits/deleted").text
    assert manager.post(f"/visits/{id}/restore").status_code == 303
    assert world.browser.get(f"/visits/{id}").status_code == 200


def test_a_part_of_a_deleted_record_is_gone_with_it(world: World) -> None:
    above = world.handover()
    made = world.visit(above)
    with world.panel.make.superuser() as connection:
        connection.exec_driver_sql(
            f"update handover set deleted_at = now(), deletion_reason = 'DUPLICATE' where id = '{above}'"
        )
    assert world.browser.get(f"/visits/{made}").status_code == 404
    assert made not in world.browser.get("/visits/").text


def test_a_list_is_filtered_and_ordered_by_what_was_declared_alone(world: World) -> None:
    id = world.visit(province="TR-34", day="2026-04-20")
    listed = world.browser.get("/visits/?province=TR-34&day_from=2026-04-20&sort=-day")
    assert id in listed.text
    assert id not in world.browser.get("/visits/?province=TR-06").text
    assert "_hidden" not in world.browser.get("/visits/?sort=note").text
    for query in ("sort=note", "sort=state", "note=x", "state=planned"):
        assert world.browser.get(f"/visits/?{query}").status_code == 400, query
        assert world.browser.get(f"{API}/?{query}").status_code == 400, query
    page = json.loads(world.browser.get(f"{API}/?province=TR-34").text)
    assert [row["id"] for row in page["items"]] == [id]
    assert (page["items"][0]["note"], page["size"]) == ("hidden", 50)
    assert page["items"][0]["handover_id"] == str(world.id), "a part names its parent"
    assert not {"institution_id", "note_enc"} & set(page["items"][0])


def test_an_export_holds_the_list_masked(world: World) -> None:
    world.visit(province="TR-35")
    file = world.browser.post("/visits/export?province=TR-35", purpose="STATISTICS", format="csv")
    assert file.status_code == 200
    assert NOTE not in file.text
    assert "Barınma" in file.text
    assert len(file.text.strip().splitlines()) == 2


def test_a_computed_column_is_listed_and_exported_with_its_label(world: World) -> None:
    world.visit(province="TR-16", day="2026-04-21")
    title = " – 21.04.2026"
    assert title in world.browser.get("/visits/?province=TR-16").text
    file = world.browser.post("/visits/export?province=TR-16", purpose="STATISTICS", format="csv")
    heads, row = (line.split(";") for line in file.text.strip().splitlines())
    assert dict(zip(heads, row, strict=True))[heads[-1]].endswith(title)
    assert world.browser.get("/visits/?sort=title").status_code == 400


def test_a_misspelled_or_protected_column_is_refused_when_the_page_is_made() -> None:
    for columns in ({"list_columns": ("day", "note")}, {"edit_columns": ("dya",)}, {"list_columns": ("dya",)},
                    {"list_columns": ("day",), "search_columns": ("note",)}, {"list_columns": ("day", "id_of")},
                    {"list_columns": ("day",), "export_columns": ("titel",)}):  # fmt: skip
        with pytest.raises(TypeError):
            type("Broken", (RecordPage,), {"datamodel": VisitView.datamodel, **columns})


def test_a_page_that_is_overridden_keeps_its_address_and_its_gate() -> None:
    class Own(RecordPage):
        datamodel: ClassVar[Visits] = VisitView.datamodel
        draft = "own"

        def edit(self, id: Any) -> Any:
            return super().edit(id)

    assert Own.edit._urls == RecordPage.edit._urls  # type: ignore[attr-defined]
    assert Own.edit._permission_name == "edit"  # type: ignore[attr-defined]


def test_an_area_is_in_the_navigation_of_those_who_may_and_in_the_roles_table(world: World) -> None:
    assert 'href="/visits/"' in world.browser.get("/").text
    auditor = world.panel.browser(world.panel.make.auditor())
    assert 'href="/visits/"' not in auditor.get("/").text
    assert may(frozenset({"focal_point"}), "carry_out", "Visit")
    assert not may(frozenset({"auditor_national"}), "list", "Visit")
    with pytest.raises(TypeError):
        permit("Visit", {"presidency_operator": frozenset({"delete"})}, "Visits")


def test_nothing_can_be_kept_on_a_view(world: World) -> None:
    views = world.panel.app.extensions["appbuilder"].baseviews
    view = next(each for each in views if type(each) is VisitView)
    with pytest.raises(TypeError, match="nothing of a request"):
        view.found = 1


def test_a_part_of_a_record_is_in_its_history_by_being_declared(world: World) -> None:
    assert "visit" in {part.name for part, _column in kind.parts_of(kind.kind_of(Handover))}
    assert world.browser.get(f"/history/handover/{world.id}").status_code == 200


def test_keys_and_indexes_follow_from_the_links(world: World) -> None:
    def keys(name: str) -> dict[str, list[str]]:
        found = Visit.metadata.tables[name].foreign_key_constraints
        return {str(key.name): [each.target_fullname for each in key.elements] for key in found}

    assert keys("visit")["visit_handover"] == ["handover.institution_id", "handover.id"]
    assert keys("handover")["handover_person"] == ["person.institution_id", "person.id"]
    indexes = {str(index.name) for name in ("handover", "visit") for index in Visit.metadata.tables[name].indexes}
    assert indexes == {"visit_of_handover", "visit_recent", "handover_of_person", "handover_recent"}


def test_a_value_is_revealed_for_a_purpose_and_stands_in_the_histories_of_the_record_and_its_whole(
    world: World,
) -> None:
    id = world.visit(day="2026-04-23")
    assert NOTE not in world.browser.get(f"/visits/{id}/reveal").text
    assert NOTE in world.browser.post(f"/visits/{id}/reveal", purpose="CASE_WORK").text
    told = world.browser.send("POST", f"{API}/{id}/reveal", {"purpose": "CASE_WORK"})
    assert json.loads(told.text)["note"] == NOTE
    for path in (f"/history/visit/{id}", f"/history/handover/{world.id}"):
        page = world.browser.get(path)
        assert page.status_code == 200, path
        for words in ("Korunan bilgiyi görüntüleme", "23.04.2026", world.link.person.pseudonym):
            assert words in page.text, (path, words)
        assert NOTE not in page.text
