"""Each act on an account has a reason, and nothing of somebody who leaves stays assigned to nobody in silence."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import bootstrap
from itm_admin.accounts.reasons import REASONS
from itm_admin.foundation import tenancy

if TYPE_CHECKING:
    from tests.factories import Somebody
    from tests.panel.panel_app import RunningPanel

ON_IT = "select account_id from case_assignment where case_id = :id and ended_at is null"
WHY = "select kind, reason from access_change where account_id = :id order by created_at, id"


def case_of(panel: RunningPanel, who: Somebody, opener: Somebody) -> uuid.UUID:
    """A case on which this person alone is at work."""
    case = panel.make.case(opener).id
    opened = panel.browser(opener)
    assert opened.post(f"/cases/{case}/assign", account_id=str(who.id)).status_code == 303
    assert opened.post(f"/cases/{case}/assign/{opener.id}/end").status_code == 303
    return case


def on_it(panel: RunningPanel, case: uuid.UUID) -> set[uuid.UUID]:
    return {row[0] for row in panel.rows(ON_IT, id=case)}


def test_the_lists_of_reasons_are_those_of_the_database(panel: RunningPanel) -> None:
    for kind, codes in REASONS.items():
        assert panel.value("select itm.reasons(:kind)", kind=kind) == list(codes)


def test_a_suspension_hands_the_open_cases_over_in_the_same_act(panel: RunningPanel) -> None:
    make = panel.make
    who, opener, heir, boss = make.caseworker(), make.focal_point(), make.caseworker(), make.manager()
    one, both = case_of(panel, who, opener), case_of(panel, who, opener)
    panel.browser(opener).post(f"/cases/{both}/assign", account_id=str(heir.id))
    manager, path = panel.browser(boss), f"/accounts/{who.id}/suspend"
    page = manager.get(path).text
    reference = panel.value("select reference from case_file where id = :id", id=one)
    assert reference in page
    assert "2 açık dosya" in page
    assert f'value="{heir.id}"' in page
    assert f'value="{who.id}"' not in page

    assert manager.post(path, successor=str(heir.id)).status_code == 422
    refused = manager.post(path, reason="LEFT")
    assert refused.status_code == 422
    assert "devralacak kişiyi seçin" in refused.text
    for nobody in (str(who.id), str(boss.id), str(uuid.uuid4()), "x"):
        assert manager.post(path, reason="LEFT", successor=nobody).status_code == 422
    assert panel.value("select active from account where id = :id", id=who.id)
    assert on_it(panel, one) == {who.id}

    assert manager.post(path, reason="LEFT", successor=str(heir.id)).status_code == 303
    assert (on_it(panel, one), on_it(panel, both)) == ({heir.id}, {heir.id})
    assert panel.rows(WHY, id=who.id)[-1] == ("suspend", "LEFT")
    shown = manager.get(f"/accounts/{who.id}").text
    assert "Hesabın askıya alınması" in shown
    assert "Kişi kurumdan ayrıldı" in shown
    assert who.username in manager.get("/accounts/?silence=left").text
    entry = (
        "select count(*) from audit.event where target_kind = 'access_change' and content like '%' || :id || '%LEFT%'"
    )
    assert panel.value(entry, id=str(who.id)) >= 1


def test_who_chooses_nobody_and_who_sees_no_case_leave_the_cases_among_the_unassigned(panel: RunningPanel) -> None:
    make = panel.make
    boss, admin, opener = make.manager(), make.administrator(), make.focal_point()
    for by, chosen in ((boss, {"successor": "nobody"}), (admin, {})):
        who = make.caseworker()
        case = case_of(panel, who, opener)
        page = panel.browser(by).get(f"/accounts/{who.id}/suspend").text
        assert ("görevlisi olmayan açık dosyalar" in page) is True
        sent = panel.browser(by).post(f"/accounts/{who.id}/suspend", reason="SILENT", **chosen)
        assert sent.status_code == 303
        assert on_it(panel, case) == set()
        back = panel.browser(by)
        assert back.post(f"/accounts/{who.id}/reactivate").status_code == 422
        assert back.post(f"/accounts/{who.id}/reactivate", reason="BACK_AT_WORK").status_code == 303
        assert on_it(panel, case) == set()
        assert [tuple(row) for row in panel.rows(WHY, id=who.id)] == [("suspend", "SILENT"), ("resume", "BACK_AT_WORK")]


def test_the_end_of_the_last_role_that_works_on_cases_hands_them_over_too(panel: RunningPanel) -> None:
    make = panel.make
    boss, opener, heir, who = make.manager(), make.focal_point(), make.caseworker(), make.caseworker()
    case, manager = case_of(panel, who, opener), panel.browser(boss)
    standing = "select id from role_grant where account_id = :id and role = :role and state = 'active'"
    first = panel.value(standing, id=who.id, role="caseworker")
    assert manager.post(f"/roles/of/{who.id}/new", role="focal_point").status_code == 422
    assert manager.post(f"/roles/of/{who.id}/new", role="focal_point", reason="STANDS_IN").status_code == 303
    assert "Takes" not in manager.get(f"/roles/{first}/end").text
    assert manager.post(f"/roles/{first}/end", reason="TASK_ENDED").status_code == 303
    assert on_it(panel, case) == {who.id}
    second = panel.value(standing, id=who.id, role="focal_point")
    assert manager.post(f"/roles/{second}/end", reason="MOVED").status_code == 422
    assert manager.post(f"/roles/{second}/end", reason="MOVED", successor=str(heir.id)).status_code == 303
    assert on_it(panel, case) == {heir.id}
    said = [tuple(row) for row in panel.rows(WHY, id=who.id)]
    assert said == [("give", "STANDS_IN"), ("end", "TASK_ENDED"), ("end", "MOVED")]


def test_an_administrator_who_ends_the_last_role_leaves_no_assignment(panel: RunningPanel) -> None:
    make = panel.make
    who, opener = make.focal_point(), make.focal_point()
    case, admin = case_of(panel, who, opener), panel.browser(make.administrator())
    grant = panel.value("select id from role_grant where account_id = :id", id=who.id)
    page = admin.get(f"/roles/{grant}/end").text
    assert "görevlisi olmayan açık dosyalar" in page
    assert panel.value("select reference from case_file where id = :id", id=case) not in page
    assert admin.post(f"/roles/{grant}/end", reason="LEFT").status_code == 303
    assert on_it(panel, case) == set()


def test_the_only_two_managers_are_not_suspended_together(panel: RunningPanel) -> None:
    make, home = panel.make, panel.make.institution("TWO", "agency")
    pair, admin = [make.manager(home), make.manager(home)], panel.browser(make.administrator())
    rows = panel.rows("select id, row_version from account where id = any (:ids)", ids=[each.id for each in pair])
    chosen = [f"{row.id}:{row.row_version}" for row in rows]
    sent = admin.post("/accounts/together/suspend", chosen=chosen, confirmed="yes", reason="LEFT")
    assert sent.status_code in (403, 409)
    active = "select count(*) from account where id = any (:ids) and active"
    assert panel.value(active, ids=[each.id for each in pair]) == 2


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("update account set active = false where id = :id", ""),
        ("update account set active = false where id = :id", "BACK_AT_WORK"),
        ("update role_grant set state = 'ended' where account_id = :id", ""),
        ("insert into role_grant (institution_id, account_id, role) values (:home, :id, 'focal_point')", ""),
        ("insert into invitation (institution_id, account_id, token_digest, expires_at)"
         " values (:home, :id, '\\x00', now() + interval '1 hour')", ""),
    ],
)  # fmt: skip
def test_no_act_comes_into_the_database_without_its_reason(panel: RunningPanel, statement: str, why: str) -> None:
    who, boss = panel.make.caseworker(), panel.make.manager()
    named = text("select set_config('itm.why', :why, true)")
    with (
        bootstrap.making_sessions(panel.database.engine("app"))() as session,
        tenancy.acting(boss.context("institution"), session),
    ):
        session.execute(named, {"why": why})
        with pytest.raises(DBAPIError, match="an act on an account has a reason"):
            session.execute(text(statement), {"id": who.id, "home": who.tenant.id})
