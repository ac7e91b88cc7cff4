"""The whole matrix of roles and rights, as it was decided: what no row names, nobody may.

The rows stand in the areas. rights.txt has them beside each other, to be read in a review: it is written from them by
``python -m tests.house.rights``. What must hold of any row, whatever it says, is tested here.
"""

from __future__ import annotations

import re

import pytest
from flask_babel import force_locale

from itm_admin import areas
from itm_admin.accounts.rights import matrix
from itm_admin.cases.models import Case
from itm_admin.foundation.roles import READ, ROLES, SUBJECTS, permit
from itm_admin.record.area import Area
from tests.house import rights
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel

SUBJECTS_OF_ROLES = {subject for role in ROLES.values() for subject in role.may}
AUDITORS = ("auditor_national", "auditor_institution")
READS_ALONE = {"list", "show", "search", "history", "export", "verify"}
TAKES_UP = {("Alert", "acknowledge"), ("LedgerDecision", "approve"), ("ApiKey", "end")}
"""The acts of auditors beside reading: care of an alert, the second part of a decision, the end of a key."""


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def test_each_role_may_do_what_the_matrix_says_and_nothing_else() -> None:
    """After a change that is meant: python -m tests.house.rights"""
    assert len(areas.AREAS) >= 5
    assert rights.table() == rights.FILE.read_text("utf-8")


def test_auditors_change_no_record_and_see_no_protected_value() -> None:
    for role in AUDITORS:
        more = {(subject, act) for subject, acts in ROLES[role].may.items() for act in acts - READS_ALONE}
        assert more <= TAKES_UP, role


def test_who_gives_access_works_on_no_case() -> None:
    work = {subject for subject, acts in ROLES["focal_point"].may.items() if acts & {"add", "edit", "reveal"}}
    assert {"Case", "Person", "VictimProfile"} <= work
    assert not work & set(ROLES["system_administrator"].may)


def test_the_page_shows_the_whole_matrix_in_words_of_both_languages(world: World) -> None:
    browser = world.walkers["institution_manager"].browser
    for language in ("tr", "en"):
        browser.post("/language", language=language, next="/")
        page = browser.get("/rights/").text.partition("<main")[2].partition("</main>")[0]
        with world.panel.app.test_request_context(), force_locale(language):
            rows = matrix()
            labels = [str(role.label) for role in ROLES.values()]
        assert all(page.count(f'columnheader">{label}<') == len(SUBJECTS_OF_ROLES) for label in labels)
        assert page.count("#check") == sum(sum(held) for subject in rows for _act, held, _who in subject.acts)
        for subject in rows:
            for act, *_rest in subject.acts:
                assert not re.search(r"[a-z][A-Z]|_", f"{subject.name} {act}"), (language, subject.name, act)
    browser.post("/language", language="tr", next="/")
    marked = sum(len(acts) for role in ROLES.values() for acts in role.may.values())
    assert sum(sum(held) for subject in rows for _act, held, _who in subject.acts) == marked


def test_no_act_is_called_by_its_code(world: World) -> None:
    with world.panel.app.test_request_context(), force_locale("tr"):
        words = {subject.name: {act for act, *_rest in subject.acts} for subject in matrix()}
    codes = {act for role in ROLES.values() for acts in role.may.values() for act in acts}
    assert len(words) == len(SUBJECTS_OF_ROLES)
    assert not [(subject, acts & codes) for subject, acts in words.items() if acts & codes]


def test_two_areas_cannot_say_different_things_about_one_subject() -> None:
    with pytest.raises(TypeError, match="Case"):
        permit("Case", {"auditor_national": READ})
    assert "Case" not in ROLES["auditor_national"].may


def test_a_role_that_does_not_exist_and_a_subject_without_a_name_are_refused() -> None:
    with pytest.raises(TypeError, match="emperor"):
        permit("Throne", {"emperor": READ}, "Throne")
    with pytest.raises(TypeError, match="name for people"):
        Area("nameless", models=(Case,), may={"Throne": {"caseworker": READ}})
    with pytest.raises(TypeError, match="words for .*'reign'"):
        Area("nameless", may={"Throne": {"caseworker": READ | {"reign"}}}, names={"Throne": "Throne"})
    SUBJECTS.pop("Throne")
    assert not any("Throne" in role.may for role in ROLES.values())
