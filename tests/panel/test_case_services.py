"""Cases: who may open, see, change, close, assign, delete and restore them, on a real database."""

from __future__ import annotations

import threading
import uuid
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from itm_admin.cases import lookup, services
from itm_admin.cases.models import Case
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Conflict, Denied, DomainError, Invalid, Locked, NotFound
from tests.factories import CASE, Factory, Somebody


@pytest.fixture(scope="module")
def factory(shared_database: Any) -> Factory:
    return Factory(shared_database)


@pytest.fixture(scope="module")
def focal_point(factory: Factory) -> Somebody:
    return factory.focal_point()


@pytest.fixture(scope="module")
def manager(factory: Factory) -> Somebody:
    return factory.manager()


def sees(factory: Factory, somebody: Somebody, case: Case) -> bool:
    with factory.working(somebody) as session:
        try:
            return lookup.get_case(session, case.id).id == case.id
        except NotFound:
            return False


def test_a_case_has_a_reference_a_unit_an_assigned_maker_and_an_event(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point, opened_on="2024-02-03", narrative="CANARY-NARRATIVE", confidentiality="SPECIAL")
    assert case.reference.startswith("ITM-JGK-2024-")
    assert case.unit_id == focal_point.tenant.root
    assert (case.status, case.sensitivity, case.lead_institution_id) == ("Active", 3, focal_point.tenant.id)
    assert (case.created_by, case.row_version) == (focal_point.id, 1)
    with factory.working(focal_point) as session:
        assert [a.account_id for a in lookup.get_case(session, case.id).assignments] == [focal_point.id]
    events = [content for content in factory.ledger(focal_point.tenant) if str(case.id) in content]
    assert any('"record.create"' in content for content in events)
    assert not any("CANARY" in content for content in factory.ledger())


