"""The probes of lists and forms against our panel: each asks as somebody of A for what is B's.

Where the panel has no such feature, the probe says so: no route has its shape.
"""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy.exc import IntegrityError

from tests.factories import CASE, PERSON
from tests.new_case import open_case
from tests.panel.probes.panel_site import PanelSite

LISTS = ("/cases/", "/persons/", "/api/v1/cases/", "/api/v1/persons/")
CASE_FORM = {**CASE, "confidentiality": "INTERNAL"}
CHANGE = {"version": "1", **CASE_FORM, "province": "TR-34"}


def list_rows(site: PanelSite) -> None:
    for path, own in (("/cases/", site.a.reference), ("/persons/", site.a.pseudonym)):
        assert own in site.opens(site.alice, path).text
    for path in ("/cases/deleted", "/persons/deleted", "/units/", "/accounts/", "/roles/", "/institution-history/"):
        site.opens(site.chief, path)


def search_dropdown(site: PanelSite) -> None:
    # Filters offer codes of vocabularies and nothing out of a table.
    for path in ("/cases/", "/persons/", "/persons/search"):
        site.opens(site.alice, path)
    site.opens(site.chief, "/accounts/")


def show_by_id(site: PanelSite) -> None:
    for path, kind in (("/cases/{}", "case"), ("/persons/{}", "person"), ("/profiles/{}", "link")):
        site.opens(site.alice, path.format(getattr(site.a, kind)))
        site.shut(site.alice, "GET", path, getattr(site.b, kind))


def edit_page_by_id(site: PanelSite) -> None:
    for path, kind in (("/cases/{}/edit", "case"), ("/persons/{}/edit", "person"), ("/profiles/{}/edit", "link")):
        site.opens(site.alice, path.format(getattr(site.a, kind)))
        site.shut(site.alice, "GET", path, getattr(site.b, kind))
    site.opens(site.chief, f"/units/{site.a.unit}")
    site.shut(site.chief, "GET", "/units/{}", site.b.unit)


def add_dropdown(site: PanelSite) -> None:
    # The register of institutions is offered to all, as the lead institution; units are one's own.
    answer = site.opens(site.alice, "/cases/new")
    assert site.a.unit_name in answer.text
    site.opens(site.alice, f"/persons/new/{site.a.case}")
    site.opens(site.alice, f"/persons/link/{site.a.case}")
    site.opens(site.chief, "/accounts/new")


def edit_dropdown(site: PanelSite) -> None:
    for path in (f"/cases/{site.a.case}/edit", f"/cases/{site.a.case}/assign"):
        assert site.a.unit_name in site.opens(site.alice, path).text or "assign" in path
    colleague = site.a.colleague.id
    for path in (f"/units/{site.a.unit}", f"/accounts/{colleague}/edit", f"/roles/of/{colleague}/new"):
        site.opens(site.chief, path)


def add_linking(site: PanelSite) -> None:
    site.shut(site.alice, "POST", "/cases/new", site.b.unit, **CASE_FORM, unit_id="{}")
    site.shut(site.alice, "POST", f"/cases/{site.a.case}/assign", site.b.colleague.id, account_id="{}")
    # A pseudonym is typed, not chosen: B's is told as one that nobody has, beside its field.
    link = {"pseudonym": "{}", "role": "WITNESS"}
    path = f"/persons/link/{site.a.case}"
    for answer, _id in site.refused_alike(site.alice, "POST", path, site.b.pseudonym, "EGM-K-00000", link):
        assert answer.status_code == 422
    for answer, _id in site.refused_alike(
        site.chief, "POST", "/units/new", site.b.unit, uuid.uuid4(), {"name": "Yeni", "parent_id": "{}"}
    ):
        assert answer.status_code in (404, 422)


def linked_name_in_list(site: PanelSite) -> None:
    site.alice.post("/cases/new", **CASE_FORM, unit_id=str(site.b.unit))
    site.alice.post(f"/persons/link/{site.a.case}", pseudonym=site.b.pseudonym, role="WITNESS")
    for path in ("/cases/", "/persons/", f"/cases/{site.a.case}"):
        site.opens(site.alice, path)


