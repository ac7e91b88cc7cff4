"""The probes of the API and of administration against our panel. `chief` is the manager of institution A."""

from __future__ import annotations

import json
from typing import Any

from itm_admin.foundation.roles import ROLES
from tests.factories import CASE, PASSWORD, PERSON
from tests.panel.probes.panel_site import PanelSite

API = "/api/v1"
RECORDS = (("cases", "case"), ("persons", "person"), ("profiles", "link"))


def api_list(site: PanelSite) -> None:
    for name, own in (("cases", site.a.reference), ("persons", site.a.pseudonym)):
        assert own in site.opens(site.alice, f"{API}/{name}/").text


def api_linked_names(site: PanelSite) -> None:
    content = {"person_id": str(site.b.person), "role": "WITNESS"}
    site.alice.send("POST", f"{API}/cases/{site.a.case}/people", content)
    site.alice.send("POST", f"{API}/cases/", {**CASE, "unit_id": str(site.b.unit)})
    for path in (f"{API}/cases/", f"{API}/cases/{site.a.case}", f"{API}/persons/"):
        site.opens(site.alice, path)


def api_get(site: PanelSite) -> None:
    for name, kind in RECORDS:
        site.opens(site.alice, f"{API}/{name}/{getattr(site.a, kind)}")
        site.shut(site.alice, "GET", f"{API}/{name}/{{}}", getattr(site.b, kind))
        site.shut(site.alice, "POST", f"{API}/{name}/{{}}/reveal", getattr(site.b, kind), purpose="CASE_WORK")


def api_info(site: PanelSite) -> None:
    # No resource describes the values of its relations; the description of the API holds no value at all.
    site.stays_shut_without("_info")
    answer = site.opens(site.alice, f"{API}/openapi.json")
    assert not any(mark in answer.text for mark in site.a.marks)


def api_put(site: PanelSite) -> None:
    change: dict[str, Any] = {"row_version": 1, "province": "TR-34"}
    site.shut(site.alice, "PATCH", f"{API}/cases/{{}}", site.b.case, **change)
    site.shut(site.alice, "PATCH", f"{API}/persons/{{}}", site.b.person, row_version=1, gender="Masculine")
    profile = {"trafficking_status": "PossibleVictimOfTrafficking"}
    site.shut(site.alice, "PATCH", f"{API}/profiles/{{}}", site.b.link, **profile)
    site.shut(site.alice, "POST", f"{API}/cases/{{}}/close", site.b.case, row_version=1, reason="OTHER")
    site.shut(site.alice, "POST", f"{API}/cases/{{}}/reopen", site.b.case, row_version=1)
    site.shut(site.alice, "PATCH", f"{API}/cases/{site.a.case}", site.b.unit, row_version=1, unit_id="{}")
    for name, kind in RECORDS:
        assert site.alice.send("PUT", f"{API}/{name}/{getattr(site.b, kind)}", change).status_code == 405


def api_delete(site: PanelSite) -> None:
    why = {"row_version": 1, "reason": "DUPLICATE"}
    site.shut(site.chief, "DELETE", f"{API}/cases/{{}}", site.b.case, **why)
    site.shut(site.chief, "DELETE", f"{API}/persons/{{}}", site.b.person, **why)
    site.shut(site.chief, "POST", f"{API}/cases/{{}}/restore", site.b.case)
    site.shut(site.chief, "POST", f"{API}/persons/{{}}/restore", site.b.person)
    site.shut(site.alice, "DELETE", f"{API}/cases/{site.b.case}/assignments/{{}}", site.b.colleague.id)


def api_post_linking(site: PanelSite) -> None:
    site.shut(site.alice, "POST", f"{API}/cases/", site.b.unit, **CASE, unit_id="{}")
    site.shut(site.alice, "POST", f"{API}/cases/{site.a.case}/people", site.b.person, person_id="{}", role="WITNESS")
    site.shut(site.alice, "POST", f"{API}/cases/{{}}/people", site.b.case, **PERSON)
    site.shut(site.alice, "POST", f"{API}/cases/{site.a.case}/assignments", site.b.colleague.id, account_id="{}")
    site.shut(site.alice, "POST", f"{API}/cases/{{}}/assignments", site.b.case, account_id=str(site.a.colleague.id))


