"""The demonstration: whole, made as people make it, sealed, repeatable, and refused where it does not belong."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask import Flask
from flask_babel import Babel
from sqlalchemy import Row, create_engine, text
from sqlalchemy.pool import NullPool

from audit import report
from itm_admin.accounts import bootstrap, factors, sign_in
from itm_admin.accounts.factors import FactorOwner
from itm_admin.assurance import detail
from itm_admin.demonstration import acts, codes, logins, plan, seeding, staff
from itm_admin.demonstration.clock import HERE, OFFICE_HOURS
from itm_admin.foundation import national, synthetic, tenancy, vocabulary
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database import migration
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import ROLES
from itm_admin.record.checks import today
from tests.conftest import Database, settings_for

SMALL = 30


def nobody_looks(_done: int, _total: int) -> None:
    """A progress bar that nobody sees."""


@dataclass
class Demonstration:
    database: Database
    settings: Settings

    def rows(self, statement: str, **values: Any) -> list[Row[Any]]:
        """As the superuser, past row-level security."""
        engine = create_engine(self.database.url("superuser"), poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def one(self, statement: str) -> Any:
        return self.rows(statement)[0][0]


@pytest.fixture(scope="module")
def made(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """A small demonstration, made once for the tests that only look at it."""
    settings = settings_for(shared_database, tmp_path_factory.mktemp("demonstration"))
    seeding.seed(settings, nobody_looks, volume=SMALL)
    return Demonstration(shared_database, settings)


@pytest.fixture
def fresh(database: Database, settings: Settings) -> Demonstration:
    return Demonstration(database, settings)


def planned(volume: int) -> list[plan.PlannedCase]:
    return [case for _code, cases in plan.draw(volume, today()) for case in cases]


def times(volume: int, *kinds: int, managed: bool = False) -> int:
    """The number of acts of these kinds in the plan; `managed`: in institutions that have a manager."""
    managers = {member.institution for member in staff.TEAM if member.role == staff.MANAGER}
    last = min(plan.LAST, today())
    return sum(
        act.kind in kinds
        for portion in acts.portions(dict(plan.draw(volume, last)), last)
        for act in portion.acts
        if not managed or portion.institution in managers
    )


# What it holds


def test_every_institution_of_the_register_is_there_with_its_ledger(made: Demonstration) -> None:
    codes = {row.code for row in made.rows("select i.code from institution i join audit.ledger l on l.holder = i.id")}
    assert codes == {entry.code for entry in vocabulary.institutions()}


def test_every_role_has_somebody_who_can_sign_in_with_the_told_password(made: Demonstration) -> None:
    sessions = bootstrap.making_sessions(made.database.engine("app"))
    signed_in = set()
    web_server = Flask("web server")  # it alone claims that a code was right
    web_server.secret_key = made.settings.secret_key
    for login in seeding.logins(made.settings):
        if login["role"] in signed_in:
            continue
        with web_server.app_context(), sessions() as session, tenancy.acting(tenancy.Context(address="192.0.2.7")):
            actor = sign_in.attempt(session, login["username"], login["password"], key=b"a key for tests")
            code, wait = codes.code(made.settings, login["username"])
            with tenancy.acting(actor.own_context(), session):
                owner = FactorOwner(actor.id, actor.institution_id, actor.username)
                assert (factors.prove(session, Keyring.from_settings(made.settings), owner, code).method, wait) == (
                    "totp",
                    0,
                )
            assert pyotp.TOTP(login["totp"]).verify(code, valid_window=1)
        assert actor.roles == {login["role"]}
        assert actor.institution_code == login["institution"]
        signed_in.add(login["role"])
    assert signed_in == set(ROLES)


def test_the_institutions_of_the_story_have_focal_points(made: Demonstration) -> None:
    found = {login["institution"] for login in seeding.logins(made.settings) if login["role"] == "focal_point"}
    assert found >= {"JGK", "EGM", "ASHB", "IOM", "STK_A", "STK_B"}


def test_the_national_auditor_was_appointed_by_two_people_one_of_them_outside_the_presidency(
    made: Demonstration,
) -> None:
    kinds = made.rows(
        "select i.kind from grant_approval a join role_grant g on g.id = a.grant_id"
        " join institution i on i.id = a.approver_institution_id"
        " where g.role = 'auditor_national' and g.state = 'active' and a.approver_id <> g.created_by"
    )
    assert sorted(row.kind for row in kinds) == ["presidency", "rapporteur"]


def test_whoever_wrote_a_case_may_see_it_and_provinces_do_not_see_each_other(made: Demonstration) -> None:
    of_unit = made.rows(
        "select a.username, count(*) filter (where c.unit_id <> a.unit_id and u.parent_id is distinct from a.unit_id)"
        " as elsewhere from case_file c join account a on a.id = c.created_by join unit u on u.id = c.unit_id"
        " where a.unit_id is not null group by 1"
    )
    assert of_unit
    assert {row.elsewhere for row in of_unit} == {0}


def test_references_count_each_institutions_year_without_a_gap(made: Demonstration) -> None:
    references = [row.reference for row in made.rows("select reference from case_file")]
    found: dict[str, list[int]] = {}
    for reference in references:
        place, _, number = reference.rpartition("-")
        found.setdefault(place, []).append(int(number))
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in found.values())
    wrong = "select count(*) from case_file where split_part(reference, '-', 3) <> extract(year from opened_on)::text"
    assert made.one(wrong) == 0


def test_the_access_history_is_alive(made: Demonstration) -> None:
    actions = {row.action for row in made.rows("select distinct action from audit.event where via = 'append'")}
    assert actions >= {"record.list", "record.read", "record.reveal", "record.search", "record.export"}
    assert made.one("select count(*) from audit.event where action = 'record.reveal' and purpose is null") == 0


# The story


def test_every_institution_is_at_work(made: Demonstration) -> None:
    idle = made.rows(
        "select l.code from audit.ledger l where not exists (select from audit.event e"
        " where e.ledger_id = l.id and e.action = 'record.list' and e.actor_institution = l.code)"
    )
    assert idle == []


def test_entries_carry_the_story_s_time_beside_the_true_one(made: Demonstration) -> None:
    rows = made.rows("select at, content::jsonb -> 'request' ->> 'route' as route from audit.event order by at")
    told = [(row.at, synthetic.story_time(row.route)) for row in rows]
    story = [moment for _at, moment in told if moment]
    assert len(story) > 0.9 * len(told)
    assert (max(story).date() - min(story).date()).days > 2.8 * 365
    assert all(at >= moment for at, moment in told if moment)
    assert (max(at for at, _moment in told) - min(at for at, _moment in told)).days == 0


def test_a_history_tells_the_story_s_time_of_the_demonstration_s_entries_alone() -> None:
    moment = datetime(2024, 3, 5, 14, 22, tzinfo=HERE)
    app = Flask(__name__)
    Babel(app, default_locale="tr")
    with app.app_context():
        [(_name, told)] = detail.story_words({"request": {"route": synthetic.route_at(moment)}})
        assert "2024" in told
        assert "14:22" in told
        for route in ("CaseView.show", "itm demo", "itm demo soon", None):
            assert detail.story_words({"request": {"route": route}}) == []
        assert detail.story_words({}) == []


def test_a_case_is_opened_and_closed_on_the_days_that_its_entries_tell(made: Demonstration) -> None:
    rows = made.rows(
        "select c.opened_on, c.closed_on, e.action, e.content::jsonb -> 'request' ->> 'route' as route"
        " from case_file c join audit.event e on e.target_id = c.id::text and e.target_kind = 'case'"
        " where e.action in ('record.create', 'record.close')"
    )
    moments = [(row, synthetic.story_time(row.route)) for row in rows]
    days = [row.opened_on if row.action == "record.create" else row.closed_on for row, _moment in moments]
    assert len(days) >= times(SMALL, acts.OPEN, acts.CLOSE)
    assert [moment.date() for _row, moment in moments if moment] == days


def test_there_are_refusals_holds_an_erasure_and_an_appointment_that_waits(made: Demonstration) -> None:
    told = "select count(*) from audit.event where "
    assert made.one(f"{told} action = 'record.read'") >= times(SMALL, acts.REFUSED)
    assert made.one("select count(*) from case_file where hold_reason is not null") == times(
        SMALL, acts.HOLD, managed=True
    )
    assert made.one(f"{told} action = 'person.erase'") == 1
    assert made.one("select count(*) from person where erased_at is not null") == 1
    assert made.rows(
        "select a.username, (select count(*) from grant_approval p where p.grant_id = g.id) from role_grant g"
        " join account a on a.id = g.account_id where g.state = 'proposed'"
    ) == [(staff.WAITING.username, 1)]


def test_somebody_mistyped_the_password_and_may_sign_in_today(made: Demonstration) -> None:
    reasons = Counter(
        row.reason
        for row in made.rows(
            "select content::jsonb -> 'detail' ->> 'reason' as reason from audit.event"
            " where action = 'auth.login' and outcome <> 'success'"
        )
    )
    assert reasons["too_many_tries"] == 1
    assert reasons["wrong_password"] >= 2
    tries = "select content::jsonb -> 'detail' ->> 'tries' from audit.event where action = 'auth.login'"
    assert [row[0] for row in made.rows(f"{tries} and content::jsonb -> 'detail' ? 'tries'")] == ["4"]
    assert made.one("select count(*) from login_throttle where until > now()") == 0


def test_the_whole_story_has_looks_and_refusals_at_night() -> None:
    last = min(plan.LAST, today())
    night = [
        act.kind
        for portion in acts.portions(dict(plan.draw(plan.FULL, last)), last)
        for act in portion.acts
        if act.moment.hour < OFFICE_HOURS[0] - 2
    ]
    assert {acts.LOOK, acts.REFUSED} <= set(night)


# What holds whatever is in it


def test_every_ledger_of_the_demonstration_verifies_intact(made: Demonstration) -> None:
    """Every record is in the state of its last event, and the database's rules are those of the migrations."""
    rows, exit_code = report.report(made.database.engine("signer"), "full", manifest=migration.manifest())
    assert {row["verdict"] for row in rows} == {"intact"}
    assert (len(rows), exit_code) == (len(vocabulary.institutions()), 0)