def add_prefilled(site: PanelSite) -> None:
    """A field's value in the address enters neither the form nor the row."""
    address = f"/cases/new?unit_id={site.b.unit}&_flt_0_unit_id={site.b.unit}"
    site.silent(site.alice.get(address))
    answer = open_case(site.alice, address, **CASE_FORM)
    assert answer.status_code == 303
    made = answer.headers["Location"].rsplit("/", 1)[-1]
    unit = site.panel.value("select unit_id from case_file where id = cast(:id as uuid)", id=made)
    assert unit == site.a.unit, "the unit of the province"


def edit_relinking(site: PanelSite) -> None:
    site.shut(site.alice, "POST", f"/cases/{site.a.case}/edit", site.b.unit, **CHANGE, unit_id="{}")
    site.shut(site.chief, "POST", f"/cases/{site.a.case}/assign", site.b.colleague.id, account_id="{}")
    path, form = f"/accounts/{site.a.colleague.id}/edit", {"version": "1", "first_name": "Ad", "last_name": "Soyad"}
    form |= {"email": "biri@example.invalid", "language": "tr", "unit_id": "{}"}
    for answer, _id in site.refused_alike(site.chief, "POST", path, site.b.unit, uuid.uuid4(), form):
        assert answer.status_code in (404, 422)


def edit_by_id(site: PanelSite) -> None:
    site.shut(site.alice, "POST", "/cases/{}/edit", site.b.case, **CHANGE)
    site.shut(site.alice, "POST", "/persons/{}/edit", site.b.person, version="1", gender="Masculine")
    form = {"version": "", "trafficking_status": "PossibleVictimOfTrafficking"}
    site.shut(site.alice, "POST", "/profiles/{}/edit", site.b.link, **form)
    site.shut(site.chief, "POST", "/units/{}", site.b.unit, version="1", name="Başka")


def delete_by_id(site: PanelSite) -> None:
    why = {"version": "1", "reason": "DUPLICATE"}
    site.shut(site.chief, "POST", "/cases/{}/delete", site.b.case, **why)
    site.shut(site.chief, "POST", "/persons/{}/delete", site.b.person, **why)
    site.shut(site.chief, "POST", "/persons/unlink/{}", site.b.link, **why)
    site.shut(site.chief, "POST", "/cases/{}/restore", site.b.case)
    site.shut(site.chief, "POST", "/persons/{}/restore", site.b.person)


def single_action(site: PanelSite) -> None:
    site.shut(site.alice, "POST", "/cases/{}/close", site.b.case, version="1", reason="OTHER")
    site.shut(site.alice, "POST", "/cases/{}/reopen", site.b.case, version="1")
    site.shut(site.alice, "POST", "/cases/{}/assign", site.b.case, account_id=str(site.a.colleague.id))
    site.shut(site.alice, "POST", f"/cases/{site.b.case}/assign/{{}}/end", site.b.colleague.id)
    for path, id in (("/cases/{}", site.b.case), ("/persons/{}", site.b.person), ("/profiles/{}", site.b.link)):
        site.shut(site.alice, "POST", f"{path}/reveal", id, purpose="CASE_WORK")
    site.shut(site.alice, "GET", "/history/case/{}", site.b.case)


def bulk_action(site: PanelSite) -> None:
    # Nothing is done to several records at once. What takes several away, an export, takes one's own.
    site.stays_shut_without("action_post", "bulk", "mass")
    for path in ("/cases/export", "/persons/export"):
        answer = site.alice.post(path, purpose="STATISTICS", format="csv", rowid=str(site.b.case))
        assert answer.status_code == 200
        assert site.a.tenant.code in site.silent(answer).text


def master_detail(site: PanelSite) -> None:
    assert site.a.pseudonym in site.opens(site.alice, f"/cases/{site.a.case}").text
    for path in ("/persons/new/{}", "/persons/link/{}"):
        site.opens(site.alice, path.format(site.a.case))
        site.shut(site.alice, "GET", path, site.b.case)
        site.shut(site.alice, "POST", path, site.b.case, **PERSON, pseudonym=site.a.pseudonym)


