"""Evidence from the panel: what is taken away is told first, verifies elsewhere, and looks broken when it broke off."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from werkzeug.test import TestResponse

from audit import bundle_export
from audit.compact_range import CompactRange
from audit.evidence_report import Report
from audit.policy import Policy
from audit.verify import judge
from tests.audit.evidence import base64
from tests.panel.assurance_panel import words_of
from tests.panel.test_receipts import Story, story

__all__ = ["story"]
OWN, AUDIT = "/institution-history/evidence/", "/ledgers/evidence/"


def _ask(story: Story, who: str = "manager", **fields: str) -> TestResponse:
    somebody = getattr(story, who)
    page = f"{OWN if who in ('manager', 'worker') else AUDIT}{story.panel.ledger('JGK')}"
    browser = story.as_(somebody)
    browser.get(page)
    return browser.post(page, **{"purpose": "AUDIT", **fields})


def _verified(story: Story, content: bytes) -> Report:
    return judge(BytesIO(content), Policy(story.signing.keys().active))


def _exports(story: Story, who: str = "manager") -> list[dict[str, object]]:
    return [look.detail for look in story.panel.looks(getattr(story, who)) if look.action == "ledger.export"]


@pytest.mark.parametrize("who", ["manager", "own", "national"])
def test_a_bundle_is_told_and_verifies_elsewhere(story: Story, who: str) -> None:
    answer = _ask(story, who)
    assert (answer.status_code, answer.mimetype, answer.is_streamed) == (200, "application/zip", True)
    assert answer.headers["Content-Disposition"] == "attachment; filename=itm-JGK-evidence.zip"
    report = _verified(story, answer.data)
    signed = story.signing.recorded("JGK")[-1].size
    assert (report.verdict, report.assurance, report.leaves, report.events) == (
        "intact",
        "self-attested",
        signed,
        signed,
    )
    assert _exports(story, who) == [{"form": "bundle", "from": None, "to": None, "target": None, "actor": None}]


def test_a_range_and_a_person_narrow_it_and_the_typed_name_stays_out_of_the_ledger(story: Story) -> None:
    answer = _ask(story, since="1", until="24.11.2099", actor="ayse.yilmaz")
    report = _verified(story, answer.data)
    assert (report.verdict, report.events) == ("intact", 0)
    (told,) = _exports(story)
    assert (told["from"], told["to"], told["actor"]) == (1, "2099-11-24T20:59:59.999999Z", "by name")
    assert (told["first"], "apart" in told) == (1, False)


def test_evidence_of_a_day_holds_what_its_pages_show_after_a_clock_that_ran_ahead(story: Story) -> None:
    """The sealed time of what came after the leap is the leap's own."""
    ledger = story.panel.ledger("JGK")
    for _ in range(3):
        story.signing.act("JGK")
    story.signing.round()
    newest = story.signing.size("JGK") - 1
    moved = (
        "update audit.event e set at = :at from audit.leaf f"
        " where f.event_id = e.id and f.ledger_id = :id and f.seq = :seq"
    )
    for seq, at in ((newest - 2, "2031-03-02 12:00"), (newest - 1, "2099-01-01 12:00"), (newest, "2031-03-02 12:01")):
        story.signing.attack(moved, at=at, id=ledger, seq=seq)
    answer = _ask(story, since="02.03.2031", until="02.03.2031")
    assert answer.status_code == 200, words_of(answer)
    (told,) = _exports(story)
    assert (told["first"], told["last"], told["apart"]) == (newest - 2, newest, 1)
    assert told["from"] == "2031-03-01T21:00:00.000000Z"
    page = story.as_(story.manager).get("/institution-history/?from=02.03.2031&to=02.03.2031").text
    shown = [seq for seq in range(newest + 1) if f'/institution-history/{ledger}/{seq}"' in page]
    assert shown == [newest - 2, newest], "its pages show the same, without what lies between"
    nothing = _ask(story, since="02.03.2032", until="03.03.2032")
    assert (nothing.status_code, len(_exports(story))) == (422, 1)
    assert "No entry of this ledger has its time in this period." in words_of(nothing)


@pytest.mark.parametrize(
    "fields", [{"since": "yesterday"}, {"until": "1e5"}, {"kind": "case"}, {"target": "1"}, {"purpose": ""}]
)
def test_what_cannot_be_asked_is_refused_before_anything_is_taken(story: Story, fields: dict[str, str]) -> None:
    answer = _ask(story, **fields)
    assert answer.status_code == 422
    assert _exports(story) == []


def test_purged_content_whose_purge_is_not_signed_yet_is_told_before_anything_is_taken(story: Story) -> None:
    for _ in range(2):
        story.signing.act("JGK")
    story.signing.round()
    _purged(story, first=0, last=1)
    answer = _ask(story)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert "Without it the bundle would look tampered with" in words_of(answer)
    assert _exports(story) == []
    assert _verified(story, _ask(story, since="3").data).verdict == "intact", "what was not purged can be had"
    story.signing.round()
    assert _verified(story, _ask(story).data).findings == ()


def _purged(story: Story, first: int, last: int) -> None:
    """The ledger says of these entries that their content is gone."""
    rows = story.signing.run(
        "select hash from audit.leaf f join audit.ledger l on l.id = f.ledger_id"
        " where l.code = 'JGK' and seq between :first and :last order by seq",
        first=first, last=last,
    )  # fmt: skip
    covered = CompactRange(first, first)
    for row in rows:
        covered.append(bytes(row.hash))
    said = {"first": first, "last": last, "hashes": base64(covered.to_bytes())}
    story.signing.run(
        "select audit.write(holder, 'ledger.purge', 'success', 'append', 'ledger', code, NULL, '{}', NULL, :tail)"
        " from audit.ledger where code = 'JGK'",
        tail=f', "detail": {json.dumps(said)}',
    )


