"""The 39 probes against the base of all records (RecordPage, RecordApi), on an area that no product has.

Each asks as somebody of A for what is B's. The probes of administration ask for what stands behind them: rows of all
institutions, a row by a key that somebody else holds, and a field that nobody may set.
"""

from __future__ import annotations

import json
import re
import uuid

import pytest
from sqlalchemy.exc import IntegrityError

from tests.panel.probes.record_site import API, ASKED, VISITED, RecordSite

PAGES = ("/handovers/", "/visits/")
LISTS = (*PAGES, f"{API}/handovers/", f"{API}/visits/")
WHY = {"version": "1", "reason": "DUPLICATE"}
HIDDEN = (
    "note",
    "note_enc",
    "institution_id",
    "unit_id",
    "common",
    "deleted_at",
    "created_by",
    "shared",
    "_flt_0_note",
)


def list_rows(site: RecordSite) -> None:
    for name, own, _foreign in site.pairs():
        for who in (site.alice, site.chief):
            assert str(own) in site.opens(who, f"/{name}/").text
        site.opens(site.chief, f"/{name}/deleted")


def search_dropdown(site: RecordSite) -> None:
    # Filters offer codes of vocabularies and days, and nothing out of a table.
    for path in PAGES:
        answer = site.opens(site.alice, path)
        assert site.a.pseudonym not in "".join(re.findall(r"<select.*?</select>", answer.text, re.DOTALL))


def show_by_id(site: RecordSite) -> None:
    for name, own, foreign in site.pairs():
        site.opens(site.alice, f"/{name}/{own}")
        site.shut(site.alice, "GET", f"/{name}/{{}}", foreign)


def edit_page_by_id(site: RecordSite) -> None:
    for name, own, foreign in site.pairs():
        site.opens(site.alice, f"/{name}/{own}/edit")
        site.shut(site.alice, "GET", f"/{name}/{{}}/edit", foreign)


def add_dropdown(site: RecordSite) -> None:
    assert site.a.pseudonym in site.opens(site.alice, "/handovers/new").text
    site.opens(site.alice, f"/visits/new/{site.ours.handover}")


def edit_dropdown(site: RecordSite) -> None:
    assert site.a.pseudonym in site.opens(site.alice, f"/handovers/{site.ours.handover}/edit").text
    site.opens(site.alice, f"/visits/{site.ours.visit}/edit")


def add_linking(site: RecordSite) -> None:
    site.unlinked(site.alice, "POST", "/handovers/new", {**site.asked, "person_id": "{}", "note": "Not"})


def linked_name_in_list(site: RecordSite) -> None:
    site.alice.post("/handovers/new", **site.asked, person_id=str(site.b.person), note="Not")
    for path in (*PAGES, "/handovers/?sort=-due_day"):
        site.opens(site.alice, path)


def add_prefilled(site: RecordSite) -> None:
    """A field's value in the address enters neither the form nor the row."""
    address = f"/handovers/new?person_id={site.b.person}&_flt_0_person_id={site.b.person}"
    site.silent(site.alice.get(address), site.b.person)
    answer = site.alice.post(address, **site.asked)
    assert answer.status_code == 303, answer.text[-900:]
    made = answer.headers["Location"].partition("?")[0].rsplit("/", 1)[-1]
    assert site.panel.value("select person_id from handover where id = cast(:id as uuid)", id=made) is None


def edit_relinking(site: RecordSite) -> None:
    alone = site.made(site.alice, f"{API}/handovers/", site.asked)
    site.unlinked(site.alice, "POST", f"/handovers/{alone}/edit", {"version": "1", "person_id": "{}"})
    # A visit's parent is in no form: what is sent for it is not read.
    moved = {"version": "1", **VISITED, "handover_id": str(site.theirs.handover)}
    site.silent(site.alice.post(f"/visits/{site.ours.visit}/edit", **moved))
    parent = site.panel.value("select handover_id from visit where id = :id", id=site.ours.visit)
    assert parent == site.ours.handover


def edit_by_id(site: RecordSite) -> None:
    site.shut(site.alice, "POST", "/handovers/{}/edit", site.theirs.handover, version="1", note="Başka")
    site.shut(site.alice, "POST", "/visits/{}/edit", site.theirs.visit, version="1", **VISITED)


