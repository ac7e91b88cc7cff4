"""An institution's primary and deputy focal point: named by its manager, approved by the Presidency alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import bootstrap
from itm_admin.foundation import tenancy

if TYPE_CHECKING:
    from tests.factories import Somebody
    from tests.panel.panel_app import RunningPanel

STANDING = (
    "select kind, account_id from access_change where institution_id = :id and kind in ('primary', 'deputy')"
    " and state = 'done' order by kind"
)


def name(panel: RunningPanel, by: Somebody, who: Somebody, rank: str, reason: str = "NEW_TASK") -> int:
    return panel.browser(by).post(f"/confirmations/focal-point/{who.id}", rank=rank, reason=reason).status_code


def waiting(panel: RunningPanel, who: Somebody) -> uuid.UUID:
    asked = (
        "select id from access_change where account_id = :id and kind in ('primary', 'deputy') and state = 'waiting'"
    )
    found: uuid.UUID = panel.value(asked, id=who.id)
    return found


def confirm(panel: RunningPanel, by: Somebody, change: uuid.UUID) -> str:
    panel.browser(by).post(f"/confirmations/{change}/confirm")
    return str(panel.value("select state from access_change where id = :id", id=change))


def standing(panel: RunningPanel, home: uuid.UUID) -> dict[str, uuid.UUID]:
    return {row[0]: row[1] for row in panel.rows(STANDING, id=home)}


def test_a_manager_names_and_the_presidency_alone_approves(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("FOC", "agency")
    boss, other, admin, supervisor = make.manager(home), make.manager(home), make.administrator(), make.supervisor()
    first, second, worker = make.focal_point(home), make.focal_point(home), make.caseworker(home)
    assert name(panel, boss, first, "primary", "") == 422
    assert name(panel, boss, first, "third") == 422
    assert [name(panel, boss, each, "primary") for each in (worker, boss)] == [403, 403]
    assert [name(panel, each, first, "primary") for each in (admin, supervisor, worker)] == [403, 403, 403]
    assert name(panel, boss, first, "primary") == 303
    change = waiting(panel, first)
    assert [confirm(panel, each, change) for each in (boss, other, admin, worker, first)] == ["waiting"] * 5
    assert "Başkanlığın onayını bekliyor" in panel.browser(supervisor).get(f"/institutions/{home.id}").text
    assert "1 kişi onayınızı bekliyor" in panel.browser(supervisor).get("/").text
    assert confirm(panel, supervisor, change) == "done"
    page = panel.browser(supervisor).get(f"/institutions/{home.id}").text
    assert "Asıl odak noktası" in page
    assert f"{first.actor.full_name} (FOC (tr)), " in page
    auditor = panel.browser(make.auditor())
    for browser, address in ((panel.browser(boss), "/accounts/"), (auditor, "/audit/accounts/")):
        shown = browser.get(f"{address}{first.id}").text.partition("<h2>")[0]
        assert "Kurumun odak noktası" in shown
        assert "Asıl odak noktası" in shown

    assert name(panel, boss, second, "primary") == 303
    assert standing(panel, home.id) == {"primary": first.id}
    assert confirm(panel, supervisor, waiting(panel, second)) == "done"
    assert standing(panel, home.id) == {"primary": second.id}
    assert name(panel, boss, first, "deputy") == 303
    assert confirm(panel, supervisor, waiting(panel, first)) == "done"
    assert standing(panel, home.id) == {"deputy": first.id, "primary": second.id}

    assert name(panel, boss, second, "deputy") == 303
    assert confirm(panel, supervisor, waiting(panel, second)) == "done"
    assert standing(panel, home.id) == {"deputy": second.id}, "one person holds one rank"
    assert name(panel, boss, first, "primary") == 303
    assert confirm(panel, supervisor, waiting(panel, first)) == "done"

    assert panel.browser(boss).post(f"/accounts/{second.id}/suspend", reason="LEFT").status_code == 303
    grant = panel.value("select id from role_grant where account_id = :id", id=first.id)
    assert panel.browser(boss).post(f"/roles/{grant}/end", reason="MOVED").status_code == 303
    assert standing(panel, home.id) == {}


def test_what_the_presidency_refuses_changes_no_access(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("FOR", "agency")
    boss, who, supervisor = make.manager(home), make.focal_point(home), make.supervisor()
    assert name(panel, boss, who, "deputy") == 303
    change = waiting(panel, who)
    panel.browser(supervisor).post(f"/confirmations/{change}/refuse")
    assert panel.value("select state from access_change where id = :id", id=change) == "refused"
    assert panel.value("select count(*) from credential where account_id = :id", id=who.id) == 1
    assert standing(panel, home.id) == {}


def test_the_database_knows_no_other_way_to_a_rank(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("FOD", "agency")
    boss, who, worker, admin = make.manager(home), make.focal_point(home), make.caseworker(home), make.administrator()
    assert name(panel, boss, who, "primary") == 303
    insert = (
        "insert into access_change (institution_id, account_id, kind, reason) values (:home, :id, 'deputy', 'NEW_TASK')"
    )
    update = "update access_change set state = 'done' where id = :id"
    change = waiting(panel, who)
    for by, scope, statement, id, why in (
        (boss, "institution", insert, worker.id, "not asked for from here"),
        (admin, "accounts", insert, who.id, "not asked for from here"),
        (worker, "institution", update, change, "the Presidency approves"),
        (admin, "accounts", update, change, "the Presidency approves"),
    ):
        with (
            bootstrap.making_sessions(panel.database.engine("app"))() as session,
            tenancy.acting(by.context(scope), session),
            pytest.raises(DBAPIError, match=why),
        ):
            session.execute(text(statement), {"home": home.id, "id": id})


def test_everybody_finds_the_contact_of_each_institution_and_managers_what_waits_in_the_own(
    panel: RunningPanel,
) -> None:
    make, home, other = panel.make, panel.make.institution("FOD", "agency"), panel.make.institution("FOE", "agency")
    boss, first, second = make.manager(home), make.focal_point(home), make.focal_point(home)
    assert name(panel, boss, first, "primary") == 303
    assert first.actor.full_name not in panel.browser(make.caseworker(other)).get("/focal-points/").text
    assert confirm(panel, make.supervisor(), waiting(panel, first)) == "done"
    assert name(panel, boss, second, "deputy") == 303
    everybody = (
        make.caseworker(other), make.manager(other), make.focal_point(home), make.auditor(), make.auditor(other),
        make.supervisor(), make.administrator(),
    )  # fmt: skip
    for reader in everybody:
        page = panel.browser(reader).get("/focal-points/")
        assert page.status_code == 200, reader.username
        assert first.actor.full_name in page.text, reader.username
        assert second.actor.full_name not in page.text, "who waits stands for nobody yet"
        email = panel.value("select email from account where id = :id", id=first.id)
        assert email not in page.text
    own = panel.browser(boss).get("/focal-points/").text
    assert "Başkanlığın onayını bekliyor" in own
    assert second.actor.full_name in own
    with panel.make.working(make.caseworker(other)) as session:
        seen = session.execute(text("select account_id from itm.focal_points()")).scalars().all()
        assert first.id in seen
        assert second.id not in seen
