"""The course of a case tells each of its turns, why and by whom, to everybody who sees the case."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from itm_admin.cases import holds, lookup, services
from itm_admin.cases.models import Case
from tests.factories import Factory, Somebody
from tests.panel.panel_app import RunningPanel


@pytest.fixture(scope="module")
def author(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def turned(make: Factory, author: Somebody, manager: Somebody) -> Case:
    """Closed, reopened, lowered twice for one reason, held, released, and closed again for another reason."""
    case = make.case(author, opened_on="2024-02-03", confidentiality="SPECIAL")

    def act(who: Somebody, service: Any, *values: Any) -> None:
        with make.working(who) as session:
            service(session, *values, lookup.get_case(session, case.id).row_version)

    def closed(why: str, on: str) -> None:
        act(author, services.close_case, make.keyring, case.id, {"reason": why, "closed_on": on})

    closed("OTHER", "2024-03-05")
    act(author, services.reopen_case, case.id)
    for degree in ("CONFIDENTIAL", "INTERNAL"):
        act(manager, services.lower_confidentiality, case.id, {"confidentiality": degree, "reason": "HANDOVER"})
    act(manager, holds.hold, Case, case.id, {"reason": "COURT_ORDER"})
    act(manager, holds.release, Case, case.id, {"reason": "WITHDRAWN"})
    closed("REFERRED", "2024-04-06")
    return case


def course_of(panel: RunningPanel, who: Somebody, case: Case) -> str:
    page = panel.browser(who).get(f"/cases/{case.id}").text
    start = page.index('id="course"')
    return " ".join(page[start : page.index("</section>", start)].split())


def test_each_turn_of_a_case_is_told_with_its_reason_and_its_person(
    panel: RunningPanel, make: Factory, author: Somebody, manager: Somebody, turned: Case
) -> None:
    worker = make.caseworker()
    with make.working(manager) as session:
        services.assign(session, turned.id, {"account_id": str(worker.id)})
    for who in (author, manager, worker):  # a caseworker reads only the own acts in the ledger
        told = course_of(panel, who, turned)
        assert told.count("Dosya kapatıldı") == 2
        assert told.count("Dosya devri veya yönlendirme") == 2
        for words in ("Dosya yeniden açıldı", "Gizlilik derecesi düşürüldü", "Hukuki saklama konuldu", "Mahkeme kararı",
                      "Hukuki saklama kaldırıldı", "Karar veya talep kaldırıldı"):  # fmt: skip
            assert words in told, words
        for name in (author.actor.full_name, manager.actor.full_name):
            assert f'<p class="soft">{name}</p>' in told
        assert told.index("Başka kuruma yönlendirildi") < told.index("Dosya yeniden açıldı")


def test_the_turns_of_a_case_that_one_does_not_see_are_told_to_nobody(
    make: Factory, author: Somebody, turned: Case
) -> None:
    special = make.case(author, confidentiality="SPECIAL")
    turns = text("select count(*) from itm.case_turns(:id)")
    for who, least in ((author, 1), (make.focal_point(), 0), (make.caseworker(), 0), (make.auditor(), 0)):
        with make.working(who) as session:
            seen = session.scalar(turns, {"id": special.id})
            assert (seen > 0) == bool(least), who.username
