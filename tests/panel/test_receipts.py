"""Receipts: who takes them away, what is refused, and what they prove after a rewrite or an older backup."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from audit import checkpoint, note
from audit.checkpoint import Checkpoint
from audit.key import SigningKey
from tests.conftest import Database
from tests.factories import Somebody
from tests.panel.assurance_panel import Browser, PanelWorld, words_of
from tests.panel.signing_world import SigningWorld

OWN = "/institution-history/receipts/"
AUDIT = "/ledgers/receipts/"


class Story:
    """JGK with its manager, a caseworker and an auditor; a national auditor; another institution's manager."""

    def __init__(self, panel: PanelWorld, signing: SigningWorld) -> None:
        make = panel.make
        self.panel, self.signing = panel, signing
        self.manager, self.worker = make.manager(make.institution("JGK")), make.caseworker(make.institution("JGK"))
        self.own, self.national = make.auditor(make.institution("JGK")), make.auditor()
        self.other = make.manager(make.other_institution())
        self.browsers: dict[str, Browser] = {}

    def as_(self, somebody: Somebody) -> Browser:
        if somebody.username not in self.browsers:
            self.browsers[somebody.username] = self.panel.browser(somebody)
        return self.browsers[somebody.username]

    def take(self, somebody: Somebody | None = None, code: str = "JGK") -> bytes:
        page = OWN if somebody in (None, self.manager, self.worker, self.other) else AUDIT
        answer = self.as_(somebody or self.manager).get(f"{page}{self.panel.ledger(code)}")
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=itm-JGK-")
        content: bytes = answer.data
        return content

    def compare(self, content: bytes, somebody: Somebody | None = None, status: int = 200) -> str:
        who = somebody or self.manager
        page = OWN if who in (self.manager, self.worker, self.other) else AUDIT
        browser = self.as_(who)
        browser.get(page)
        file = (io.BytesIO(content), "receipt.txt")
        answer = browser.client.post(
            page, data={"csrf_token": browser.token, "receipt": file}, content_type="multipart/form-data"
        )
        assert answer.status_code == status, answer.get_data(as_text=True)[-1500:]
        return words_of(answer)


class _Signing(SigningWorld):
    """The panel's own institutions instead of made ones."""

    def __post_init__(self) -> None:
        rows = self.run("select holder, code from audit.ledger")
        self.ids = {row.code: row.holder for row in rows}


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    panel = PanelWorld(database, tmp_path / "home")
    panel.make.institution("JGK")
    superuser = database.engine("superuser")
    story = Story(panel, _Signing(superuser, database, tmp_path))
    story.signing.round()
    return story


def test_a_manager_takes_the_signed_state_away_and_the_ledger_says_so(story: Story) -> None:
    content = story.take()
    held = story.signing.held("JGK")
    assert held == Checkpoint.parse(note.parse(content).text)
    assert note.verified(note.parse(content), story.signing.keys().active)
    (look,) = [each for each in story.panel.looks(story.manager) if each.action == "ledger.export"]
    assert (look.kind, look.target, look.detail["format"]) == ("ledger", str(story.panel.ledger("JGK")), "receipt")
    for auditor in (story.own, story.national):
        assert story.take(auditor) == content


def test_others_do_not_take_it_away(story: Story) -> None:
    assert story.as_(story.worker).get(f"{OWN}{story.panel.ledger('JGK')}").status_code == 403
    assert story.as_(story.other).get(f"{OWN}{story.panel.ledger('JGK')}").status_code == 404
    assert "The institution's manager takes it away." in story.as_(story.worker).words(OWN)
    assert "Receipt of JGK (JGK)" in story.as_(story.manager).words(OWN)


def test_whoever_reads_the_history_learns_that_the_ledger_goes_on_from_a_receipt(story: Story) -> None:
    content = story.take()
    story.signing.act("JGK", 300)
    story.signing.round()
    for somebody in (story.manager, story.worker, story.own, story.national):
        page = story.compare(content, somebody)
        assert "The hashes that are signed today continue those of the receipt" in page
        assert "No verification of all entries has covered the entries of this receipt yet" in page
        assert "Consistency proof (RFC 6962)" in page
    looks = [each for each in story.panel.looks(story.worker) if "answer" in (each.detail or {})]
    assert looks[-1].detail["answer"] == "goes on"


def test_a_receipt_clears_no_ledger_whose_content_was_changed(story: Story) -> None:
    """The content keeps its hash, so the signed hashes go on; a later look at new entries alone clears nothing."""
    story.signing.act("JGK", 3)
    story.signing.round()
    content = story.take()
    story.panel.verify()
    for somebody in (story.manager, story.national):
        assert "were last read and verified on" in story.compare(content, somebody)
    story.signing.attack(
        "update audit.event set content = replace(content, '\"success\"', '\"denied\"') where id = (select event_id"
        " from audit.leaf where ledger_id = (select id from audit.ledger where code = 'JGK') and seq = 2)"
    )
    story.panel.verify()
    story.signing.act("JGK", 3)
    story.signing.round()
    story.panel.verify("incremental")
    for somebody in (story.manager, story.national):
        page = story.compare(content, somebody)
        assert "says of this ledger: Tampered with. The receipt does not clear it." in page
        assert "were last read and verified" not in page


