"""Saving what was opened changes nothing: each edit form of each role, sent back as a browser would."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import text

from tests.factories import Factory, Somebody
from tests.house.walking import Step, Walker, World
from tests.panel.panel_app import Browser, RunningPanel

NO_RECORD = {"OwnProfileView.password", "CaseView.close", "CaseView.delete", "PersonView.delete", "PersonView.unlink"}
"""Forms under a record that ask for something new."""


class Form(HTMLParser):
    """The fields of a page's form with a version, as a browser sends them when nothing is touched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self.inside = False
        self.select: str | None = None
        self.options: list[tuple[str, bool]] = []
        self.area: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.inside = given.get("class") == "form"
        if not self.inside:
            return
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "input" and name:
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.pairs.append((name, value))
        elif tag == "select":
            self.select, self.options = name, []
        elif tag == "option":
            self.options.append((value, "selected" in given))
        elif tag == "textarea":
            self.area = name
            self.pairs.append((name, ""))

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            name, text = self.pairs[-1]
            self.pairs[-1] = (name, (text + data).removeprefix("\n").removeprefix("\r\n"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = None
        if tag == "select" and self.select:
            chosen = [value for value, selected in self.options if selected] or [each[0] for each in self.options[:1]]
            self.pairs += [(self.select, value) for value in chosen[:1]]
            self.select = None
        if tag == "form":
            self.inside = False


def _sent_back(browser: Browser, path: str) -> Any:
    page = browser.get(path)
    assert page.status_code == 200, path
    fields: dict[str, list[str]] = {}
    for name, value in Form(page.text).pairs:
        fields.setdefault(name, []).append(value)
    assert "version" in fields, path
    return browser.client.post(path, data=fields)


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def _edits(world: World) -> Iterator[tuple[Step, Walker]]:
    posted = {step.endpoint for step in world.steps("POST")}
    for step in world.steps("GET"):
        if step.endpoint.endswith(".edit") and step.endpoint in posted:
            yield from ((step, who) for who in world.walkers.values() if who.role in step.expected.may)


def test_the_edit_forms_are_found(world: World) -> None:
    found = [step.endpoint for step, _who in _edits(world)]
    assert {"CaseView.edit", "PersonView.edit", "ProfileView.edit", "AccountView.edit", "UnitView.edit"} <= set(found)
    assert len(found) > 15


def test_saving_what_was_opened_changes_nothing_for_every_form_and_role(world: World) -> None:
    for step, who in _edits(world):
        record = world.theirs if who.role in step.expected.wide else who.own or world.ours
        path = world.path(step, record)
        before = world.panel.state()
        answer = _sent_back(who.browser, path)
        if step.endpoint == "ProfileView.edit" and answer.status_code == 422:
            continue  # a profile that does not exist yet asks for its first field
        assert answer.status_code == 303, (step.key, who.role, answer.text[-900:])
        after = [row for row in world.panel.state() if row[0] != "submission"]
        assert after == [row for row in before if row[0] != "submission"], (step.key, who.role)
        told = who.browser.get(answer.headers["Location"]).text
        assert "Hiçbir şey değiştirilmedi." in told, (step.key, who.role)
        assert "Değişiklikler kaydedildi." not in told, (step.key, who.role)


def _case_of_another_unit(make: Factory) -> tuple[Somebody, uuid.UUID, uuid.UUID]:
    tenant = make.institution("JGK")
    far, near = make.unit("Uzak birim", tenant), make.unit("Yakın birim", tenant)
    focal = make.somebody("focal_point", tenant)
    case = make.case(focal, unit_id=str(far))
    worker = make.somebody("caseworker", tenant, near)
    with make.superuser() as connection:
        values = {"i": tenant.id, "c": case.id, "a": worker.id}
        connection.execute(
            text("insert into case_assignment (institution_id, case_id, account_id) values (:i, :c, :a)"), values
        )
    return worker, case.id, far


def test_a_case_of_another_unit_stays_there_when_an_assigned_colleague_saves_it(panel: RunningPanel) -> None:
    worker, case, far = _case_of_another_unit(panel.make)
    browser = panel.browser(worker)
    assert f'value="{far}"' in browser.get(f"/cases/{case}/edit").text
    assert _sent_back(browser, f"/cases/{case}/edit").status_code == 303
    assert tuple(panel.rows("select unit_id, row_version from case_file where id = :id", id=case)[0]) == (far, 1)


def test_a_stored_code_that_the_list_no_longer_has_stays_chosen(panel: RunningPanel) -> None:
    from itm_admin.foundation.forms import CodeField, PanelForm

    class Asked(PanelForm):
        province = CodeField("İl", "province")

    with panel.app.test_request_context("/"):
        form = Asked(formdata=None, province="TR-00")
        assert 'value="TR-00"' in str(form.province())
