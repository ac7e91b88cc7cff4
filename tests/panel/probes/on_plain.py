"""The 39 probes against plain Flask-AppBuilder: each asks as a person of tenant A and says whether B leaked.

A probe is true when A saw something of B, wrote into B, pointed a row at B, or learned what no screen shows.
Where Flask-AppBuilder holds, the same request for a row of A's own shows that the probe asks rightly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.panel.probes.plain_site import (
    A_LABEL,
    A_PROJECT,
    A_RECORD,
    B_FILE,
    B_LABEL,
    B_PROJECT,
    B_RECORD,
    FOREIGN,
    Answer,
    Browser,
    Site,
)


def _form(**changes: Any) -> dict[str, Any]:
    return {"code": "Alpha-new", "title": "Alpha new", "project": A_PROJECT, "labels": A_LABEL, **changes}


def _shows(answer: Answer, mark: str = FOREIGN) -> bool:
    """True if B is in a successful answer; an error would prove nothing."""
    assert answer.status == 200, answer
    return answer.shows(mark)


def _opens(browser: Browser, address: str, own: int, foreign: int) -> bool:
    """True if the address gives B's row as it gives one's own."""
    assert browser.get(address.format(own)).shows("Alpha")
    return browser.get(address.format(foreign)).shows(FOREIGN)


def _cells(answer: Answer) -> str:
    """The table's text, without the search form around it."""
    assert answer.status == 200, answer
    return " ".join(re.findall(r"<td[^>]*>(.*?)</td>", answer.body, re.S))


def _points_at_foreign(site: Site) -> bool:
    return bool(
        site.value(
            "select count(*) from record r where tenant_id = 1 and (project_id = :project or exists"
            " (select from record_label where record_id = r.id and label_id = :label))",
            project=B_PROJECT,
            label=B_LABEL,
        )
    )


def _row(site: Site, row: int) -> Any:
    return site.value("select code || ', ' || title || ', ' || state from record where id = :id", id=row)


def _changes(site: Site, change: Callable[[int], object]) -> bool:
    """True if the change reaches B's row as it reaches one's own (or removes it)."""
    own, foreign = _row(site, A_RECORD), _row(site, B_RECORD)
    change(A_RECORD)
    assert _row(site, A_RECORD) != own
    change(B_RECORD)
    return bool(_row(site, B_RECORD) != foreign)


# Lists and forms


def list_rows(site: Site) -> bool:
    answer = site.alice.get("/recordview/list/")
    assert "Alpha-1" in _cells(answer)
    return FOREIGN in _cells(answer)


def search_dropdown(site: Site) -> bool:
    return _shows(site.alice.get("/recordview/list/"), "Bravo project")


def show_by_id(site: Site) -> bool:
    return _opens(site.alice, "/recordview/show/{}", A_RECORD, B_RECORD)


def edit_page_by_id(site: Site) -> bool:
    return _opens(site.alice, "/recordview/edit/{}", A_RECORD, B_RECORD)


def add_dropdown(site: Site) -> bool:
    return _shows(site.alice.get("/recordview/add"))


def edit_dropdown(site: Site) -> bool:
    return _shows(site.alice.get(f"/recordview/edit/{A_RECORD}"))


def add_linking(site: Site) -> bool:
    site.alice.post("/recordview/add", _form(project=B_PROJECT, labels=B_LABEL))
    return _points_at_foreign(site)


def linked_name_in_list(site: Site) -> bool:
    site.alice.post("/recordview/add", _form(project=B_PROJECT))
    return FOREIGN in _cells(site.alice.get("/recordview/list/"))


def add_prefilled(site: Site) -> bool:
    form = _form()
    del form["project"]
    site.alice.post(f"/recordview/add?_flt_0_project={B_PROJECT}", form)
    return _points_at_foreign(site)


def edit_relinking(site: Site) -> bool:
    site.alice.post(f"/recordview/edit/{A_RECORD}", _form(code="Alpha-1", project=B_PROJECT))
    return _points_at_foreign(site)


def edit_by_id(site: Site) -> bool:
    return _changes(site, lambda row: site.alice.post(f"/recordview/edit/{row}", _form(code=f"Alpha-new-{row}")))


def delete_by_id(site: Site) -> bool:
    return _changes(site, lambda row: site.alice.post(f"/recordview/delete/{row}", {}))


def single_action(site: Site) -> bool:
    return _changes(site, lambda row: site.alice.post(f"/recordview/action/close/{row}", {}))


def bulk_action(site: Site) -> bool:
    return _changes(site, lambda row: site.alice.post("/recordview/action_post", {"action": "close", "rowid": [row]}))


def master_detail(site: Site) -> bool:
    return _opens(site.alice, "/projectmasterview/list/{}", A_PROJECT, B_PROJECT)


def related_views(site: Site) -> bool:
    # B's own row points at A's project: A, opening the project, would see it beside its own.
    site.execute(f"update record set project_id = {A_PROJECT} where id = {B_RECORD}")
    answer = site.alice.get(f"/projectview/show/{A_PROJECT}")
    assert answer.shows("Alpha-1")
    return _shows(answer)