def test_no_personal_value_and_no_password_is_in_any_event(made: Demonstration) -> None:
    everything = "\n".join(row.content for row in made.rows("select content from audit.event"))
    fields = ("family_name", "tckn", "ykn", "passport", "phone", "email", "address", "guardian")
    personal = {
        each.person[field]
        for case in planned(SMALL)
        for each in case.people
        for field in fields
        if each.person.get(field)
    }
    personal |= {case.case["narrative"] for case in planned(SMALL)}
    personal |= {login["password"] for login in seeding.logins(made.settings)}
    assert len(personal) > 3 * SMALL
    assert [value for value in personal if value in everything] == []


def test_the_installation_is_marked_synthetic(made: Demonstration) -> None:
    assert made.one("select synthetic from itm.installation") is True


def test_only_the_owner_of_the_data_folder_reads_the_logins(made: Demonstration) -> None:
    assert stat.S_IMODE((made.settings.home / "demo-logins.json").stat().st_mode) == 0o600


# Again, interrupted, elsewhere


def state_of(demonstration: Demonstration) -> tuple[Any, ...]:
    return (
        demonstration.one("select count(*) from audit.event"),
        demonstration.one("select count(*) from case_file"),
        demonstration.one("select count(*) from account"),
        seeding.logins(demonstration.settings),
    )