def test_references_have_no_gap_with_eight_threads_some_of_which_fail(factory: Factory) -> None:
    tenant = factory.institution("GAPLESS", "agency")
    workers = [factory.focal_point(tenant) for _ in range(8)]
    start, stored, broken = threading.Barrier(8), [], []

    class Dropped(Exception):
        pass

    def work(somebody: Somebody) -> None:
        start.wait()
        for turn in range(5):
            try:
                with factory.working(somebody) as session:
                    case = services.open_case(session, factory.keyring, CASE)
                    if turn == 2:
                        raise Dropped
                stored.append(case.reference)
            except Dropped:
                pass
            except BaseException as error:
                broken.append(error)
                raise

    threads = [threading.Thread(target=work, args=(somebody,)) for somebody in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken
    assert sorted(stored) == [f"ITM-GAPLESS-2026-{number:06}" for number in range(1, 33)]


def test_each_year_and_each_institution_counts_for_itself(factory: Factory) -> None:
    one, other = (factory.focal_point(factory.institution(code, "agency")) for code in ("COUNT_A", "COUNT_B"))
    references = [
        factory.case(by, opened_on=f"{year}-05-05").reference for by in (one, other) for year in (2024, 2024, 2025)
    ]
    assert references == [
        f"ITM-{code}-{number}"
        for code in ("COUNT_A", "COUNT_B")
        for number in ("2024-000001", "2024-000002", "2025-000001")
    ]


def test_a_foreign_a_missing_and_a_malformed_id_are_the_same(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point)
    stranger = factory.focal_point(factory.other_institution())
    odd: list[Any] = ["abc", "", "1" * 36, f"{{{case.id}}}", str(case.id).replace("-", ""), None, 7, "\x00", "\ud800"]
    for wanted in (case.id, str(case.id), uuid.uuid4(), *odd):
        with factory.working(stranger) as session:
            told: list[str] = []
            for attempt in (
                lambda: lookup.get_case(session, wanted),  # noqa: B023 called at once
                lambda: services.change_case(session, factory.keyring, wanted, {"province": "TR-34"}, 1),  # noqa: B023
                lambda: services.close_case(session, factory.keyring, wanted, {"reason": "OTHER"}, 1),  # noqa: B023
                lambda: services.assign(session, wanted, {"account_id": str(stranger.id)}),  # noqa: B023
            ):
                with pytest.raises(NotFound) as refusal:
                    attempt()
                told.append(str(refusal.value))
            assert len(set(told)) == 1


@pytest.mark.parametrize("field", ["unit_id", "lead_institution_id"])
def test_another_tenants_or_an_unknown_id_in_a_field_is_not_found(
    factory: Factory, focal_point: Somebody, field: str
) -> None:
    case, foreign = factory.case(focal_point), factory.other_institution()
    ids = [uuid.uuid4(), foreign.root]
    for wanted in ids:
        with factory.working(focal_point) as session, pytest.raises(NotFound):
            services.open_case(session, factory.keyring, {**CASE, field: str(wanted)})
        with factory.working(focal_point) as session, pytest.raises(NotFound):
            services.change_case(session, factory.keyring, case.id, {field: str(wanted)}, case.row_version)


def test_another_institution_of_the_register_may_lead(factory: Factory, focal_point: Somebody) -> None:
    lead = factory.other_institution()
    assert factory.case(focal_point, lead_institution_id=str(lead.id)).lead_institution_id == lead.id


def test_units_see_their_own_cases_and_the_units_below(factory: Factory) -> None:
    ankara, izmir = factory.unit("Ankara"), factory.unit("İzmir")
    cankaya = factory.unit("Çankaya", parent=ankara)
    in_ankara, in_izmir, below = (factory.focal_point(unit=unit) for unit in (ankara, izmir, cankaya))
    case, low = factory.case(in_ankara), factory.case(below)
    assert (case.unit_id, low.unit_id) == (ankara, cankaya)
    assert [sees(factory, who, case) for who in (in_ankara, in_izmir, below)] == [True, False, False]
    assert [sees(factory, who, low) for who in (in_ankara, in_izmir, below)] == [True, False, True]


def test_a_case_of_a_province_stands_in_the_provinces_topmost_unit(factory: Factory) -> None:
    tenant = factory.institution("PROVINCES", "agency")
    command = factory.unit("Komutanlık", tenant)
    for district in ("Nizip", "İslahiye"):
        factory.unit(district, tenant, parent=command)
    everywhere, below = factory.focal_point(tenant), factory.focal_point(tenant, unit=tenant.units["Nizip"])
    assert factory.case(everywhere, province="TR-06").unit_id == command
    assert factory.case(below, province="TR-06").unit_id == tenant.units["Nizip"]
    factory.unit("İkinci komutanlık", tenant)
    assert factory.case(everywhere, province="TR-06").unit_id == tenant.root


def test_a_case_opens_only_in_a_unit_that_was_granted(factory: Factory) -> None:
    ankara, izmir = factory.unit("Ankara"), factory.unit("İzmir")
    with factory.working(factory.focal_point(unit=ankara)) as session, pytest.raises(Denied):
        services.open_case(session, factory.keyring, {**CASE, "unit_id": str(izmir)})


def test_a_caseworker_sees_only_assigned_cases(factory: Factory, focal_point: Somebody) -> None:
    worker, case = factory.caseworker(), factory.case(focal_point)
    own = factory.case(worker)
    assert [sees(factory, worker, one) for one in (case, own)] == [False, True]
    with factory.working(focal_point) as session:
        services.assign(session, case.id, {"account_id": str(worker.id)})
    assert sees(factory, worker, case)
    with factory.working(worker) as session:
        services.change_case(session, factory.keyring, case.id, {"province": "TR-34"}, case.row_version)
    with factory.working(focal_point) as session:
        services.unassign(session, case.id, worker.id)
    assert not sees(factory, worker, case)
    with factory.working(focal_point) as session, pytest.raises(NotFound):
        services.unassign(session, case.id, worker.id)


@pytest.mark.parametrize(
    ("level", "colleague", "elsewhere", "worker"),
    [
        ("OPEN", True, True, False),
        ("INTERNAL", True, False, False),
        ("CONFIDENTIAL", False, False, False),
        ("SPECIAL", False, False, False),
    ],
)
def test_confidentiality_draws_the_circle(
    factory: Factory, manager: Somebody, level: str, colleague: bool, elsewhere: bool, worker: bool
) -> None:
    van, mus = factory.unit("Van"), factory.unit("Muş")
    maker = factory.focal_point(unit=van)
    case = factory.case(maker, confidentiality=level)
    others = (factory.focal_point(unit=van), factory.focal_point(unit=mus), factory.caseworker(unit=van))
    assert [sees(factory, who, case) for who in (maker, manager, *others)] == [True, True, colleague, elsewhere, worker]


def test_an_open_case_of_another_unit_is_read_and_not_worked_on(factory: Factory) -> None:
    case = factory.case(factory.focal_point(unit=factory.unit("Van")), confidentiality="OPEN")
    reader = factory.focal_point(unit=factory.unit("Muş"))
    for attempt in (
        lambda s: services.change_case(s, factory.keyring, case.id, {"province": "TR-34"}, case.row_version),
        lambda s: services.close_case(s, factory.keyring, case.id, {"reason": "OTHER"}, case.row_version),
        lambda s: services.assign(s, case.id, {"account_id": str(reader.id)}),
    ):
        with factory.working(reader) as session, pytest.raises(Denied):
            attempt(session)


def test_who_closes_the_circle_stays_inside_it(factory: Factory, focal_point: Somebody) -> None:
    case, colleague = factory.case(focal_point), factory.focal_point()
    with factory.working(colleague) as session:
        services.change_case(session, factory.keyring, case.id, {"confidentiality": "SPECIAL"}, case.row_version)
    assert sees(factory, colleague, case)
    assert not sees(factory, factory.focal_point(), case)


@pytest.mark.parametrize("role", ["auditor", "supervisor", "administrator"])
def test_nobody_outside_case_work_opens_or_changes_a_case(factory: Factory, focal_point: Somebody, role: str) -> None:
    case = factory.case(focal_point)
    with factory.working(getattr(factory, role)()) as session:
        with pytest.raises(Denied):
            services.open_case(session, factory.keyring, CASE)
        with pytest.raises(Denied):
            services.change_case(session, factory.keyring, case.id, {}, 1)
        with pytest.raises(NotFound):
            lookup.get_case(session, case.id)


def test_a_manager_reads_and_does_not_write_cases(factory: Factory, focal_point: Somebody, manager: Somebody) -> None:
    case = factory.case(focal_point)
    with factory.working(manager) as session:
        assert lookup.get_case(session, case.id).id == case.id
        with pytest.raises(Denied):
            services.open_case(session, factory.keyring, CASE)
        with pytest.raises(Denied):
            services.change_case(session, factory.keyring, case.id, {"province": "TR-34"}, 1)


def test_nobody_at_work_is_nobody(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point)
    with factory.working(focal_point) as session, tenancy.acting(tenancy.NOBODY, session):
        with pytest.raises(NotFound):
            lookup.get_case(session, case.id)
        with pytest.raises(Denied):
            services.open_case(session, factory.keyring, CASE)


def test_the_second_of_two_who_save_is_told_and_shown_both(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point, narrative="CANARY-FIRST")
    with factory.working(focal_point) as session:
        first = services.change_case(session, factory.keyring, case.id, {"province": "TR-34"}, case.row_version)
        assert first.row_version == case.row_version + 1
    with factory.working(focal_point) as session, pytest.raises(Conflict) as conflict:
        services.change_case(session, factory.keyring, case.id, {"province": "TR-35"}, case.row_version)
    assert conflict.value.current_version == first.row_version
    assert conflict.value.current["province"] == "TR-34"
    assert "CANARY" not in repr({name: str(value) for name, value in conflict.value.current.items()})
    assert not {"narrative_enc", "data_key", "id"} & conflict.value.current.keys()


def test_two_who_save_at_once_wait_for_each_other_and_one_is_told(factory: Factory, focal_point: Somebody) -> None:
    case, start, told = factory.case(focal_point), threading.Barrier(2), []

    def save(province: str) -> None:
        start.wait()
        try:
            with factory.working(focal_point) as session:
                services.change_case(session, factory.keyring, case.id, {"province": province}, case.row_version)
            told.append("stored")
        except Conflict:
            told.append("told")

    threads = [threading.Thread(target=save, args=(province,)) for province in ("TR-34", "TR-35")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["stored", "told"]


def test_saving_a_form_unchanged_changes_nothing(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point, narrative="same")
    with factory.working(focal_point) as session:
        again = services.change_case(session, factory.keyring, case.id, CASE, case.row_version)
        assert (again.row_version, again.narrative_enc) == (case.row_version, case.narrative_enc)


def test_a_right_guess_of_a_narrative_is_stored_like_a_wrong_one(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point, narrative="same")
    with factory.working(focal_point) as session:
        again = services.change_case(session, factory.keyring, case.id, {"narrative": "same"}, case.row_version)
        assert (again.row_version, again.narrative_enc == case.narrative_enc) == (case.row_version + 1, False)


def test_an_absent_narrative_stays_and_null_clears_it(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point, narrative="kept", industry="A")
    with factory.working(focal_point) as session:
        case = services.change_case(session, factory.keyring, case.id, {"province": "TR-34"}, case.row_version)
        assert case.narrative_enc is not None
        case = services.change_case(
            session, factory.keyring, case.id, {"narrative": None, "industry": None}, case.row_version
        )
        assert (case.narrative_enc, case.industry) == (None, None)


def test_wrong_input_names_its_fields_and_stores_nothing(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point)
    with factory.working(focal_point) as session, pytest.raises(Invalid) as refusal:
        services.change_case(
            session, factory.keyring, case.id, {"province": "TR-99", "reference": "x"}, case.row_version
        )
    assert set(refusal.value.fields) == {"province", "reference"}
    with factory.working(focal_point) as session:
        assert lookup.get_case(session, case.id).row_version == case.row_version


def test_a_case_is_closed_with_a_reason_and_opened_again(factory: Factory, focal_point: Somebody) -> None:
    case = factory.case(focal_point)
    with factory.working(focal_point) as session:
        with pytest.raises(Invalid):
            services.close_case(session, factory.keyring, case.id, {}, case.row_version)
        with pytest.raises(Invalid):
            services.close_case(
                session, factory.keyring, case.id, {"reason": "OTHER", "closed_on": "2026-02-28"}, case.row_version
            )
        data = {"reason": "REFERRED", "closed_on": "2026-04-01", "note": "CANARY-NOTE"}
        case = services.close_case(session, factory.keyring, case.id, data, case.row_version)
        assert (case.status, case.closed_on, case.closure_reason) == ("ClosedReferred", date(2026, 4, 1), "REFERRED")
    with factory.working(focal_point) as session:
        version = case.row_version
        with pytest.raises(Locked):
            services.change_case(session, factory.keyring, case.id, {"province": "TR-34"}, version)
        with pytest.raises(Locked):
            services.close_case(session, factory.keyring, case.id, data, version)
        case = services.reopen_case(session, case.id, version)
        assert (case.status, case.closed_on, case.closure_reason) == ("Active", None, None)
        with pytest.raises(Locked):
            services.reopen_case(session, case.id, case.row_version)
    assert not any("CANARY" in content for content in factory.ledger())


def test_a_manager_deletes_with_a_reason_and_restores(
    factory: Factory, focal_point: Somebody, manager: Somebody
) -> None:
    case = factory.case(focal_point)
    with factory.working(focal_point) as session, pytest.raises(Denied):
        services.CASES.delete(session, case.id, {"reason": "DUPLICATE"})
    with factory.working(manager) as session:
        with pytest.raises(Invalid):
            services.CASES.delete(session, case.id, {})
        with pytest.raises(Conflict):
            services.CASES.delete(session, case.id, {"reason": "DUPLICATE"}, 99)
        deleted = services.CASES.delete(session, case.id, {"reason": "DUPLICATE"}, case.row_version)
        assert deleted.deleted_at is not None
    assert [sees(factory, who, case) for who in (focal_point, manager)] == [False, False]
    with factory.working(focal_point) as session:
        with pytest.raises(NotFound):
            lookup.get_case(session, case.id, or_deleted=True)
        with pytest.raises(Denied):
            services.CASES.restore(session, case.id)
    with factory.working(manager) as session:
        assert lookup.get_case(session, case.id, or_deleted=True).deletion_reason == "DUPLICATE"
        assert case.id in [each.id for each in session.scalars(lookup.list_cases(deleted=True))]
        services.CASES.restore(session, case.id)
        with pytest.raises(NotFound):
            services.CASES.restore(session, case.id)
    assert sees(factory, focal_point, case)


def test_only_active_colleagues_are_assigned_and_only_once(factory: Factory, focal_point: Somebody) -> None:
    case, gone = factory.case(focal_point), factory.caseworker()
    stranger = factory.caseworker(factory.other_institution())
    with factory.superuser() as connection:
        connection.exec_driver_sql("update account set active = false where id = %s", (gone.id,))
    with factory.working(focal_point) as session:
        for account in (gone.id, stranger.id, uuid.uuid4()):
            with pytest.raises(NotFound):
                services.assign(session, case.id, {"account_id": str(account)})
        with pytest.raises(Invalid):
            services.assign(session, case.id, {"account_id": str(focal_point.id)})
    with factory.working(factory.caseworker()) as session, pytest.raises(DomainError):
        services.assign(session, case.id, {"account_id": str(gone.id)})


def test_a_list_of_cases_needs_the_same_number_of_statements_for_any_number(
    factory: Factory, focal_point: Somebody, statements: list[str]
) -> None:
    counted = []
    for _ in range(2):
        case = factory.case(focal_point)
        factory.person(focal_point, case)
        with factory.working(focal_point) as session:
            statements.clear()
            rows = session.scalars(lookup.list_cases().where(Case.unit_id == case.unit_id)).all()
            assert all(row.unit.name and [a.account.username for a in row.assignments] for row in rows)
            assert {row.people_count for row in rows if row.id == case.id} == {1}
        counted.append(len(statements))
    assert counted[0] == counted[1]


@pytest.fixture
def statements(shared_database: Any) -> Any:
    """The statements that itm_app sends while the test runs."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    engine = shared_database.engine("app")
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)
