"""A row on each side, written together: both ledgers hold the act in one commit, with one digest."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from audit import store
from tests.conftest import Database
from tests.factories import Factory, Somebody
from tests.panel import kept_tables as kept
from tests.panel.erasing import stored
from tests.panel.kept_tables import refused, run

ASK = "select itm.loan_ask(:receiver, 'a car')"
ACT = "select itm.loan_act(:loan, :step)"
SIDES = "select party from loan_side where common = :loan"


@pytest.fixture(scope="module")
def make(shared_database: Database) -> Factory:
    kept.make_tables(shared_database, kept.LOANS)
    return Factory(shared_database)


@pytest.fixture(scope="module")
def sender(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def receiver(make: Factory) -> Somebody:
    return make.focal_point(make.other_institution())


@pytest.fixture
def loan(make: Factory, sender: Somebody, receiver: Somebody) -> uuid.UUID:
    asked: list[uuid.UUID] = run(make, sender, ASK, receiver=receiver.tenant.id)
    return asked[0]


def both(make: Factory, loan: uuid.UUID) -> list[dict[str, Any]]:
    with make.superuser() as connection:
        rows = connection.scalars(
            text("select to_jsonb(s) from loan_side s where common = :id order by party"), {"id": loan}
        )
        return list(rows)


def events(make: Factory, side: dict[str, Any]) -> list[dict[str, Any]]:
    with make.superuser() as connection:
        rows = connection.scalars(
            text("select e.content from audit.event e join audit.leaf f on f.event_id = e.id join audit.ledger l"
                 " on l.id = e.ledger_id where e.target_id = :id and l.holder = :holder order by f.seq"),
            {"id": side["id"], "holder": side["institution_id"]})  # fmt: skip
        return [json.loads(each) for each in rows]


def test_each_party_sees_its_own_side_and_a_third_sees_none(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    third = make.manager(make.institution("AFAD"))
    for who, seen in ((sender, ["from"]), (receiver, ["to"]), (third, [])):
        assert run(make, who, SIDES, loan=loan) == seen
    ours, theirs = both(make, loan)
    assert (ours["note"], theirs["note"]) == ("ours", None)
    assert ours["shared"] == theirs["shared"]


def test_an_act_stands_in_both_ledgers_with_one_digest_and_without_a_name(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    assert run(make, receiver, ACT, loan=loan, step="lent") == [2]
    ours, theirs = both(make, loan)
    assert (ours["state"], theirs["state"], ours["act"]) == ("lent", "lent", 2)
    first, second = events(make, ours), events(make, theirs)
    assert [each["action"] for each in first] == ["record.create", "record.update"]
    for mine, other in zip(first, second, strict=True):
        assert mine["changes"]["shared"] == other["changes"]["shared"]
        assert mine["actor"] == other["actor"]
        assert (mine["actor"]["name"], mine["request"]["address"], mine["request"]["route"]) == (None, None, None)
    assert first[1]["changes"] == second[1]["changes"]
    assert first[1]["actor"]["user"] == str(receiver.id)
    with make.superuser() as connection:
        origins = set(connection.scalars(text("select origin from audit.ledger where code in ('JGK', 'EGM')")))
    version, number, digest, *named = first[1]["changes"]["shared"]["new"].split(" ")
    assert (version, number, len(digest), set(named)) == ("itm-shared-act/v1", "2", 64, origins)
    assert digest != first[0]["changes"]["shared"]["new"].split(" ")[2]


def test_what_one_side_has_of_its_own_is_its_own(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    note = "update loan_side set note = 'mine' where common = :loan"
    assert run(make, receiver, note, loan=loan) == 1
    ours, theirs = both(make, loan)
    assert (ours["note"], theirs["note"]) == ("ours", "mine")
    assert events(make, theirs)[-1]["actor"]["name"] == receiver.username
    assert len(events(make, ours)) == 1


@pytest.mark.parametrize(
    "change", ["state = 'lent'", "act = 9", "shared = 'x'", "what = 'a house'", "other_institution_id = institution_id"]
)
def test_nobody_writes_what_is_in_common_alone(make: Factory, sender: Somebody, loan: uuid.UUID, change: str) -> None:
    statement = f"update loan_side set {change} where common = :loan"
    assert "permission denied" in refused(make, sender, statement, loan=loan)
    assert "permission denied" in refused(make, sender, "select itm.act_of_two('loan_side', :loan, '{}')", loan=loan)
    with (
        pytest.raises(DBAPIError, match="hold the same|does not go|never change|two_institutions"),
        make.superuser() as it,
    ):
        it.execute(text(f"{statement} and party = 'from'"), {"loan": loan})


def test_the_other_sides_step_a_third_ones_and_one_that_is_not_listed_are_refused(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    third = make.manager(make.institution("AFAD"))
    assert "the other side does this" in refused(make, sender, ACT, loan=loan, step="lent")
    assert "the other side does this" in refused(make, third, ACT, loan=loan, step="lent")
    assert "does not go from" in refused(make, sender, ACT, loan=loan, step="returned")
    assert refused(make, receiver, ACT, loan=loan, step="refused") == ""
    assert "does not go from" in refused(make, receiver, ACT, loan=loan, step="lent")
    ours, theirs = both(make, loan)
    assert (ours["state"], theirs["state"], ours["act"]) == ("refused", "refused", 2)


def test_of_two_answers_at_once_one_is_taken(make: Factory, receiver: Somebody, loan: uuid.UUID) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda step=step: answers.append(refused(make, receiver, ACT, loan=loan, step=step)))
        for step in ("lent", "refused")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, answers)) == [False, True]
    ours, theirs = both(make, loan)
    assert (ours["act"], ours["shared"]) == (2, theirs["shared"])


def test_acts_in_both_directions_wait_for_each_other_and_never_for_ever(
    make: Factory, sender: Somebody, receiver: Somebody
) -> None:
    failures: list[str] = []

    def ask(who: Somebody, other: Somebody) -> None:
        for _ in range(10):
            try:
                asked = run(make, who, ASK, receiver=other.tenant.id)[0]
                run(make, other, ACT, loan=asked, step="lent")
            except DBAPIError as error:  # pragma: no cover
                failures.append(str(error.orig))

    threads = [threading.Thread(target=ask, args=pair) for pair in ((sender, receiver), (receiver, sender))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_both_sides_are_found_as_their_ledgers_say(make: Factory, receiver: Somebody, loan: uuid.UUID) -> None:
    run(make, receiver, ACT, loan=loan, step="lent")
    engine = make.database.engine("signer")
    with engine.connect() as connection:
        ledgers = store.ledgers(connection)
    done = store.verify_all(engine, ledgers, "full", None)
    assert [str(finding) for each in done for finding in each.verdict.findings] == []
    assert stored(make, "loan_side", uuid.UUID(both(make, loan)[0]["id"]))["state"] == "lent"
