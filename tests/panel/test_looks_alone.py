"""A look is committed by itself: what a page changed without saying so is never committed with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from itm_admin.cases.models import Case
from itm_admin.foundation import tenancy
from itm_admin.foundation.audited_reads import Look, append_now
from itm_admin.foundation.database import db
from tests import signed_in
from tests.conftest import Database
from tests.factories import Somebody
from tests.panel.panel_app import RunningPanel

LOOK = Look("record.read", "case", "looked-at-alone")


def at_work(panel: RunningPanel, who: Somebody) -> tenancy.Context:
    return replace(who.context(), secret=signed_in.begin(panel.database, who.username)[1])


def _by_statement(session: Session, case: Case) -> None:
    session.execute(text("UPDATE case_file SET province = 'TR-34' WHERE id = :id"), {"id": case.id})


def _by_object(session: Session, case: Case) -> None:
    session.get_one(Case, case.id).province = "TR-34"


def _by_locking(session: Session, case: Case) -> None:
    session.execute(text("SELECT FROM case_file WHERE id = :id FOR UPDATE"), {"id": case.id})


def _by_nothing(session: Session, case: Case) -> None:
    session.get_one(Case, case.id)


@pytest.mark.parametrize("forgetful", [_by_statement, _by_object, _by_locking, _by_nothing])
def test_what_a_page_left_in_its_transaction_is_not_committed_with_the_look(
    shared_database: Database, panel: RunningPanel, forgetful: Callable[[Session, Case], None]
) -> None:
    who = panel.make.focal_point()
    case = panel.make.case(who)
    before = panel.size(who.tenant)
    with panel.app.app_context(), tenancy.acting(at_work(panel, who)):
        session: Session = db.session()
        forgetful(session, case)
        append_now([LOOK])
        assert not session.in_transaction()
        db.session.remove()
    assert panel.value("SELECT province FROM case_file WHERE id = :id", id=case.id) == "TR-06"
    assert panel.size(who.tenant) == before + 1


def test_a_look_has_the_context_that_holds_when_it_is_appended(shared_database: Database, panel: RunningPanel) -> None:
    first, then = panel.make.focal_point(), panel.make.focal_point(panel.make.other_institution())
    before = panel.size(first.tenant), panel.size(then.tenant)
    with panel.app.app_context():
        with tenancy.acting(at_work(panel, first)):
            db.session().execute(text("SELECT 1"))
        with tenancy.acting(at_work(panel, then)):  # no session was named: the open transaction was not told
            append_now([LOOK])
        db.session.remove()
    assert (panel.size(first.tenant), panel.size(then.tenant)) == (before[0], before[1] + 1)