def test_an_entry_has_its_proof_behind_a_button(story: Story) -> None:
    ledger = story.panel.ledger("JGK")
    browser = story.as_(story.manager)
    address = f"{OWN}{ledger}/0"
    assert address in browser.get(f"/institution-history/{ledger}/0").get_data(as_text=True)
    answer = browser.get(address)
    assert answer.headers["Content-Disposition"] == "attachment; filename=itm-JGK-0.tlog-proof"
    assert _verified(story, answer.data).verdict == "intact"
    assert [each["form"] for each in _exports(story)] == ["proof"]
    newest = story.signing.size("JGK") - 1
    early = browser.get(f"{OWN}{ledger}/{newest}")
    assert early.headers["Location"].endswith(f"/{ledger}/{newest}"), "back to the entry"
    page = browser.words(early.headers["Location"])
    assert "This entry is not signed yet" in page
    assert "Proof of this entry" not in page


def test_whoever_may_not_export_sees_no_button_and_gets_nothing(story: Story) -> None:
    ledger = story.panel.ledger("JGK")
    browser = story.as_(story.worker)
    assert browser.get(f"{OWN}{ledger}").status_code == 403
    for page in (f"{ledger}/0", "verifier.html", "verifier.pyz"):
        assert browser.get(f"{OWN}{page}").status_code == 403
    assert _ask(story, "worker").status_code == 403
    stranger = story.as_(story.other)
    for page in (f"{ledger}", f"{ledger}/0", f"{ledger}/root"):
        assert stranger.get(f"{OWN}{page}").status_code == 404
    assert stranger.get(f"{AUDIT}{ledger}").status_code == 403
    assert stranger.post(f"{OWN}{ledger}", purpose="AUDIT").status_code == 404
    assert [look for who in ("worker", "other") for look in _exports(story, who)] == []


def test_the_verifiers_come_from_the_panel_and_are_told(story: Story) -> None:
    browser = story.as_(story.manager)
    assert browser.get(f"{OWN}verifier.html").data.startswith(b"<!doctype html>")
    assert browser.get(f"{OWN}verifier.pyz").data.startswith(b"#!/usr/bin/env python3\n")
    assert [each["form"] for each in _exports(story)] == ["verifier.html", "verifier.pyz"]


def test_the_page_says_the_key_and_how_far_the_ledger_is_signed(story: Story) -> None:
    words = story.as_(story.national).words(f"{AUDIT}{story.panel.ledger('JGK')}")
    (key,) = story.signing.keys().active
    assert str(key) in words
    assert f"Signed up to entry {story.signing.recorded('JGK')[-1].size - 1} of" in words


def test_the_root_for_the_register_is_the_signed_one(story: Story) -> None:
    held = story.signing.held("JGK")
    assert held is not None
    words = story.as_(story.worker).words(f"{OWN}{story.panel.ledger('JGK')}/root")
    assert held.root.hex(" ", 2) in words
    assert held.origin in words


def test_a_bundle_is_of_the_moment_in_which_it_was_begun_and_after_its_entry(story: Story) -> None:
    """One snapshot, whatever is written and signed while somebody downloads slowly."""
    story.signing.act_together("JGK", 1500)
    story.signing.round()
    size = story.signing.recorded("JGK")[-1].size
    pieces = iter(_ask(story).iter_encoded())
    came = [next(pieces)]
    assert len(_exports(story)) == 1
    story.signing.act("JGK")
    story.signing.round()
    report = _verified(story, b"".join([*came, *pieces]))
    assert (report.verdict, report.size, report.leaves) == ("intact", size, size)


def test_a_bundle_of_a_changed_ledger_is_given_out_only_to_somebody_who_was_told(story: Story) -> None:
    story.signing.tamper("JGK", 1)
    answer = _ask(story)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    words = words_of(answer)
    assert "judged before it was given out: Tampered with." in words
    assert "Entry 1: The content is not what was sealed: it was changed afterwards." in words
    assert _outcomes(story) == [("failure", "tampered", 1)]
    anyway = _ask(story, anyway="y")
    assert (anyway.status_code, anyway.mimetype) == (200, "application/zip")
    assert _verified(story, anyway.data).verdict == "tampered"
    assert _outcomes(story)[1:] == [("success", "tampered", 1)]


def test_a_bundle_of_entries_that_nobody_signed_is_given_out_only_to_somebody_who_was_told(story: Story) -> None:
    story.signing.attack("delete from audit.checkpoint")
    answer = _ask(story)
    assert answer.status_code == 422
    assert "judged before it was given out: Cannot tell." in words_of(answer)
    assert _outcomes(story) == [("failure", "cannot tell", None)]


def _outcomes(story: Story) -> list[tuple[object, ...]]:
    return [
        (look.outcome, look.detail["verdict"], look.detail["first_broken"])
        for look in story.panel.looks(story.manager)
        if look.action == "ledger.export"
    ]


def test_what_cannot_be_told_is_not_taken(story: Story) -> None:
    browser, ledger = story.as_(story.manager), story.panel.ledger("JGK")
    browser.get(f"{OWN}{ledger}")
    story.signing.run("alter function audit.append rename to append_away")
    for answer in (
        browser.post(f"{OWN}{ledger}", purpose="AUDIT"),
        browser.get(f"{OWN}{ledger}/0"),
        browser.get(f"{OWN}verifier.html"),
    ):
        assert answer.status_code == 503
        assert b"PK" not in answer.data[:2]
        assert b"tlog-proof" not in answer.data


def test_a_bundle_that_cannot_be_made_is_an_error_and_not_a_part_of_it(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(bundle_export, "_surroundings", broken)
    answer = _ask(story)
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert _exports(story) == []
