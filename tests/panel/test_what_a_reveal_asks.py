"""Protected values are offered where there are some, and the form says when it asks for a reason in words."""

from __future__ import annotations

import re

import pytest

from tests.panel.panel_app import RunningPanel


@pytest.mark.parametrize("given", [{}, {"given_name": "Ayşe", "family_name": "Gümüşdere"}], ids=["empty", "filled"])
def test_a_button_shows_protected_values_only_where_some_are_stored(panel: RunningPanel, given: dict[str, str]) -> None:
    worker = panel.make.focal_point()
    case = panel.make.case(worker, **({"narrative": "Anlatı"} if given else {}))
    person = panel.make.person(worker, case, **given).person_id
    browser = panel.browser(worker)
    for page in (f"/persons/{person}", f"/cases/{case.id}"):
        assert (f'href="{page}/reveal"' in browser.get(page).text) is bool(given), page


def test_a_reason_in_words_says_when_it_is_required(panel: RunningPanel) -> None:
    worker = panel.make.focal_point()
    person = panel.make.person(worker, panel.make.case(worker), given_name="Ayşe", family_name="Gümüşdere").person_id
    browser = panel.browser(worker)
    label = re.search(r'<label[^>]*for="words">(.*?)</label>', browser.get(f"/persons/{person}/reveal").text)
    assert label is not None
    assert re.search(r"acil durumda ve adli talepte zorunlu|required in an emergency", label[1])
    assert browser.post(f"/persons/{person}/reveal", purpose="EMERGENCY").status_code == 422