def test_a_second_demonstration_changes_nothing_and_enters_nothing(made: Demonstration) -> None:
    before = state_of(made)
    told: list[tuple[int, int]] = []
    seeding.seed(made.settings, lambda done, total: told.append((done, total)), volume=SMALL)
    assert state_of(made) == before
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1]


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


def test_a_demonstration_that_was_interrupted_again_and_again_goes_on_where_it_was(fresh: Demonstration) -> None:
    def interrupt_at(last: int) -> Callable[[int, int], None]:
        def interrupt(done: int, _total: int) -> None:
            if done == last:
                raise Interrupted

        return interrupt

    people = len(staff.TEAM)
    for last in (0, 5, people, people + 5, people + 32):
        with pytest.raises(Interrupted):
            seeding.seed(fresh.settings, interrupt_at(last), volume=SMALL)
    passwords = seeding.logins(fresh.settings)
    seeding.seed(fresh.settings, nobody_looks, volume=SMALL)

    assert seeding.logins(fresh.settings) == passwords
    assert fresh.one("select count(*) from account") == len(passwords) + 1, "and the one whose appointment waits"
    assert fresh.one("select count(*) from case_file") == len(planned(SMALL))
    assert fresh.one("select count(*) from person") == sum(len(case.people) for case in planned(SMALL))
    assert report.report(fresh.database.engine("signer"), "full")[1] == 0