def delete_by_id(site: RecordSite) -> None:
    for name, own, foreign in site.pairs():
        site.opens(site.chief, f"/{name}/{own}/delete")
        for act in ("delete", "restore"):
            site.shut(site.chief, "POST", f"/{name}/{{}}/{act}", foreign, **WHY)


def single_action(site: RecordSite) -> None:
    acts = (("handovers", ("take", "refuse", "withdraw", "end")), ("visits", ("carry_out", "call_off", "mark_urgent")))
    for (name, its), (_name, _own, foreign) in zip(acts, site.pairs(), strict=True):
        for act in its:
            site.shut(site.alice, "POST", f"/{name}/{{}}/{act}", foreign, version="1", **VISITED)
        site.shut(site.alice, "POST", f"/{name}/{{}}/reveal", foreign, purpose="CASE_WORK")
        site.shut(site.alice, "GET", f"/history/{name.removesuffix('s')}/{{}}", foreign)


def bulk_action(site: RecordSite) -> None:
    # What takes several away, an export, takes one's own whatever rows are named.
    site.stays_shut_without("action_post", "mass")
    for name, _own, foreign in site.pairs():
        answer = site.chief.post(f"/{name}/export", purpose="STATISTICS", format="csv", rowid=str(foreign))
        assert answer.status_code == 200
        assert len(site.silent(answer).text.splitlines()) > 1


def master_detail(site: RecordSite) -> None:
    site.opens(site.alice, f"/visits/new/{site.ours.handover}")
    site.shut(site.alice, "GET", "/visits/new/{}", site.theirs.handover)
    site.shut(site.alice, "POST", "/visits/new/{}", site.theirs.handover, **VISITED)


def related_views(site: RecordSite) -> None:
    """A part of B's cannot hang on A's record, nor A's on B's, and neither is in the other's history."""
    for holder, parent in ((site.b, site.ours.handover), (site.a, site.theirs.handover)):
        values = {"institution": holder.tenant.id, "unit": holder.unit, "handover": parent}
        with pytest.raises(IntegrityError, match=r"visit_(handover|unit)"):
            site.panel.rows(
                "insert into visit (institution_id, unit_id, handover_id, state, day, urgent)"
                " values (:institution, :unit, :handover, 'planned', '2026-04-01', false) returning id",
                **values,
            )
    site.opens(site.alice, f"/history/handover/{site.ours.handover}")


def forgotten_filter(site: RecordSite) -> None:
    answer = site.opens(site.alice, "/forgotten-records/")
    assert str(site.ours.handover) in answer.text
    assert str(site.ours.visit) in answer.text


def several_views(site: RecordSite) -> None:
    # A record's page with its buttons, its history with its parts, and the home page.
    for path in (f"/handovers/{site.ours.handover}", f"/history/handover/{site.ours.handover}", "/"):
        site.opens(site.alice, path)


def compact_edit(site: RecordSite) -> None:
    # No list can be edited in place: a list page takes no POST.
    for path in PAGES:
        assert site.chief.post(path, id=str(site.theirs.handover)).status_code == 405


def chart(site: RecordSite) -> None:
    """Totals do not move with B's records."""
    site.stays_shut_without("chart")
    paths = [f"{API}/{name}/" for name, _own, _foreign in site.pairs()]
    before = [json.loads(site.alice.get(path).text)["total"] for path in paths]
    site.held(site.bob, site.b.person, "Bravo sayısı")
    assert [json.loads(site.alice.get(path).text)["total"] for path in paths] == before


def dotted_filter(site: RecordSite) -> None:
    for path in LISTS:
        for name in ("handover.person_id", "person.pseudonym", "other_institution.code", "visits.day"):
            assert site.alice.get(f"{path}?{name}={site.b.person}").status_code == 400, (path, name)


def download(site: RecordSite) -> None:
    site.stays_shut_without("download", "upload", "image")
    for name, _own, foreign in site.pairs():
        for query in (f"id={foreign}", f"ids={foreign}"):
            assert site.chief.get(f"/{name}/export?{query}").status_code == 400


def hidden_filter(site: RecordSite) -> None:
    for path in LISTS:
        for name in HIDDEN:
            answer = site.alice.get(f"{path}?{name}=a")
            assert answer.status_code == 400, (path, name)
            assert str(site.ours.handover) not in answer.text


