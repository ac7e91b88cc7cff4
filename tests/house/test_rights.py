"""The whole matrix of roles and rights, as it was decided: what no row names, nobody may.

The rows stand in the areas; here they stand beside each other once more, to be read in a review.
"""

from __future__ import annotations

import re

import pytest
from flask_babel import force_locale

from itm_admin import areas
from itm_admin.accounts.rights import matrix
from itm_admin.cases.models import Case
from itm_admin.foundation.roles import EVERYBODY, READ, ROLES, SUBJECTS, permit
from itm_admin.record.area import Area
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel

LETTERS = dict(zip("FWMNIOSA", ROLES, strict=True))
"""Focal point, case worker, institution manager, national and institution auditor, presidency operator and supervisor,
system administrator."""

MATRIX = {
    "Account": {"list show add edit invite suspend": "MA", "history": "M"},
    "RoleGrant": {"list show add approve end": "MA"},
    "GrantApproval": {"list show approve": "S"},
    "AccessChange": {"list show approve": "FWMOSA", "add": "MA"},
    "AuditAccount": {"list show": "NI"},
    "Rights": {"list": "MNIOSA"},
    "Ledger": {"list show history export verify": "NI"},
    "InstitutionHistory": {"list show": "FWM", "export": "M"},
    "Alert": {"list show": "NIOS", "acknowledge": "NS"},
    "LedgerDecision": {"list show": "NS", "add": "S", "approve": "N"},
    "Case": {
        "list show reveal history close": "FWMO",
        "add edit": "FWO",
        "delete restore hold lower": "M",
        "export assign": "FMO",
    },
    "Person": {
        "list search show reveal history": "FWMO",
        "add edit": "FWO",
        "delete restore erase hold": "M",
        "export": "FMO",
    },
    "VictimProfile": {"list show reveal": "FWMO", "add edit": "FWO"},
    "Draft": {"edit": "FWO"},
    "Institution": {"list show": "A"},
    "Unit": {"list show": "MA", "add edit": "M"},
    "OversightCase": {"list show": "NIOS", "history": "NI"},
    "OversightInstitution": {"list show": "NOS", "add edit": "S"},
}


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    return World(panel)


def test_each_role_may_do_what_the_matrix_says_and_nothing_else() -> None:
    assert len(areas.AREAS) >= 5
    for letter, code in LETTERS.items():
        stated = {
            subject: frozenset(act for acts, who in rows.items() if letter in who for act in acts.split())
            for subject, rows in MATRIX.items()
        }
        assert ROLES[code].may == {subject: acts for subject, acts in stated.items() if acts}, code


def test_everybody_may_do_to_their_own_what_is_named_here_alone() -> None:
    own = {
        "Home": "get", "Answer": "show", "Profile": "edit show", "Language": "index", "Preference": "edit",
        "SecondFactor": "edit list",
        "ApiDescription": "show", "Vocabulary": "list", "Register": "list",
    }  # fmt: skip
    assert {subject: " ".join(sorted(acts)) for subject, acts in EVERYBODY.items()} == own


def test_the_page_shows_the_whole_matrix_in_words_of_both_languages(world: World) -> None:
    browser = world.walkers["institution_manager"].browser
    for language in ("tr", "en"):
        browser.post("/language", language=language, next="/")
        page = browser.get("/rights/").text.partition("<main")[2].partition("</main>")[0]
        with world.panel.app.test_request_context(), force_locale(language):
            rows = matrix()
            labels = [str(role.label) for role in ROLES.values()]
        assert all(page.count(f'columnheader">{label}<') == len(MATRIX) for label in labels)
        assert page.count("#check") == sum(sum(held) for subject in rows for _act, held, _who in subject.acts)
        for subject in rows:
            for act, *_rest in subject.acts:
                assert not re.search(r"[a-z][A-Z]|_", f"{subject.name} {act}"), (language, subject.name, act)
    browser.post("/language", language="tr", next="/")
    marked = sum(len(who) * len(acts.split()) for rows in MATRIX.values() for acts, who in rows.items())
    assert sum(sum(held) for subject in rows for _act, held, _who in subject.acts) == marked


def test_no_act_is_called_by_its_code(world: World) -> None:
    with world.panel.app.test_request_context(), force_locale("tr"):
        words = {subject.name: {act for act, *_rest in subject.acts} for subject in matrix()}
    codes = {act for role in ROLES.values() for acts in role.may.values() for act in acts}
    assert len(words) == len(MATRIX)
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
