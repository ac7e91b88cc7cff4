"""Rows that the panel's own role cannot make by SQL, since no page makes them either."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases.models import Case
from itm_admin.institutions.services import UNIT_COLUMNS, UNITS, units
from tests.factories import Factory, Somebody
from tests.panel.panel_app import RunningPanel
from tests.stating import say


@pytest.fixture(scope="module")
def author(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def case(make: Factory, author: Somebody) -> Case:
    return make.case(author, confidentiality="OPEN")


def wanted(make: Factory, who: Somebody, statement: str, scope: str | None = None, **values: Any) -> None:
    with make.working(who, scope) as session:
        session.execute(text("select set_config('itm.why', 'WRITTEN_ORDER', true)"))
        session.execute(text(statement), values)


CASE = (
    "insert into case_file (institution_id, unit_id, opened_on, province, referral_source, lead_institution_id, {})"
    " values (:here, :unit, '2026-03-01', 'TR-06', 'GENDARMERIE', :here, {})"
)
BORN = [
    ("deleted_at, deletion_reason", "now(), 'ENTERED_TWICE'"),
    ("hold_reason, held_at", "'COURT', now()"),
    ("closed_on, closure_reason", "'2026-03-02', 'OTHER'"),
    ("closure_note_enc", "'x'"),
    ("lowering_reason", "'OTHER'"),
]


@pytest.mark.parametrize(("columns", "values"), BORN, ids=[columns for columns, _ in BORN])
def test_no_case_begins_closed_held_or_deleted(make: Factory, author: Somebody, columns: str, values: str) -> None:
    """For a manager neither: the rules of these look at a change."""
    for who in (author, make.manager()):
        with pytest.raises(DBAPIError, match="begins alive"):
            wanted(make, who, CASE.format(columns, values), here=who.tenant.id, unit=who.tenant.root)


@pytest.mark.parametrize("born", ["deleted_at, deletion_reason", "hold_reason, held_at", "erased_at, erasure_ground"])
def test_no_person_begins_held_deleted_or_erased(make: Factory, author: Somebody, born: str) -> None:
    values = "'COURT', now()" if born.startswith("hold") else "now(), 'ENTERED_TWICE'"
    with pytest.raises(DBAPIError, match="begins alive"):
        wanted(
            make, author,
            f"insert into person (institution_id, unit_id, pseudonym, gender, {born})"
            f" values (:here, :unit, 'X-K-1', 'Feminine', {values})",
            here=author.tenant.id, unit=author.tenant.root,
        )  # fmt: skip


def test_an_account_begins_with_sessions_that_can_be_ended(make: Factory) -> None:
    """At the largest epoch neither a suspension nor a changed role could be written."""
    manager, who = make.manager(), uuid.uuid4()
    wanted(
        make, manager,
        "insert into account (id, institution_id, username, first_name, last_name, email, epoch)"
        " values (:id, :here, :name, 'Ada', 'Yılmaz', 'ada.yilmaz@example.invalid', 2147483647)",
        id=who, here=manager.tenant.id, name="jgk.ada_yilmaz",
    )  # fmt: skip
    wanted(make, manager, "update account set active = false, epoch = epoch + 1 where id = :id", id=who)
    with make.working(manager) as session:
        assert session.scalar(text("select epoch from account where id = :id"), {"id": who}) == 1


@pytest.mark.parametrize("role", ["caseworker", "focal_point", "presidency_operator", "auditor_national"])
def test_nobody_takes_another_name(make: Factory, role: str) -> None:
    """Entries and pages say it; a manager writes it."""
    tenant = make.presidency() if role.startswith("presidency") else None
    who = make.somebody(role, tenant)
    statement = "update account set last_name = 'Başkası' where id = :id"
    with pytest.raises(DBAPIError, match="not changed from here"):
        wanted(make, who, statement, id=who.id)
    with make.database.engine("app").begin() as connection:
        say(connection, {"scope": "login", "account": str(who.id)})
        with pytest.raises(DBAPIError, match="not changed from here"):
            connection.execute(text(statement), {"id": who.id})


# The register and the units


def test_a_unit_is_its_own_institutions(make: Factory) -> None:
    """A supervisor registers institutions, and an administrator makes accounts: neither adds to others' units."""
    there = make.other_institution()
    add = "insert into unit (institution_id, parent_id, name) values (:there, :parent, 'Başka')"
    for who, scope in ((make.supervisor(), "oversight"), (make.administrator(), "accounts")):
        for parent in (there.root, None):
            with pytest.raises(DBAPIError):
                wanted(make, who, add, scope, there=there.id, parent=parent)
    with pytest.raises(DBAPIError):
        wanted(
            make, make.administrator(),
            "insert into institution (code, name_tr, name_en, kind) values ('YENI', 'Yeni', 'New', 'ngo')", "accounts",
        )  # fmt: skip


def test_the_units_have_one_root_that_stays(make: Factory) -> None:
    manager = make.manager()
    below = make.unit("Kökün altında")
    here: dict[str, Any] = {"here": manager.tenant.id, "root": manager.tenant.root, "below": below}
    for statement in (
        "insert into unit (institution_id, name) values (:here, 'İkinci kök')",
        "update unit set parent_id = null where id = :below",
        "update unit set parent_id = :below where id = :root",
        "update unit set parent_id = :below where id = :below",
    ):
        with pytest.raises(DBAPIError, match=r"one root|below itself"):
            wanted(make, manager, statement, **here)