def hidden_order(site: RecordSite) -> None:
    for path in LISTS:
        for name in (*HIDDEN, "-note_enc", "person.pseudonym", "handover.due_day", "state", "id", "1"):
            answer = site.alice.get(f"{path}?sort={name}")
            assert answer.status_code == 400, (path, name)
            assert str(site.ours.handover) not in answer.text


def page_size(site: RecordSite) -> None:
    for path in (*LISTS, "/handovers/export", "/visits/export"):
        for size in ("101", "1000000", "-1", "0", "all"):
            assert site.alice.get(f"{path}?size={size}").status_code == 400, (path, size)


def unique_oracle(site: RecordSite) -> None:
    """A number that somebody else has is refused as one that is free: nobody chooses a record's number."""
    for name, place, content in (
        ("handovers", "", site.asked),
        ("visits", f"in/{site.ours.handover}", VISITED),
    ):
        foreign = dict(zip(("handovers", "visits"), (site.theirs.handover, site.theirs.visit), strict=True))[name]
        fields = {**content, "id": "{}"}
        for answer, _id in site.refused_alike(
            site.alice, "POST", f"{API}/{name}/{place}", foreign, uuid.uuid4(), fields
        ):
            assert answer.status_code == 400


def api_list(site: RecordSite) -> None:
    for name, own, _foreign in site.pairs():
        assert str(own) in site.opens(site.alice, f"{API}/{name}/").text


def api_linked_names(site: RecordSite) -> None:
    site.alice.send("POST", f"{API}/handovers/", {**site.asked, "person_id": str(site.b.person), "note": "Not"})
    for path in (f"{API}/handovers/", f"{API}/visits/", f"{API}/handovers/{site.ours.handover}"):
        site.opens(site.alice, path)


def api_get(site: RecordSite) -> None:
    for name, own, foreign in site.pairs():
        site.opens(site.alice, f"{API}/{name}/{own}")
        site.shut(site.alice, "GET", f"{API}/{name}/{{}}", foreign)
        site.shut(site.alice, "POST", f"{API}/{name}/{{}}/reveal", foreign, purpose="CASE_WORK")


def api_info(site: RecordSite) -> None:
    # No resource describes the values of its relations; the description of the API holds no value at all.
    site.stays_shut_without("_info")
    answer = site.opens(site.alice, f"{API}/openapi.json")
    assert str(site.ours.handover) not in answer.text
    assert site.a.pseudonym not in answer.text


def api_put(site: RecordSite) -> None:
    site.shut(site.alice, "PATCH", f"{API}/handovers/{{}}", site.theirs.handover, row_version=1, note="Başka")
    site.shut(site.alice, "PATCH", f"{API}/visits/{{}}", site.theirs.visit, row_version=1, **VISITED)
    for act in ("take", "refuse", "withdraw", "end"):
        site.shut(site.alice, "POST", f"{API}/handovers/{{}}/{act}", site.theirs.handover, row_version=1)
    for act in ("carry_out", "call_off"):
        site.shut(site.alice, "POST", f"{API}/visits/{{}}/{act}", site.theirs.visit, row_version=1)
    for name, _own, foreign in site.pairs():
        assert site.alice.send("PUT", f"{API}/{name}/{foreign}", {"row_version": 1}).status_code == 405


def api_delete(site: RecordSite) -> None:
    why = {"row_version": 1, "reason": "DUPLICATE"}
    for name, _own, foreign in site.pairs():
        site.shut(site.chief, "DELETE", f"{API}/{name}/{{}}", foreign, **why)
        site.shut(site.chief, "POST", f"{API}/{name}/{{}}/deletion", foreign, **why)
        site.shut(site.chief, "POST", f"{API}/{name}/{{}}/restore", foreign)


def api_post_linking(site: RecordSite) -> None:
    site.unlinked(site.alice, "POST", f"{API}/handovers/", {**site.asked, "person_id": "{}", "note": "Not"})
    site.shut(site.alice, "POST", f"{API}/visits/in/{{}}", site.theirs.handover, **VISITED)


def api_relation_filter(site: RecordSite) -> None:
    for name in ("person", "person_id", "handover_id", "other_institution_id", "filters", "q"):
        for path in (f"{API}/handovers/", f"{API}/visits/"):
            assert site.alice.get(f"{path}?{name}={site.b.person}").status_code == 400, (path, name)
    rison = f"(filters:!((col:person,opr:rel_o_m,value:'{site.b.person}')))"
    assert site.alice.get(f"{API}/handovers/?q={rison}").status_code == 400


