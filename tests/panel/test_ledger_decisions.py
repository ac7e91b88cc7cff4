"""Decisions about ledgers take two people of two institutions, by every way of asking."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.assurance import decisions
from itm_admin.foundation.errors import Denied, Invalid, NotFound
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.ledger import approved_decisions
from tests.conftest import Database
from tests.factories import Factory, Somebody, Tenant
from tests.panel.assurance_panel import PanelWorld


class Two:
    """A supervisor, a national auditor, and an institution with a ledger of its own for each test."""

    def __init__(self, make: Factory) -> None:
        self.make = make
        self.supervisor, self.auditor = make.supervisor(), make.auditor()
        self._next = 0

    def tenant(self) -> Tenant:
        self._next += 1
        return self.make.institution(f"INS{self._next}")

    def proposed(self, tenant: Tenant, reason: str = "TAMPERED", by: Somebody | None = None) -> uuid.UUID:
        with self.make.working(by or self.supervisor, OVERSIGHT) as session:
            return decisions.propose(session, {"institution": tenant.id, "reason": reason}).id

    def decided(self, id: uuid.UUID, *, approve: bool = True, by: Somebody | None = None) -> None:
        with self.make.working(by or self.auditor, AUDIT) as session:
            decisions.decide(session, id, approve=approve)

    def approved(self, tenant: Tenant) -> list[approved_decisions.Approved]:
        with self.make.database.engine("signer").begin() as connection:
            return [
                each for each in approved_decisions.waiting(connection, "generation") if each.institution == tenant.id
            ]


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> PanelWorld:
    home: Path = tmp_path_factory.mktemp("home")
    return PanelWorld(shared_database, home)


@pytest.fixture(scope="module")
def two(panel: PanelWorld) -> Two:
    return Two(panel.make)


def test_what_one_proposed_and_another_approved_is_there_for_the_scheduler_once(two: Two) -> None:
    tenant = two.tenant()
    id = two.proposed(tenant)
    assert two.approved(tenant) == []
    two.decided(id)
    [found] = two.approved(tenant)
    assert (found.id, found.code, found.reason) == (id, tenant.code, "TAMPERED")
    assert (found.proposed_by, found.decided_by) == (two.supervisor.id, two.auditor.id)
    with two.make.database.engine("signer").begin() as connection:
        approved_decisions.carried_out(connection, id)
    assert two.approved(tenant) == []
    with two.make.database.engine("signer").begin() as connection, pytest.raises(NotFound):
        approved_decisions.carried_out(connection, id)


def test_what_is_not_approved_is_not_carried_out(two: Two) -> None:
    waits, rejected = two.tenant(), two.tenant()
    ids = [two.proposed(waits), two.proposed(rejected)]
    two.decided(ids[1], approve=False)
    for tenant, id in zip((waits, rejected), ids, strict=True):
        assert two.approved(tenant) == []
        with two.make.database.engine("signer").begin() as connection, pytest.raises(NotFound):
            approved_decisions.carried_out(connection, id)


def test_the_same_person_cannot_do_both_not_even_past_the_services(two: Two) -> None:
    id = two.proposed(two.tenant())
    for values in (
        {"by": two.supervisor.id, "of": two.auditor.tenant.id},
        {"by": two.auditor.id, "of": two.supervisor.tenant.id},
    ):
        with pytest.raises(DBAPIError, match="does not decide it"), two.make.superuser() as connection:
            connection.execute(
                text("update ledger_decision set decision = 'approved', decided_at = now(), decided_by = :by,"
                     " decider_institution_id = :of where id = :id"), {"id": id, **values})  # fmt: skip


def test_who_proposes_and_who_decides_is_the_sessions_word(two: Two) -> None:
    id = two.proposed(two.tenant())
    with two.make.working(two.auditor, AUDIT) as session, pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text("update ledger_decision set decided_by = proposed_by where id = :id"), {"id": id})
    with two.make.working(two.supervisor, OVERSIGHT) as session:
        assert session.execute(text("update ledger_decision set decision = 'approved'")).rowcount == 0  # type: ignore[attr-defined]
    with two.make.working(two.auditor, AUDIT) as session, pytest.raises(DBAPIError, match="row-level security"):
        session.execute(
            text("insert into ledger_decision (institution_id, kind, reason) values (:id, 'generation', 'TAMPERED')"),
            {"id": two.tenant().id},
        )


def test_services_refuse_whoever_has_the_wrong_part(two: Two) -> None:
    tenant = two.tenant()
    id = two.proposed(tenant)
    with pytest.raises(Denied), two.make.working(two.auditor, AUDIT) as session:
        decisions.propose(session, {"institution": tenant.id, "reason": "TAMPERED"})
    with pytest.raises(Denied), two.make.working(two.supervisor, OVERSIGHT) as session:
        decisions.decide(session, id, approve=True)
    with pytest.raises(Denied), two.make.working(two.make.auditor(tenant), AUDIT) as session:
        decisions.decide(session, id, approve=True)


def test_one_decision_of_a_kind_is_open_about_a_ledger_and_a_rejected_one_makes_room(two: Two) -> None:
    tenant = two.tenant()
    id = two.proposed(tenant)
    with pytest.raises(Invalid):
        two.proposed(tenant, "RESTORED")
    with pytest.raises(DBAPIError, match="ledger_decision_open_once"), two.make.superuser() as connection:
        connection.execute(
            text("insert into ledger_decision (institution_id, kind, reason, proposed_by, proposer_institution_id)"
                 " select institution_id, kind, reason, proposed_by, proposer_institution_id from ledger_decision"
                 " where id = :id"), {"id": id})  # fmt: skip
    two.decided(id, approve=False)
    assert two.proposed(tenant, "RESTORED") != id


def test_what_was_decided_stays_decided(two: Two) -> None:
    id = two.proposed(two.tenant())
    two.decided(id, approve=False)
    with pytest.raises(Invalid):
        two.decided(id)
    for change in ("decision = 'approved'", "reason = 'RESTORED'", "proposed_by = decided_by"):
        with pytest.raises(DBAPIError, match="stays|does not go"), two.make.superuser() as connection:
            connection.execute(text(f"update ledger_decision set {change} where id = :id"), {"id": id})


def test_a_decision_stands_in_the_presidencys_ledger_with_both_people(two: Two, panel: PanelWorld) -> None:
    id = two.proposed(two.tenant())
    two.decided(id)
    found = panel.run(
        "select code, action, actor_id from audit.entry where target_kind = 'ledger_decision' and target_id = :id"
        " order by seq",
        id=str(id),
    )
    assert [tuple(row) for row in found] == [
        ("GIB", "record.create", str(two.supervisor.id)),
        ("GIB", "record.update", str(two.auditor.id)),
    ]


def test_the_pages_lead_from_the_proposal_to_the_approval(two: Two, panel: PanelWorld) -> None:
    tenant = two.tenant()
    supervisor, auditor = panel.browser(two.supervisor), panel.browser(two.auditor)
    assert "closed for ever" in supervisor.words("/ledger-decisions/new")
    refused = supervisor.post("/ledger-decisions/new", institution=str(tenant.id), reason="RETENTION")
    assert refused.status_code == 422
    wrong = supervisor.post(
        "/ledger-decisions/new", institution="no id", reason="RETENTION", first_seq="ilk", last_seq="-1"
    )
    assert wrong.status_code == 422
    fields = ("institution", "first_seq", "last_seq")
    assert [f'id="{name}-error"' in wrong.text for name in fields] == [True, True, True], "each is told on its field"
    answer = supervisor.post("/ledger-decisions/new", institution=str(tenant.id), reason="RESTORED")
    assert answer.status_code == 303
    page = answer.headers["Location"]
    assert "Waits for the second person" in supervisor.words(page)
    assert "Approve" not in supervisor.words(page)
    assert supervisor.post(page, decision="approved").status_code == 403
    shown = auditor.words(page)
    assert "restored from a backup" in shown
    assert "believed from then on" in shown
    assert auditor.post(page, decision="approved").status_code == 303
    assert "not carried out yet" in auditor.words(page)
    assert auditor.post(page, decision="rejected").status_code == 422
    assert tenant.code in auditor.words("/ledger-decisions/")