def test_two_who_move_two_units_at_once_make_no_circle(make: Factory) -> None:
    """Each below the other's: both would be in no tree any more."""
    manager = make.manager()
    one, other = make.unit("Taşınan bir"), make.unit("Taşınan iki")
    both = threading.Barrier(2)
    outcomes: list[Exception | None] = []

    def move(unit: uuid.UUID, parent: uuid.UUID) -> None:
        try:
            with make.working(manager) as session:
                version = UNITS.get(session, unit).row_version
                both.wait(30)
                UNITS.edit(session, make.keyring, unit, {"parent_id": parent}, version, UNIT_COLUMNS)
            outcomes.append(None)
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=move, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(outcome is None for outcome in outcomes) == 1, outcomes
    with make.working(manager) as session:
        shown = {unit.id for unit, _ in units(session, manager.tenant.id)}
    assert {one, other} <= shown


@pytest.mark.parametrize("role", ["focal_point", "institution_manager", "system_administrator"])
def test_nobody_says_that_an_index_is_written(make: Factory, role: str) -> None:
    """The upkeep would pass the institution over, and its persons would not be found."""
    said = "insert into itm.indexed (institution_id, form, up_to) values (:there, 99, null)"
    who = make.administrator() if role == "system_administrator" else make.somebody(role)
    for there in (who.tenant, make.other_institution()):
        with pytest.raises(DBAPIError, match="row-level security"):
            wanted(make, who, said, "accounts" if role == "system_administrator" else None, there=there.id)


# A foreign key is kept past row-level security

UNSEEN = {
    ("case_assignment", "case_file"): (
        "insert into case_assignment (institution_id, case_id, account_id) values (:here, :case, :me)"
    ),
    ("case_person", "case_file"): (
        "insert into case_person (institution_id, unit_id, case_id, person_id, role)"
        " values (:here, :unit, :case, :own_person, 'WITNESS')"
    ),
    ("case_person", "person"): (
        "insert into case_person (institution_id, unit_id, case_id, person_id, role)"
        " values (:here, :unit, :own_case, :person, 'WITNESS')"
    ),
    ("consent", "person"): (
        "insert into consent (institution_id, unit_id, person_id, state, purpose, answer, given_on)"
        " values (:here, :unit, :person, 'recorded', 'SUPPORT', 'REFUSED', current_date)"
    ),
    ("referral_draft", "person"): (
        "insert into referral_draft (institution_id, unit_id, person_id, case_id, state, receiver_id, urgency)"
        " values (:here, :unit, :person, :own_case, 'draft', :elsewhere, 'NORMAL')"
    ),
    ("referral_draft", "case_file"): (
        "insert into referral_draft (institution_id, unit_id, person_id, case_id, state, receiver_id, urgency)"
        " values (:here, :unit, :own_person, :case, 'draft', :elsewhere, 'NORMAL')"
    ),
    ("victim_profile", "case_person"): (
        "insert into victim_profile (institution_id, unit_id, case_person_id, trafficking_status)"
        " values (:here, :unit, :link, 'PossibleVictimOfTrafficking')"
    ),
}
"""Fewer people than the institution's may see a row of these."""


def test_every_key_that_leads_to_a_record_is_tried_below(panel: RunningPanel) -> None:
    found = panel.rows(
        "select k.conrelid::regclass::text, k.confrelid::regclass::text from pg_constraint k where k.contype = 'f'"
        " and k.confrelid in ('case_file'::regclass, 'person'::regclass, 'case_person'::regclass)"
        " and has_any_column_privilege('itm_app', k.conrelid, 'insert')"
    )
    assert {tuple(row) for row in found} == set(UNSEEN)


@pytest.mark.parametrize("who", ["focal_point", "caseworker"])
@pytest.mark.parametrize("child", [True, False], ids=["child", "adult"])
@pytest.mark.parametrize("key", UNSEEN, ids="-".join)
def test_nobody_ties_to_a_record_that_they_do_not_see(
    panel: RunningPanel, make: Factory, key: tuple[str, str], child: bool, who: str
) -> None:
    """A child of another unit's special case, tied to a case of the own, would be revealed there."""
    here, there = make.unit("Buradaki"), make.unit("Oradaki")
    me, other = make.somebody(who, None, here), make.focal_point(unit=there)
    case = make.case(other, confidentiality="SPECIAL", unit_id=there)
    link = make.person(other, case, birth_date="2014-01-01" if child else "1980-01-01", given_name="Gizli")
    own = make.case(me, unit_id=here)
    mine = make.person(me, own)
    values: dict[str, Any] = {
        "here": me.tenant.id, "unit": here, "me": me.id, "case": case.id, "person": link.person_id, "link": link.id,
        "own_case": own.id, "own_person": mine.person_id, "elsewhere": make.other_institution().id,
    }  # fmt: skip
    with pytest.raises(DBAPIError, match=r"row-level security|is not there"):
        wanted(make, me, UNSEEN[key], **values)
    assert panel.browser(me).get(f"/persons/{link.person_id}").status_code == 404