def related_views(site: PanelSite) -> None:
    """B's row cannot point at A's record; B may name A as a lead institution, and A sees nothing of it."""
    values = {"institution": site.b.tenant.id, "unit": site.b.unit, "case": site.b.case, "person": site.a.person}
    statement = (
        "insert into case_person (institution_id, unit_id, case_id, person_id, role)"
        " values (:institution, :unit, :case, :person, 'WITNESS') returning id"
    )
    with pytest.raises(IntegrityError, match="case_person_person"):
        site.panel.rows(statement, **values)
    made = site.panel.make.case(site.b.caseworker, lead_institution_id=str(site.a.tenant.id))
    for path in ("/cases/", f"/persons/{site.a.person}", f"/cases/{site.a.case}"):
        assert made.reference not in site.opens(site.alice, path).text


def forgotten_filter(site: PanelSite) -> None:
    answer = site.opens(site.alice, "/forgotten/")
    assert site.a.reference in answer.text
    assert site.a.pseudonym in answer.text


def several_views(site: PanelSite) -> None:
    # The home page puts several lists side by side.
    for who in (site.alice, site.chief):
        site.opens(who, "/")


def compact_edit(site: PanelSite) -> None:
    # No list can be edited in place: a list page takes no POST.
    for path in ("/cases/", "/persons/", "/accounts/", "/units/"):
        assert site.chief.post(path, id=str(site.b.case)).status_code == 405


def chart(site: PanelSite) -> None:
    """There are no charts; the counts of the home page do not move with B's cases."""
    site.stays_shut_without("chart")
    before = site.opens(site.alice, "/").text.count("<li")
    site.panel.make.case(site.b.caseworker)
    assert site.opens(site.alice, "/").text.count("<li") == before
    assert site.alice.get("/oversight/institutions/").status_code == 403


def dotted_filter(site: PanelSite) -> None:
    # The one filter over a link to many: cases that are assigned to me.
    for path in ("/cases/?mine=yes", "/cases/?mine=no", "/persons/?child=no"):
        site.opens(site.alice, path)
    for path in LISTS:
        assert site.alice.get(f"{path}?people.person_id={site.b.person}").status_code == 400


def download(site: PanelSite) -> None:
    site.stays_shut_without("download", "upload", "image")
    for path in ("/static/../app.py", "/static/%2e%2e/panel.py", "/vendor/..%2f..%2fapp.py", "/vendor/app.py"):
        assert site.alice.get(path).status_code == 404


def hidden_filter(site: PanelSite) -> None:
    hidden = ("narrative", "given_name", "given_name_enc", "index_terms", "deleted_at", "unit_id", "_flt_0_secret")
    for path in LISTS:
        for name in hidden:
            answer = site.alice.get(f"{path}?{name}=a")
            assert answer.status_code == 400, (path, name)
            assert site.a.reference not in answer.text


def hidden_order(site: PanelSite) -> None:
    for path in LISTS:
        for name in ("narrative_enc", "-given_name_enc", "index_terms", "unit", "unit.name", "created_by", "id", "1"):
            answer = site.alice.get(f"{path}?sort={name}")
            assert answer.status_code == 400, (path, name)
            assert site.a.reference not in answer.text


def page_size(site: PanelSite) -> None:
    for path in (*LISTS, "/cases/export"):
        for size in ("101", "1000000", "-1", "0", "all"):
            assert site.alice.get(f"{path}?size={size}").status_code == 400, (path, size)
    for path in ("/institution-history/", "/accounts/"):
        assert site.chief.get(f"{path}?size=1000000").status_code == 400


def unique_oracle(site: PanelSite) -> None:
    """Unique values are unique inside an institution; user names of others are refused by their form."""
    person = {"first_name": "Ada", "last_name": "Deneme", "email": "ada@example.invalid", "language": "tr"}
    person |= {"role": "caseworker", "reason": "WRITTEN_ORDER"}
    path, free = "/accounts/new", site.b.colleague.username + "9"
    for answer, _id in site.refused_alike(
        site.chief, "POST", path, site.b.colleague.username, free, {**person, "username": "{}"}
    ):
        assert answer.status_code == 422
    site.panel.make.unit("Aynı adlı birim", site.b.tenant)
    assert site.chief.post("/units/new", name="Aynı adlı birim", parent_id=str(site.a.tenant.root)).status_code == 303
    email = site.panel.value("select email from account where id = :id", id=site.b.colleague.id)
    made = site.chief.post(path, **{**person, "email": email})
    assert made.status_code == 200, made.text[-1500:]
