"""Drafts: what was typed and not saved is kept, sealed, for its author alone; and colleagues know of each other."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.record import drafts
from tests import signed_in
from tests.conftest import Database
from tests.factories import CASE, PERSON, Somebody
from tests.new_case import open_case, seen_in
from tests.panel.panel_app import Browser, RunningPanel

FORM = {**CASE, "confidentiality": "INTERNAL"}
TYPED = "Kimsenin kaydetmediği bir cümle"


class Desk:
    """Two colleagues of one institution and a stranger, and a case of theirs."""

    def __init__(self, panel: RunningPanel) -> None:
        make = panel.make
        self.panel, self.author, self.colleague = panel, make.focal_point(), make.focal_point()
        self.stranger = make.focal_point(make.other_institution())
        self.own, self.other, self.far = (self.browser(each) for each in (self.author, self.colleague, self.stranger))
        self.case = make.case(self.author).id

    def browser(self, somebody: Somebody) -> Browser:
        return self.panel.browser(somebody)

    def drafts(self) -> int:
        return int(self.panel.value("select count(*) from draft"))


@pytest.fixture
def desk(panel: RunningPanel) -> Desk:
    return Desk(panel)


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    home: Path = tmp_path_factory.mktemp("home")
    return RunningPanel(shared_database, home)


def _types(browser: Browser, case: uuid.UUID) -> None:
    answer = browser.post(f"/drafts/case/{case}", **FORM, narrative=TYPED, version="1")
    assert answer.status_code == 200
    assert json.loads(answer.text)["said"].startswith("Taslak")


def test_what_was_typed_waits_for_its_author_and_fills_the_form_again(desk: Desk) -> None:
    _types(desk.own, desk.case)
    page = desk.own.get(f"/cases/{desk.case}/edit").text
    assert "Taslağı sil" in page
    assert TYPED not in page
    assert TYPED in desk.own.get(f"/cases/{desk.case}/edit?draft=resume").text
    assert "Dosyada yapılan değişiklik" in desk.own.get("/").text


def test_nobody_else_sees_a_draft_and_the_database_holds_it_sealed(desk: Desk) -> None:
    _types(desk.own, desk.case)
    for browser in (desk.other, desk.far):
        assert TYPED not in browser.get(f"/cases/{desk.case}/edit?draft=resume").text
        assert "Dosyada yapılan değişiklik" not in browser.get("/").text
    sealed = bytes(desk.panel.value("select sealed from draft where account_id = :id", id=desk.author.id))
    assert TYPED.encode() not in sealed
    assert b"TR-" not in sealed


def test_the_database_itself_shows_a_draft_to_nobody_but_its_author(desk: Desk) -> None:
    _types(desk.own, desk.case)
    seen = {}
    for who, somebody in (("author", desk.author), ("colleague", desk.colleague), ("stranger", desk.stranger)):
        secret = signed_in.begin(desk.panel.database, somebody.username)[1]
        context = replace(somebody.context("institution"), secret=secret)
        with desk.panel.app.app_context(), tenancy.acting(context, db.session):
            wanted = text("select count(*) from draft where account_id = :id")
            seen[who] = db.session.scalar(wanted, {"id": desk.author.id})
            db.session.rollback()
    assert seen == {"author": 1, "colleague": 0, "stranger": 0}


def test_a_draft_that_was_exchanged_in_the_database_does_not_open(desk: Desk) -> None:
    _types(desk.own, desk.case)
    _types(desk.other, desk.case)
    with desk.panel.make.superuser() as connection:
        connection.execute(
            text("update draft set sealed = (select sealed from draft where account_id = :b) where account_id = :a"),
            {"a": desk.author.id, "b": desk.colleague.id},
        )
    page = desk.own.get(f"/cases/{desk.case}/edit?draft=resume").text
    assert TYPED not in page
    assert "Taslağı sil" not in page


def test_saving_the_form_ends_the_draft_in_the_same_transaction(desk: Desk) -> None:
    _types(desk.own, desk.case)
    before = desk.drafts()
    refused = desk.own.post(f"/cases/{desk.case}/edit", version="1", **{**FORM, "opened_on": "gestern"})
    assert (refused.status_code, desk.drafts()) == (422, before)
    assert desk.own.post(f"/cases/{desk.case}/edit", version="1", **FORM).status_code == 303
    assert desk.drafts() == before - 1
    assert "Taslağı sil" not in desk.own.get(f"/cases/{desk.case}/edit").text


def test_a_draft_of_an_older_version_is_a_conflict_and_overwrites_nothing(desk: Desk) -> None:
    _types(desk.own, desk.case)
    assert desk.other.post(f"/cases/{desk.case}/edit", version="1", **{**FORM, "province": "TR-35"}).status_code == 303
    page = desk.own.get(f"/cases/{desk.case}/edit?draft=resume").text
    assert 'name="version" type="hidden" value="1"' in page
    assert desk.own.post(f"/cases/{desk.case}/edit", version="1", **FORM).status_code == 409


def test_throwing_a_draft_away_leaves_the_others(desk: Desk) -> None:
    _types(desk.own, desk.case)
    _types(desk.other, desk.case)
    assert desk.own.post(f"/drafts/case/{desk.case}/discard").status_code == 303
    assert desk.drafts() >= 1
    assert TYPED not in desk.own.get(f"/cases/{desk.case}/edit?draft=resume").text
    assert TYPED in desk.other.get(f"/cases/{desk.case}/edit?draft=resume").text


def test_only_forms_that_are_known_and_of_a_forms_size_are_kept(desk: Desk) -> None:
    before = desk.drafts()
    assert desk.own.post(f"/drafts/diary/{desk.case}", text=TYPED).status_code == 404
    assert desk.own.post(f"/drafts/new-case/{desk.author.id}", narrative=TYPED).status_code == 404, (
        "it has no such page"
    )
    assert desk.own.post(f"/drafts/case/{desk.case}", narrative="x" * drafts.MOST).status_code == 400
    assert desk.drafts() == before


def test_after_a_week_a_draft_is_neither_shown_nor_kept(desk: Desk, shared_database: Database) -> None:
    _types(desk.own, desk.case)
    _types(desk.other, desk.case)
    with desk.panel.make.superuser() as connection:
        age = drafts.KEPT + timedelta(minutes=1)
        connection.execute(
            text("update draft set saved_at = now() - cast(:age as interval) where account_id = :id"),
            {"age": age, "id": desk.author.id},
        )
    assert TYPED not in desk.own.get(f"/cases/{desk.case}/edit?draft=resume").text
    engine = create_engine(shared_database.url("signer"))
    assert drafts.expire(engine, lambda: False)["drafts"] == 1
    engine.dispose()
    assert TYPED in desk.other.get(f"/cases/{desk.case}/edit?draft=resume").text


def test_keeping_and_opening_a_draft_are_in_the_ledger_without_what_it_holds(desk: Desk) -> None:
    _types(desk.own, desk.case)
    _types(desk.own, desk.case)
    desk.own.get(f"/cases/{desk.case}/edit?draft=resume")
    events = desk.panel.rows(
        "select action, content from audit.event where target_kind = 'draft' and actor_id = :id order by at",
        id=str(desk.author.id),
    )
    assert [row[0] for row in events] == ["record.create", "record.read"]
    assert not any(TYPED in row[1] for row in events)


def test_a_colleague_with_the_same_form_open_is_named_until_one_of_them_saves(desk: Desk) -> None:
    first, second = desk.own, desk.other
    assert "henüz kaydetmedi" not in first.get(f"/cases/{desk.case}/edit").text
    page = second.get(f"/cases/{desk.case}/edit").text
    assert f"{desk.author.actor.full_name} bu formu" in page
    assert first.post(f"/cases/{desk.case}/edit", version="1", **FORM).status_code == 303
    assert "henüz kaydetmedi" not in second.get(f"/cases/{desk.case}/edit").text


def test_a_stranger_learns_nothing_of_who_is_at_a_record(desk: Desk) -> None:
    desk.own.get(f"/cases/{desk.case}/edit")
    answer = desk.far.get(f"/cases/{desk.case}/edit")
    assert answer.status_code == 404
    assert desk.author.actor.full_name not in answer.text


def test_a_new_case_comes_with_its_first_person_and_profile_or_not_at_all(desk: Desk) -> None:
    counts = (
        "select (select count(*) from case_file), (select count(*) from person), (select count(*) from victim_profile)"
    )
    before = desk.panel.rows(counts)[0]
    victim = {**PERSON, "role": "VICTIM", "trafficking_status": "PossibleVictimOfTrafficking"}
    answer = open_case(desk.own, **FORM, **victim, exploitation_types="ForcedLabour", narrative=TYPED)
    assert answer.status_code == 303, answer.text
    assert [now - then for now, then in zip(desk.panel.rows(counts)[0], before, strict=True)] == [1, 1, 1]
    assert desk.own.get("/cases/new/check").status_code == 303  # the way is at its end


def test_a_step_that_is_wrong_is_said_beside_its_field_and_what_was_typed_waits_in_the_draft(desk: Desk) -> None:
    address = f"/cases/new?draft={uuid.uuid4()}"
    answer = desk.own.post(address, opened_on="gestern")
    assert answer.status_code == 422
    assert 'value="gestern"' in answer.text
    assert 'value="gestern"' in desk.own.get(address).text
    person = desk.own.post("/cases/new", **FORM).headers["Location"]
    refused = desk.own.post(person, given_name="Ayşe")
    assert (refused.status_code, "Ayşe" in refused.text) == (422, True)
    assert "Ayşe" in desk.own.get(person).text


def test_a_step_that_is_typed_into_is_kept_while_it_is_typed_and_by_going_back(desk: Desk) -> None:
    person = desk.own.post("/cases/new", **FORM).headers["Location"]
    draft = person.partition("=")[2]
    said = desk.own.post(f"/cases/new/keep?draft={draft}", at="person", given_name="Zeynep")
    assert json.loads(said.text)["said"].startswith("Taslak")
    assert "Zeynep" in desk.own.get(person).text
    back = desk.own.post(person, given_name="Zeliha", back="yes")
    assert back.headers["Location"] == f"/cases/new?draft={draft}"
    assert "Zeliha" in desk.own.get(person).text


def test_the_way_can_be_left_and_taken_up_again_where_it_was(desk: Desk) -> None:
    person = desk.own.post("/cases/new", **FORM).headers["Location"]
    desk.own.post(person)
    draft = person.partition("=")[2]
    again = desk.browser(desk.author)
    for begins in ("/", "/cases/new"):
        assert f'<li><a href="/cases/new?draft={draft}">' in again.get(begins).text
    assert "henüz açılmamış" not in again.get(f"/cases/new?draft={draft}").text
    assert again.get(f"/cases/new/check?draft={draft}").headers["Location"] == f"/cases/new/risk?draft={draft}"
    assert f'<option selected value="{FORM["province"]}">' in again.get(f"/cases/new?draft={draft}").text
    assert again.post(f"/cases/new/discard?draft={draft}").status_code == 303
    assert again.get(f"/cases/new/risk?draft={draft}").headers["Location"].endswith("/cases/new")


def test_a_first_person_is_found_by_the_number_that_was_typed_on_the_way(desk: Desk) -> None:
    victim = {**PERSON, "role": "VICTIM", "tckn": "10000000146"}
    assert open_case(desk.own, **FORM, **victim).status_code == 303
    found = desk.own.send("POST", "/api/v1/persons/search", {"number": "10000000146"}).json
    assert found is not None
    assert len(found["items"]) == 1


def _begun(browser: Browser, **fields: str) -> str:
    """The address of the last step of a case that is ready to be opened."""
    person = browser.post("/cases/new", **{**FORM, **fields}).headers["Location"]
    return browser.post(browser.post(person).headers["Location"]).headers["Location"]


def test_two_cases_that_are_begun_in_two_tabs_do_not_mix(desk: Desk) -> None:
    ankara, izmir = _begun(desk.own, province="TR-06"), _begun(desk.own, province="TR-35")
    stored = []
    for check in (ankara, izmir):
        case = desk.own.post(check, seen=seen_in(desk.own.get(check).text)).headers["Location"].rpartition("/")[2]
        stored.append(desk.panel.value("select province from case_file where id = :id", id=case))
    assert stored == ["TR-06", "TR-35"]


def test_what_was_shown_is_what_is_stored_or_a_conflict_that_keeps_everything(desk: Desk) -> None:
    check = _begun(desk.own, province="TR-06")
    seen = seen_in(desk.own.get(check).text)
    before = desk.panel.value("select count(*) from case_file")
    assert desk.own.post(check.replace("/check", ""), **{**FORM, "province": "TR-35"}).status_code == 303
    answer = desk.own.post(check, seen=seen)
    assert (answer.status_code, "İzmir" in answer.text) == (409, True)
    assert desk.panel.value("select count(*) from case_file") == before
    assert desk.own.post(check, seen=seen_in(answer.text)).status_code == 303


def test_a_case_that_is_opened_five_times_at_once_is_one_case(desk: Desk) -> None:
    check = _begun(desk.own)
    seen, before = seen_in(desk.own.get(check).text), desk.panel.value("select count(*) from case_file")
    browsers = [desk.browser(desk.author) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda each: each.post(check, seen=seen), browsers))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert desk.panel.value("select count(*) from case_file") == before + 1
    assert desk.own.get(check).headers["Location"] == answers[0].headers["Location"]


def test_the_last_look_shows_what_will_be_stored_as_people_read_it(desk: Desk) -> None:
    above = desk.panel.make.unit("Ankara İl Komutanlığı")
    below = desk.panel.make.unit("Ankara Çocuk Şubesi", parent=above)
    person = desk.own.post("/cases/new", **{**FORM, "unit_id": str(below)}).headers["Location"]
    typed = {**PERSON, "role": "VICTIM", "given_name": "Ay\u00adşe\u00b4m", "birth_date": "12 Mayıs 1999"}
    risk = desk.own.post(person, **typed).headers["Location"]
    check = desk.own.post(risk).headers["Location"]
    page = desk.own.get(check).text
    assert "<dd>Ayşe&#39;m</dd>" in page
    assert "<dd>12.05.1999</dd>" in page
    assert "<dd>Ankara Çocuk Şubesi</dd>" in page
    desk.own.post(person, **{**typed, "birth_date": "yaklaşık 17 (20.11.2026)"})
    assert "<dd>yaklaşık 17 (tahmin tarihi: 20.11.2026)</dd>" in desk.own.get(check).text


def test_a_number_in_the_searchs_field_for_names_leads_to_the_field_for_numbers_and_stays(desk: Desk) -> None:
    answer = desk.own.post("/persons/search", name="10000000146")
    assert answer.status_code == 422
    assert "Numarayı aşağıdaki numara alanına yazın." in answer.text
    assert 'value="10000000146"' in answer.text


def test_what_is_typed_beside_a_draft_that_waits_does_not_take_its_place(desk: Desk) -> None:
    for address, kind in ((f"/cases/{desk.case}/edit", "case"), (f"/persons/new/{desk.case}", "new-person")):
        keep = f"/drafts/{kind}/{desk.case}"
        fresh = desk.own.get(address).text
        assert f'data-keep="{keep}"' in fresh
        assert 'name="draft_waits"' not in fresh
        assert desk.own.post(keep, **FORM, narrative=TYPED, gender="F", version="1").status_code == 200
        waiting = desk.own.get(address).text
        assert "data-keep=" not in waiting, "what is typed now is not kept over it"
        assert 'name="draft_waits"' in waiting
        assert "saklanmaz" in waiting
        before = bytes(desk.panel.value("select sealed from draft where account_id = :id and form = :form",
                                        id=desk.author.id, form=f"{kind}:{desk.case}"))  # fmt: skip
        assert desk.own.post(keep, narrative="x", draft_waits="yes").status_code == 409
        after = bytes(desk.panel.value("select sealed from draft where account_id = :id and form = :form",
                                       id=desk.author.id, form=f"{kind}:{desk.case}"))  # fmt: skip
        assert after == before
        assert f'data-keep="{keep}"' in desk.own.get(f"{address}?draft=resume").text
        refused = desk.own.post(address, **{**FORM, "opened_on": "gestern", "version": "1", "draft_waits": "yes"})
        assert refused.status_code == 422
        assert "data-keep=" not in refused.text, "a refused form stays beside the draft"
        assert desk.own.post(f"{keep}/discard").status_code == 303
        assert f'data-keep="{keep}"' in desk.own.get(address).text


def test_saving_a_form_beside_which_a_draft_waits_leaves_the_draft(desk: Desk) -> None:
    _types(desk.own, desk.case)
    before = desk.drafts()
    saved = desk.own.post(f"/cases/{desk.case}/edit", version="1", draft_waits="yes", **FORM)
    assert (saved.status_code, desk.drafts()) == (303, before)
    assert TYPED in desk.own.get(f"/cases/{desk.case}/edit?draft=resume").text
