"""The pages of erasure and of legal holds, on the whole panel."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import text

from itm_admin.foundation.erasure_list import Erasures
from tests.panel.panel_app import RunningPanel

NAME = {"given_name": "Kanarya", "family_name": "Şahincanary"}


def test_nothing_is_erased_while_the_list_cannot_be_written(panel: RunningPanel, tmp_path: Path) -> None:
    focal_point, manager = panel.make.focal_point(), panel.make.manager()
    case = panel.make.case(focal_point)
    link = panel.make.person(focal_point, case, **NAME)
    (tmp_path / "file").touch()
    kept, panel.app.extensions["itm_erasures"] = panel.app.extensions["itm_erasures"], Erasures(tmp_path / "file")
    fields = {"version": "1", "ground": "PERSON_REQUEST", "pseudonym": link.person.pseudonym}
    browser = panel.browser(manager)
    answer = browser.post(f"/erasures/{link.person_id}", **fields)
    panel.app.extensions["itm_erasures"] = kept
    assert answer.status_code == 503
    assert panel.value("select erased_at from person where id = :id", id=link.person_id) is None
    answer = browser.post(f"/erasures/{link.person_id}", **fields)
    assert answer.status_code == 303
    assert panel.value("select erased_at from person where id = :id", id=link.person_id) is not None
    [listed] = kept.listed()
    assert (listed.erasure.person, listed.end) == (link.person_id, "erased")


def test_the_pages_say_what_goes_what_stays_and_afterwards_that_it_is_gone(panel: RunningPanel) -> None:
    focal_point, manager = panel.make.focal_point(), panel.make.manager()
    case = panel.make.case(focal_point, narrative="Kanarya anlattı")
    link = panel.make.person(focal_point, case, **NAME)
    browser, path = panel.browser(manager), f"/erasures/{link.person_id}"
    page = browser.get(path)
    assert page.status_code == 200
    assert case.reference in page.text
    fields = {"version": "1", "ground": "PERSON_REQUEST", "pseudonym": link.person.pseudonym.lower()}
    refused = browser.post(path, **fields)
    assert refused.status_code == 422
    assert panel.value("select erased_at from person where id = :id", id=link.person_id) is None
    assert browser.post(f"/holds/cases/{case.id}", version="1", reason="COURT_ORDER").status_code == 303
    assert re.search(r"<strong>(Hukuki saklama konuldu|A legal hold was set)", browser.get(f"/cases/{case.id}").text)
    assert browser.post(path, **fields).status_code in (403, 409, 423)
    assert browser.post(f"/holds/cases/{case.id}/release", version="2", reason="ENDED").status_code == 303
    done = browser.post(path, **fields, **{f"case_{case.id}": "reviewed", f"seen_{case.id}": "3"})
    assert done.status_code == 303, done.text
    assert "m. 7 ve 11" in browser.get(f"/persons/{link.person_id}").text
    after = browser.get(path)
    assert after.status_code == 423
    assert not re.search(r"Şu anda kilitli|Locked at the moment", after.text), "it is for good"
    person = browser.get(f"/persons/{link.person_id}").text
    assert re.search(r"<dd>(İmha edildi|Erased)</dd>", person)
    assert not re.search(r"gerekçe belirtilerek gösterilir|shown for a purpose", person)
    for step in ("edit", "reveal"):
        assert panel.browser(focal_point).get(f"/persons/{link.person_id}/{step}").status_code in (403, 409, 423)
    assert browser.get(f"/cases/{case.id}").status_code == 200


def test_neither_intention_nor_abandonment_is_lost_when_the_database_refuses(
    panel: RunningPanel, tmp_path: Path
) -> None:
    """An erasure that the database refuses at the end was intended, and is marked as abandoned."""
    erasures = Erasures(tmp_path / "erasures")
    focal_point, manager = panel.make.focal_point(), panel.make.manager()
    case = panel.make.case(focal_point)
    link = panel.make.person(focal_point, case, **NAME)
    with panel.make.superuser() as connection:
        connection.execute(
            text(
                "create function public.no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$"
            )
        )
        connection.execute(text("create constraint trigger no after update on person deferrable initially deferred"
                                " for each row execute function public.no()"))  # fmt: skip
    kept, panel.app.extensions["itm_erasures"] = panel.app.extensions["itm_erasures"], erasures
    fields = {"version": "1", "ground": "PERSON_REQUEST", "pseudonym": link.person.pseudonym}
    answer = panel.browser(manager).post(f"/erasures/{link.person_id}", **fields)
    panel.app.extensions["itm_erasures"] = kept
    with panel.make.superuser() as connection:
        connection.execute(text("drop trigger no on person"))
    assert answer.status_code >= 400
    assert panel.value("select erased_at from person where id = :id", id=link.person_id) is None
    assert [each.end for each in erasures.listed()] == ["abandoned"]