def api_relation_filter(site: PanelSite) -> None:
    for name in ("unit", "unit_id", "person", "person_id", "lead_institution_id", "filters"):
        for record in ("cases", "persons"):
            assert site.alice.get(f"{API}/{record}/?{name}={site.b.unit}").status_code == 400
    rison = f"(filters:!((col:unit,opr:rel_o_m,value:'{site.b.unit}')))"
    assert site.alice.get(f"{API}/cases/?q={rison}").status_code == 400  # `q` is a reference or a part of one
    found = site.alice.send("POST", f"{API}/persons/search", {"name": f"Soyad{site.b.tenant.code}"})
    assert json.loads(site.silent(found).text)["items"] == []
    found = site.alice.send("POST", f"{API}/persons/search", {"name": f"Soyad{site.a.tenant.code}"})
    assert [item["pseudonym"] for item in json.loads(found.text)["items"]] == [site.a.pseudonym]


# Administration


def lists_users(site: PanelSite) -> None:
    assert site.a.colleague.username in site.opens(site.chief, "/accounts/").text
    for role in ROLES:
        site.opens(site.chief, f"/accounts/?role={role}")
    assert site.alice.get("/accounts/").status_code == 403
    assert site.chief.get(f"/accounts/?institution={site.b.tenant.code}").status_code == 400


def opens_user(site: PanelSite) -> None:
    history = "/history/account/{}"
    for path in ("/accounts/{}", "/accounts/{}/edit", "/roles/of/{}/new", history, f"{history}/acts"):
        site.opens(site.chief, path.format(site.a.colleague.id))
        site.shut(site.chief, "GET", path, site.b.colleague.id)
    person = {"first_name": "Ad", "last_name": "Soyad", "email": "ad@example.invalid", "language": "tr"}
    site.shut(site.chief, "POST", "/accounts/{}/edit", site.b.colleague.id, version="1", **person)
    for act in ("suspend", "reactivate", "invite"):
        site.shut(site.chief, "POST", f"/accounts/{{}}/{act}", site.b.colleague.id)


def gives_self_admin(site: PanelSite) -> None:
    chief = site.panel.value("select account_id from role_grant where role = 'institution_manager' and state = 'active'"
                             " and institution_id = :id", id=site.a.tenant.id)  # fmt: skip
    high = ("system_administrator", "presidency_supervisor", "institution_manager", "auditor_national", "Admin")
    before = site.panel.state()
    for account in (chief, site.a.colleague.id):
        for role in high:
            if (account, role) == (site.a.colleague.id, "auditor_national"):
                continue  # a manager may propose it for others; two approvals make it hold
            answer = site.chief.post(f"/roles/of/{account}/new", role=role, reason="NEW_TASK")
            assert answer.status_code in (403, 404, 422), (account, role, answer.status_code)
    assert site.panel.state() == before
    site.shut(site.chief, "POST", "/roles/of/{}/new", site.b.colleague.id, role="focal_point")
    for act in ("end", "approve", "refuse"):
        site.shut(site.chief, "POST", f"/roles/{{}}/{act}", site.b.grant)


def resets_root(site: PanelSite) -> None:
    """Nobody chooses another person's password; the link for a new one is not the manager's to make for root."""
    site.stays_shut_without("resetpassword", "resetmypassword", "userinfoedit", "register")
    root = site.panel.make.administrator()
    site.shut(site.chief, "POST", "/accounts/{}/invite", root.id)
    form = {"password": "mine and mine alone", "again": "mine and mine alone", "current": "mine"}
    assert site.chief.post(f"/profile/password?pk={root.id}", **form, pk=str(root.id)).status_code == 422
    told = {"username": root.username, "password": PASSWORD, "code": site.panel.make.code(root.username)}
    answer = site.panel.browser().send("POST", f"{API}/session/", told)
    assert answer.status_code == 200


def security_api(site: PanelSite) -> None:
    # Accounts, roles and permissions have no API; Flask-AppBuilder's is not registered.
    site.stays_shut_without("security", "/users", "permission", "viewmenu", f"{API}/accounts", f"{API}/roles")
    for path in (f"{API}/security/users/", f"{API}/security/roles/", f"{API}/menu/", "/users/list/"):
        assert site.chief.get(path).status_code == 404