# Administration


def lists_users(site: RecordSite) -> None:
    """A manager lists the own institution's records alone: no parameter of the address widens it."""
    for name, own, _foreign in site.pairs():
        assert str(own) in site.opens(site.chief, f"/{name}/").text
        for query in (f"institution={site.b.tenant.code}", f"institution_id={site.b.tenant.id}", "all=1", "scope=all"):
            assert site.chief.get(f"/{name}/?{query}").status_code == 400, query


def opens_user(site: RecordSite) -> None:
    """Every page of a record that the manager may enter is shut for B's: the list of pages comes from the routes."""
    asked = 0
    register = site.panel.app.extensions["itm_access"]
    records = {"HandoverView": site.theirs.handover, "VisitView": site.theirs.visit}
    for rule in site.panel.app.url_map.iter_rules():
        foreign = records.get(rule.endpoint.partition(".")[0])
        if foreign is None or rule.arguments != {"id"} or "GET" not in (rule.methods or ()):
            continue
        asked += 1
        assert register[rule.endpoint].scopes
        for who in (site.chief, site.alice):
            site.shut(who, "GET", rule.rule.replace("<uuid:id>", "{}"), foreign)
    assert asked > 10


def gives_self_admin(site: RecordSite) -> None:
    """Columns that nobody may set (holder, state, side) are in no schema, and a form does not read them."""
    forbidden = {
        "institution_id": str(site.b.tenant.id), "unit_id": str(site.b.unit), "created_by": str(site.b.caseworker.id),
        "state": "taken", "party": "to", "common": str(uuid.uuid4()), "deleted_at": None, "row_version": 7,
        "handover_id": str(site.theirs.handover),
    }  # fmt: skip
    before = site.panel.state()
    for name, text in forbidden.items():
        for path, content in ((f"{API}/handovers/", site.asked), (f"{API}/visits/in/{site.ours.handover}", VISITED)):
            assert site.alice.send("POST", path, {**content, name: text}).status_code == 400, (path, name)
    assert site.panel.state() == before
    sent = {name: text for name, text in forbidden.items() if text is not None}
    answer = site.alice.post("/handovers/new", **{**sent, **site.asked})
    assert answer.status_code == 303
    made = answer.headers["Location"].partition("?")[0].rsplit("/", 1)[-1]
    row = site.panel.rows("select institution_id, state, party from handover where id = cast(:id as uuid)", id=made)[0]
    assert tuple(row) == (site.a.tenant.id, "asked", "from")


def resets_root(site: RecordSite) -> None:
    """The record is the one of the path: a key in the query or the body names no other."""
    theirs = "select row_version, due_day from handover where id = :id"
    before = tuple(site.panel.rows(theirs, id=site.theirs.handover)[0])
    mine = site.made(site.alice, f"{API}/visits/in/{site.ours.handover}", VISITED)
    query = f"pk={site.theirs.visit}&id={site.theirs.visit}"
    changed = site.alice.post(f"/visits/{mine}/edit?{query}", version="1", id=str(site.theirs.visit), day="2026-04-02")
    assert changed.status_code == 303, changed.text[-900:]
    days = [str(site.panel.value("select day from visit where id = :id", id=id)) for id in (mine, site.theirs.visit)]
    assert days == ["2026-04-02", VISITED["day"]]
    assert tuple(site.panel.rows(theirs, id=site.theirs.handover)[0]) == before


def security_api(site: RecordSite) -> None:
    """The interface of a kind has the declared operations, and none of Flask-AppBuilder's own."""
    rules = {rule for rule in site.rules() if rule.startswith(f"{API}/visits/")}
    inside = {rule.removeprefix(f"{API}/visits/") for rule in rules}
    acts = {"deletion", "restore", "reveal", "carry_out", "call_off"}
    assert inside == {"", "<uuid:id>", "in/<uuid:parent>", *(f"<uuid:id>/{act}" for act in acts)}
    for path in ("_info", "info", "?_oc_=note", "distinct/note", "related/person", f"?keys={','.join(ASKED)}"):
        assert site.alice.get(f"{API}/visits/{path}").status_code in (400, 404), path
