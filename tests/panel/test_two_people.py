"""A decision of two on a table of its own: what was proposed and decided stays, and the second is another person."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import Database
from tests.factories import Factory, Somebody
from tests.panel import kept_tables as kept
from tests.panel.kept_tables import refused, run

VERDICTS = """
create table verdict (like itm.proposal including all, id uuid primary key default gen_random_uuid(),
  institution_id uuid not null, what varchar not null, published_at timestamp with time zone);
alter table verdict enable row level security;
alter table verdict force row level security;
create policy verdict_work on verdict for all to itm_app using (institution_id = (select itm.institution()))
  with check (institution_id = (select itm.institution()));
grant select, insert (institution_id, what), update (decision, published_at, what) on verdict to itm_app;
select itm.keep_decision('verdict', '{second}', '{{published_at}}');
"""
PROPOSE = "insert into verdict (institution_id, what) values (:i, 'identified') returning id"
DECIDE = "update verdict set decision = :decision where id = :id"


@pytest.fixture
def make(database: Database) -> Factory:
    return Factory(database)


def proposed(make: Factory, by: Somebody) -> uuid.UUID:
    made: list[uuid.UUID] = run(make, by, PROPOSE, i=by.tenant.id)
    return made[0]


def row(make: Factory, id: uuid.UUID) -> dict[str, Any]:
    with make.superuser() as connection:
        found: dict[str, Any] = connection.scalar(text("select to_jsonb(v) from verdict v where id = :id"), {"id": id})
        return found


def test_another_person_decides_once_and_nothing_of_it_changes(make: Factory) -> None:
    kept.make_tables(make.database, VERDICTS.format(second="another"))
    first, second = make.manager(), make.manager()
    verdict = proposed(make, first)
    assert row(make, verdict)["proposed_by"] == str(first.id)
    assert "does not decide it" in refused(make, first, DECIDE, id=verdict, decision="approved")
    assert "does not go from" in refused(make, second, DECIDE, id=verdict, decision="perhaps")
    assert "stays as it was" in refused(make, second, "update verdict set what = 'other' where id = :id", id=verdict)
    assert refused(make, second, DECIDE, id=verdict, decision="approved") == ""
    assert (row(make, verdict)["decided_by"], row(make, verdict)["decision"]) == (str(second.id), "approved")
    for decision in ("rejected", None):
        assert "does not go from" in refused(make, second, DECIDE, id=verdict, decision=decision)
    publish = "update verdict set published_at = now() where id = :id"
    assert refused(make, first, publish, id=verdict) == ""
    assert "stays decided" in refused(make, first, publish, id=verdict)
    with pytest.raises(DBAPIError, match="stays decided"), make.superuser() as connection:
        connection.execute(text("update verdict set decided_by = proposed_by where id = :id"), {"id": verdict})


def test_nothing_is_decided_when_it_is_proposed(make: Factory) -> None:
    kept.make_tables(make.database, VERDICTS.format(second="another"))
    somebody = make.manager()
    with pytest.raises(DBAPIError, match="does not go from"), make.superuser() as connection:
        connection.execute(
            text("insert into verdict (institution_id, what, proposed_by, proposer_institution_id, decision,"
                 " decided_at, decided_by, decider_institution_id) values (:i, 'x', :a, :i, 'approved',"
                 " now(), :a, :i)"),
            {"i": somebody.tenant.id, "a": somebody.id})  # fmt: skip


@pytest.mark.parametrize("second", ["institution", "independent"])
def test_the_second_person_is_of_another_institution_or_independent(make: Factory, second: str) -> None:
    kept.make_tables(make.database, VERDICTS.format(second=second))
    first, dependent, free = make.manager(), make.manager(), make.manager()
    with make.superuser() as connection:
        raised = text("update account set created_by = :by where id = :id")
        connection.execute(text("alter table account disable trigger a_stamp_change"))
        connection.execute(text("alter table account disable trigger a_stamp"))
        connection.execute(raised, {"by": first.id, "id": dependent.id})
        connection.execute(
            text("alter table account enable always trigger a_stamp_change, enable always trigger a_stamp")
        )
    verdict = proposed(make, first)
    assert "does not decide it" in refused(make, dependent, DECIDE, id=verdict, decision="approved")
    why = refused(make, free, DECIDE, id=verdict, decision="approved")
    assert ("does not decide it" in why) is (second == "institution")


def test_a_rule_that_is_none_is_refused(make: Factory) -> None:
    with pytest.raises(DBAPIError, match="the second person is"):
        kept.make_tables(make.database, VERDICTS.format(second="anybody"))