def test_an_intact_verification_of_fewer_entries_does_not_vouch_for_a_receipt(story: Story) -> None:
    story.panel.verify()
    story.signing.act("JGK", 3)
    story.signing.round()
    page = story.compare(story.take())
    assert "No verification of all entries has covered the entries of this receipt yet" in page
    assert "were last read and verified" not in page


def test_the_newest_receipt_of_all_needs_no_proof(story: Story) -> None:
    assert "the proof is empty" in story.compare(story.take())


def test_a_receipt_proves_that_history_was_rewritten(story: Story) -> None:
    story.signing.act("JGK", 5)
    story.signing.round()
    content = story.take()
    story.signing.rewrite("JGK", 2)
    story.signing.act("JGK", 5)
    for somebody in (story.manager, story.national):
        assert "history was rewritten since" in story.compare(content, somebody)
    look = [each for each in story.panel.looks(story.manager) if "answer" in (each.detail or {})][-1]
    assert (look.outcome, look.detail["answer"]) == ("failure", "rewritten")


def test_a_receipt_proves_that_an_older_backup_was_restored(story: Story) -> None:
    """Also when nothing else remembers: the folder outside and every record of a signature went back with it."""
    size = story.signing.size("JGK")
    story.signing.act("JGK", 50)
    story.signing.round()
    content = story.take()
    story.signing.truncate("JGK", size)
    assert "an older backup was restored" in story.compare(content)


def test_a_receipt_proves_it_also_when_the_ledger_has_grown_past_it_again(story: Story) -> None:
    size = story.signing.size("JGK")
    story.signing.act("JGK", 20)
    story.signing.round()
    content = story.take()
    story.signing.truncate("JGK", size)
    story.signing.act("JGK", 60)
    assert "history was rewritten since" in story.compare(content)


def test_a_receipt_by_a_key_that_is_not_trusted_proves_nothing(story: Story) -> None:
    content = story.take()
    (key,) = story.signing.keys().active
    story.signing.place().keyring.distrust(key, {})
    story.signing.round()
    assert "it proves nothing" in story.compare(content)


def _forged(story: Story, by: SigningKey, origin: str | None = None) -> bytes:
    held = story.signing.held("JGK")
    assert held
    return bytes(checkpoint.sign(Checkpoint(origin or held.origin, held.size, bytes(32)), by))


def test_what_is_no_receipt_is_refused_in_words(story: Story) -> None:
    content = story.take()
    name = story.signing.keys().active[0].name
    stranger = SigningKey.generate(name)
    other = note.parse(story.as_(story.national).get(f"{AUDIT}{story.panel.ledger('GIB')}").data)
    bad = content[:-6] + (b"AAAAA\n" if not content.endswith(b"AAAAA\n") else b"BBBBB\n")
    cases = {
        b"": "Choose the receipt's file.",
        b"\x00\xff" * 50: "This file is no receipt",
        b"hello": "This file is no receipt",
        content.replace(b"\n", b"\r\n"): "This file is no receipt",
        b"x" * 20_000: "too large for a receipt",
        _forged(story, stranger): "not signed by a key that the ledger names",
        bytes(other): "not a receipt of a ledger that you may see",
        _forged(story, stranger, f"{name}/ledger/NONE/1"): "not a receipt of a ledger that you may see",
        bad: "",
    }
    for given, words in cases.items():
        page = story.compare(given, status=422)
        assert words in page, (given[:40], page[-600:])
        assert "There is a problem" in page
    assert "The hashes that are signed today" in story.compare(bytes(other), story.national)


def test_a_file_beyond_any_request_is_refused_before_it_is_read(story: Story) -> None:
    browser = story.as_(story.manager)
    browser.get(OWN)
    file = (io.BytesIO(b"x" * 3_000_000), "receipt.txt")
    answer = browser.client.post(OWN, data={"csrf_token": browser.token, "receipt": file})
    assert answer.status_code == 413


def test_before_the_first_checkpoint_there_is_nothing_to_take(database: Database, tmp_path: Path) -> None:
    panel = PanelWorld(database, tmp_path / "home")
    manager = panel.make.manager(panel.make.institution("JGK"))
    answer = panel.browser(manager).get(f"{OWN}{panel.ledger('JGK')}")
    assert answer.status_code == 404
    assert "no signed checkpoint yet" in words_of(answer)