def forgotten_filter(site: Site) -> bool:
    return _shows(site.alice.get("/forgottenview/list/"))


def several_views(site: Site) -> bool:
    return _shows(site.alice.get("/severalview/list/"))


def compact_edit(site: Site) -> bool:
    def change(row: int) -> None:
        site.alice.post(f"/compactview/edit/{row}", {"code": f"Alpha-new-{row}", "title": "Alpha new"})

    site.alice.get(f"/compactview/edit/{B_RECORD}")  # opens the form beside the list
    # (B's project is in the search form of the same page, which is a probe of its own.)
    return site.alice.get("/compactview/list/").shows("Bravo-1") or _changes(site, change)


def chart(site: Site) -> bool:
    answer = site.alice.get("/recordchartview/chart/")
    assert answer.shows("Alpha title")
    return _shows(answer, "Bravo title")


def dotted_filter(site: Site) -> bool:
    return FOREIGN in _cells(site.alice.get("/dottedview/list/"))


def download(site: Site) -> bool:
    return _shows(site.alice.get(f"/recordview/download/{B_FILE}"))


def hidden_filter(site: Site) -> bool:
    """A column on no screen, found out letter by letter: one guess is right and one is wrong."""
    right, wrong = (_cells(site.alice.get(f"/recordview/list/?_flt_0_secret={guess}")) for guess in ("zu", "zz"))
    return "Alpha-1" in right and "Alpha-1" not in wrong


def _order(site: Site, column: str) -> list[str]:
    answer = site.alice.get(f"/recordview/list/?_oc_RecordView={column}&_od_RecordView=asc")
    return re.findall(r"Alpha-\d", _cells(answer))


def hidden_order(site: Site) -> bool:
    # Alpha-2 comes first only by the hidden columns: its own `secret`, or its project's `budget_code`.
    assert _order(site, "code")[0] == "Alpha-1"
    return "Alpha-2" in (_order(site, "secret")[0], _order(site, "project.budget_code")[0])


def page_size(site: Site) -> bool:
    return FOREIGN in _cells(site.alice.get("/recordview/list/?psize_RecordView=1000000"))


def unique_oracle(site: Site) -> bool:
    return _shows(site.alice.post("/recordview/add", _form(code="Bravo-1")), "Already exists")


# API


def api_list(site: Site) -> bool:
    answer = site.alice.get("/api/v1/record/")
    assert answer.shows("Alpha-1")
    return _shows(answer)


def api_linked_names(site: Site) -> bool:
    site.alice.post("/recordview/add", _form(project=B_PROJECT))
    return _shows(site.alice.get("/api/v1/record/"), "Bravo project")


def api_get(site: Site) -> bool:
    return _opens(site.alice, "/api/v1/record/{}", A_RECORD, B_RECORD)


def api_info(site: Site) -> bool:
    return _shows(site.alice.get("/api/v1/record/_info"))


def api_put(site: Site) -> bool:
    return _changes(site, lambda row: site.alice.send("PUT", f"/api/v1/record/{row}", {"title": "Alpha new"}))


def api_delete(site: Site) -> bool:
    return _changes(site, lambda row: site.alice.ask("DELETE", f"/api/v1/record/{row}"))


def api_post_linking(site: Site) -> bool:
    content = {"code": "Alpha-new", "title": "Alpha new", "project": B_PROJECT, "labels": [B_LABEL]}
    site.alice.send("POST", "/api/v1/record/", content)
    return _points_at_foreign(site)


def api_relation_filter(site: Site) -> bool:
    address = "/api/v1/record/?q=(filters:!((col:project,opr:rel_o_m,value:{})))"
    return _opens(site.alice, address, A_PROJECT, B_PROJECT)


# Administration: `chief` is the administrator of tenant A


def lists_users(site: Site) -> bool:
    return _shows(site.chief.get("/users/list/"), "bob@example.test")


def opens_user(site: Site) -> bool:
    return site.chief.get(f"/users/show/{site.user('bob')}").shows("bob@example.test")


def gives_self_admin(site: Site) -> bool:
    chief = site.user("chief")
    admin = site.value("select id from ab_role where name = 'Admin'")
    form = {"first_name": "chief", "last_name": "chief", "username": "chief", "email": "chief@example.test"}
    site.chief.post(f"/users/edit/{chief}", {**form, "active": "y", "roles": [admin]})
    return bool(site.value("select count(*) from ab_user_role where user_id = :u and role_id = :r", u=chief, r=admin))


def resets_root(site: Site) -> bool:
    form = {"password": "mine", "conf_password": "mine"}
    site.chief.post(f"/resetpassword/form?pk={site.user('root')}", form)
    return Browser(site.port).sign_in("root", "mine")


def security_api(site: Site) -> bool:
    return _shows(site.chief.get("/api/v1/security/users/"), "bob@example.test")