def test_an_installation_for_real_data_takes_no_demonstration(fresh: Demonstration) -> None:
    bootstrap.run(fresh.settings)
    before = fresh.one("select count(*) from audit.event")
    with pytest.raises(Refusal, match="real data"):
        seeding.seed(fresh.settings, nobody_looks, volume=SMALL)
    assert fresh.one("select count(*) from audit.event") == before
    assert fresh.one("select synthetic from itm.installation") is False


def test_a_database_with_institutions_of_somebody_elses_takes_no_demonstration(fresh: Demonstration) -> None:
    sessions = bootstrap.making_sessions(fresh.database.engine("app"))
    with sessions() as session:
        with tenancy.acting(tenancy.Context(scope="accounts"), session):
            bootstrap.enter_register(session, Keyring.from_settings(fresh.settings))
        session.commit()
    with pytest.raises(Refusal, match="needs an empty one"):
        seeding.seed(fresh.settings, nobody_looks, volume=SMALL)
    assert fresh.one("select count(*) from account") == 0
    assert fresh.rows("select synthetic from itm.installation") == []


def test_a_demonstration_cannot_become_an_installation_for_real_data(made: Demonstration) -> None:
    with pytest.raises(bootstrap.NotEmpty):
        bootstrap.run(made.settings)


def test_logins_that_were_lost_are_said_so_and_nobody_is_given_new_ones(made: Demonstration, tmp_path: Path) -> None:
    elsewhere = replace(made.settings, home=tmp_path)
    with pytest.raises(Refusal, match="ITM_HOME"):
        seeding.logins(elsewhere)
    with pytest.raises(Refusal, match="ITM_HOME"):
        seeding.seed(elsewhere, nobody_looks, volume=SMALL)
    assert list(tmp_path.iterdir()) == []


# The plan of the whole


def test_the_whole_plan_holds_what_was_asked_for() -> None:
    cases = planned(plan.FULL)
    assert len(cases) >= 400
    assert sum(len(case.people) for case in cases) >= 600
    years = Counter(int(case.case["opened_on"][:4]) for case in cases)
    weights = plan.year_weights()
    assert set(years) == set(weights)
    for year, weight in weights.items():
        assert abs(years[year] / len(cases) - weight / sum(weights.values())) < 0.06


def test_the_whole_plan_is_in_proportion_like_the_country() -> None:
    cases = planned(plan.FULL)
    victims = [each.person for case in cases for each in case.people if each.person["role"] == "VICTIM"]

    def published(indicator: str) -> float:
        """Its share of those whose sex was published, over all years that tell it."""
        told = national.by_year(indicator)
        known = [national.by_year(name) for name in ("victims_female", "victims_male")]
        return sum(each.value for each in told.values()) / sum(
            figures[year].value for figures in known for year in told
        )

    def drawn(holds: Callable[[dict[str, Any]], bool]) -> float:
        return sum(map(holds, victims)) / len(victims)

    assert abs(drawn(lambda person: person["gender"] == "Feminine") - published("victims_female")) < 0.06
    assert abs(drawn(lambda person: "guardian" in person) - published("victims_children")) < 0.06
    assert abs(drawn(lambda person: person["citizenships"] == ["TR"]) - published("victims_national")) < 0.03
    kinds = Counter(case.case["exploitation_types"][0] for case in cases)
    shares = {each.indicator: each.value / 100 for each in national.figures() if each.indicator.startswith("share_")}
    for kind, indicator in (
        ("SexualExploitation", "share_sexual_pct"),
        ("ForcedLabour", "share_labour_pct"),
        ("ForcedMarriage", "share_forced_marriage_pct"),
        ("ForcedBegging", "share_begging_pct"),
    ):
        assert abs(kinds[kind] / len(cases) - shares[indicator]) < 0.07, kind


def test_every_narrative_says_that_it_is_synthetic() -> None:
    assert all(case.case["narrative"].startswith("Sentetik:") for case in planned(plan.FULL))


def test_a_password_that_is_guessed_soon_is_drawn_again() -> None:
    member = staff.TEAM[0]
    drawn = iter(["baba-baba-baba-baba", "", f"{member.last_name}-{member.last_name}", "zofu-tipe-gamo-lure"])
    assert logins._good_password(member, lambda: next(drawn)) == "zofu-tipe-gamo-lure"
    assert logins._good_password(member) != logins._good_password(member)


def test_the_plan_is_the_same_each_time_it_is_drawn() -> None:
    first, second = ([(case.case, case.people, case.closing) for case in planned(SMALL)] for _ in range(2))
    assert first == second
