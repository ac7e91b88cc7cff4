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

ASK = (
    'select itm.open_loan_side(:receiver, \'{"state":"asked","what":"a car"}\','
    " jsonb_build_object('note', 'ours', 'unit_id', cast(:unit as text)))"
)
ACT = (
    "select itm.act_on_loan_side(s.id, s.act, jsonb_build_object('state', cast(:step as text)))"
    " from loan_side s where s.common = :loan"
)
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
    return asked(make, sender, receiver)


def asked(make: Factory, sender: Somebody, receiver: Somebody) -> uuid.UUID:
    side = run(make, sender, ASK, receiver=receiver.tenant.id, unit=str(sender.tenant.root))[0]
    common: list[uuid.UUID] = run(make, sender, "select common from loan_side where id = :id", id=side)
    return common[0]


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
    for call in ("act_of_two('loan_side', :loan, 1, '{}')", "open_sides('loan_side', :loan, '{}', '{}')"):
        assert "permission denied" in refused(make, sender, f"select itm.{call}", loan=loan)
    with (
        pytest.raises(
            DBAPIError, match="hold the same|other side does|by its steps alone|never change|two_institutions"
        ),
        make.superuser() as it,
    ):
        it.execute(text(f"{statement} and party = 'from'"), {"loan": loan})


def test_the_other_sides_step_a_third_ones_and_one_that_is_not_listed_are_refused(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    third = make.manager(make.institution("AFAD"))
    assert "the other side does this" in refused(make, sender, ACT, loan=loan, step="lent")
    side = uuid.UUID(both(make, loan)[0]["id"])
    act = "select itm.act_on_loan_side(:side, 1, cast(:changed as jsonb))"
    for who in (third, make.auditor(), make.focal_point(unit=make.unit("Güney"))):
        changed = '{"state":"lent"}'
        assert "this act is between others" in refused(make, who, act, side=side, changed=changed), who.username
    assert "does not go from" in refused(make, sender, ACT, loan=loan, step="returned")
    assert refused(make, receiver, ACT, loan=loan, step="refused") == ""
    assert "does not go from" in refused(make, receiver, ACT, loan=loan, step="lent")
    ours, theirs = both(make, loan)
    assert (ours["state"], theirs["state"], ours["act"]) == ("refused", "refused", 2)


def test_a_step_changes_what_it_names_alone_and_an_act_that_was_not_seen_is_a_conflict(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    side = uuid.UUID(both(make, loan)[1]["id"])
    act = "select itm.act_on_loan_side(:side, :seen, cast(:changed as jsonb))"
    for changed, why in (
        ('{"state":"lent","what":"a house"}', "by its steps alone"), ('{"what":"a house"}', "by its steps alone"),
        ('{"state":"lent","note":"x"}', "of one side"), ('{"state":"lent","party":"from"}', "of one side"),
    ):  # fmt: skip
        assert why in refused(make, receiver, act, side=side, seen=1, changed=changed), changed
    assert "acted meanwhile" in refused(make, receiver, act, side=side, seen=0, changed='{"state":"lent"}')
    assert refused(make, receiver, act, side=side, seen=1, changed='{"state":"lent","until_day":"2026-05-01"}') == ""
    ours, theirs = both(make, loan)
    assert (ours["until_day"], theirs["until_day"]) == ("2026-05-01", "2026-05-01")
    assert events(make, ours)[-1]["changes"].keys() == {"state", "until_day", "act", "shared"}


def test_a_side_begins_in_the_first_state_by_somebody_who_works_in_its_unit(
    make: Factory, sender: Somebody, receiver: Somebody
) -> None:
    opens = (
        "select itm.open_loan_side(:receiver, cast(:held as jsonb), jsonb_build_object('unit_id', cast(:unit as text)))"
    )
    asked = '{"state":"asked","what":"a car"}'
    own, theirs = str(sender.tenant.root), str(receiver.tenant.root)
    outside = make.focal_point(unit=make.unit("Güney"))
    for who, held, unit, why in (
        (sender, '{"state":"lent","what":"a car"}', own, "does not go from"), (sender, asked, theirs, "foreign key"),
        (outside, asked, own, "works on its side"), (make.auditor(), asked, own, "in an institution"),
        (sender, '{"state":"asked","what":"a car","shared":"x"}', own, "of one side"),
    ):  # fmt: skip
        assert why in refused(make, who, opens, receiver=receiver.tenant.id, held=held, unit=unit), why
    assert "two_institutions" in refused(make, sender, opens, receiver=sender.tenant.id, held=asked, unit=own)
    made = run(make, sender, opens, receiver=receiver.tenant.id, held=asked, unit=own)[0]
    assert stored(make, "loan_side", made)["unit_id"] == own
    insert = "insert into loan_side (institution_id, unit_id) values (:i, :u)"
    assert "permission denied" in refused(make, sender, insert, i=sender.tenant.id, u=sender.tenant.root)


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
                loan = asked(make, who, other)
                run(make, other, ACT, loan=loan, step="lent")
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


def test_nobody_acts_with_an_institution_that_is_suspended(make: Factory, sender: Somebody) -> None:
    other = make.focal_point(make.institution("SGK"))
    loan = asked(make, sender, other)
    status = text("update institution set status = :status where id = :id")
    with make.superuser() as connection:
        connection.execute(status, {"status": "suspended", "id": other.tenant.id})
    place = {"receiver": other.tenant.id, "unit": str(sender.tenant.root)}
    assert "takes no part" in refused(make, sender, ASK, **place)
    assert "takes no part" in refused(make, other, ACT, loan=loan, step="lent")
    with make.superuser() as connection:
        connection.execute(status, {"status": "active", "id": other.tenant.id})
    assert refused(make, other, ACT, loan=loan, step="lent") == ""


def test_nobody_acts_on_a_record_whose_other_side_was_deleted(
    make: Factory, sender: Somebody, receiver: Somebody, loan: uuid.UUID
) -> None:
    gone = "update loan_side set deleted_at = now(), deletion_reason = 'OTHER' where common = :loan"
    assert refused(make, make.manager(), gone, loan=loan) == ""
    assert "was deleted" in refused(make, receiver, ACT, loan=loan, step="lent")
