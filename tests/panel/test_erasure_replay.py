"""The list of erasures outside the database, and what a restored backup cannot undo."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases import erasure_replay, holds, lookup
from itm_admin.cases.models import Case, CasePerson
from itm_admin.foundation.erasure_list import Erasure, Erasures, ListError
from tests.factories import Factory, Somebody, without_rules
from tests.panel.erasing import NAME, erased, stored


@pytest.fixture
def erasures(tmp_path: Path) -> Erasures:
    return Erasures(tmp_path / "erasures")


def _bring_back(factory: Factory, link: CasePerson, before: dict[str, Any], case: dict[str, Any]) -> None:
    """As a restored backup would: the rows as they were."""
    with factory.superuser() as connection, without_rules(connection, "person", "case_file"):
        connection.execute(
            text("update person p set (data_key, given_name_enc, index_terms, erased_at, erasure_ground, row_version)"
                 " = (select data_key, given_name_enc, index_terms, erased_at, erasure_ground, row_version"
                 "    from jsonb_populate_record(null::person, cast(:row as jsonb))) where id = :id"),
            {"row": json.dumps(before), "id": link.person_id})  # fmt: skip
        connection.execute(
            text("update case_file c set (data_key, narrative_enc) = (select data_key, narrative_enc"
                 " from jsonb_populate_record(null::case_file, cast(:row as jsonb))) where id = :id"),
            {"row": json.dumps(case), "id": case["id"]})  # fmt: skip


def _replay(factory: Factory, erasures: Erasures) -> erasure_replay.Replayed:
    return erasure_replay.replay(factory.database.engine("signer"), erasures)


@pytest.fixture
def alone(database: Any) -> Factory:
    """A database of the test's own: the list speaks of all its persons."""
    return Factory(database)


def _person(alone: Factory) -> tuple[Somebody, CasePerson, Case]:
    focal_point, manager = alone.focal_point(), alone.manager()
    case = alone.case(focal_point, narrative="Kanarya anlattı")
    return manager, alone.person(focal_point, case, **NAME), case


def test_who_came_back_from_a_backup_is_erased_again_and_everybody_is_told(alone: Factory, erasures: Erasures) -> None:
    manager, link, case = _person(alone)
    before, narrative = stored(alone, "person", link.person_id), stored(alone, "case_file", case.id)
    erased(alone, manager, link, erasures)
    assert _replay(alone, erasures) == erasure_replay.Replayed()
    _bring_back(alone, link, before, narrative)
    assert _replay(alone, erasures) == erasure_replay.Replayed(repeated=1)
    person = stored(alone, "person", link.person_id)
    assert (person["data_key"], person["given_name_enc"], person["index_terms"]) == (None, None, [])
    assert person["erasure_ground"] == "PERSON_REQUEST"
    assert stored(alone, "case_file", case.id)["narrative_enc"] is None
    told = [each for each in alone.ledger() if '"person.erase"' in each]
    assert len(told) == 2
    assert any('"replayed":true' in each for each in told)
    with alone.superuser() as connection:
        assert connection.scalar(text("select severity from alert where kind = 'person.returned'")) == "critical"
    assert _replay(alone, erasures) == erasure_replay.Replayed()


def test_a_hold_that_the_backup_brought_back_does_not_keep_from_repeating(alone: Factory, erasures: Erasures) -> None:
    manager, link, case = _person(alone)
    before, narrative = stored(alone, "person", link.person_id), stored(alone, "case_file", case.id)
    erased(alone, manager, link, erasures)
    _bring_back(alone, link, before, narrative)
    with alone.working(manager) as session:
        holds.hold(session, Case, case.id, {"reason": "COURT_ORDER"}, lookup.get_case(session, case.id).row_version)
    assert _replay(alone, erasures) == erasure_replay.Replayed(repeated=1)


@pytest.mark.parametrize("stopped", ["before the commit", "after the commit", "after the end", "abandoned"])
def test_wherever_an_erasure_stops_the_list_and_the_database_agree_in_the_end(
    alone: Factory, erasures: Erasures, stopped: str
) -> None:
    manager, link, _case = _person(alone)
    if stopped in ("before the commit", "abandoned"):
        left = Erasure(uuid.uuid4(), manager.tenant.id, link.person_id, "PERSON_REQUEST")
        erasures.intend(left)
        if stopped == "abandoned":
            erasures.end(left, "abandoned")
        expected = erasure_replay.Replayed(open=int(stopped != "abandoned"))
        assert _replay(alone, erasures) == expected  # nobody is erased by an intention alone
        assert stored(alone, "person", link.person_id)["erased_at"] is None
        with alone.superuser() as connection:
            alerts = list(connection.scalars(text("select kind from alert")))
        assert alerts == ["person.unfinished"] * expected.open
        return
    erased(alone, manager, link, erasures, end=stopped == "after the end")
    assert _replay(alone, erasures) == erasure_replay.Replayed(settled=int(stopped == "after the commit"))
    assert [each.end for each in erasures.listed()] == ["erased"]
    assert _replay(alone, erasures) == erasure_replay.Replayed()


def test_erased_persons_whom_a_lost_list_misses_are_told_and_listed_again(alone: Factory, erasures: Erasures) -> None:
    manager, link, _case = _person(alone)
    erased(alone, manager, link)
    assert _replay(alone, erasures) == erasure_replay.Replayed(unlisted=1)
    assert [each.erasure.person for each in erasures.listed()] == [link.person_id]
    assert _replay(alone, erasures) == erasure_replay.Replayed()


def test_only_the_signer_repeats_an_erasure(alone: Factory) -> None:
    manager, link, _case = _person(alone)
    for role in ("app", "owner"):
        with alone.database.engine(role).connect() as connection, pytest.raises(DBAPIError):
            connection.execute(
                text("select itm.erase_again(:institution, :person, 'X', '{}')"),
                {"institution": manager.tenant.id, "person": link.person_id},
            )


def test_a_list_that_was_altered_is_refused_and_nobody_is_erased_by_it(erasures: Erasures) -> None:
    known = Erasure(uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), "PERSON_REQUEST", (uuid.uuid4(),))
    erasures.intend(known)
    erasures.end(known, "erased")
    erasures.end(known, "erased")
    assert [(each.erasure, each.end) for each in erasures.listed()] == [(known, "erased")]
    path = erasures.folder / f"{known.id}.erased"
    good = path.read_bytes()
    other = bytes(Erasure(known.id, known.institution, uuid.uuid4(), "PERSON_REQUEST"))
    for spoilt in (b"", good[:-2], good.replace(b" ", b""), b"[]", b'{"id": 1}', other, good + b"x"):
        path.write_bytes(spoilt)
        with pytest.raises(ListError):
            erasures.listed()
    path.write_bytes(good)
    (erasures.folder / "more.txt").touch()
    with pytest.raises(ListError):
        erasures.listed()
