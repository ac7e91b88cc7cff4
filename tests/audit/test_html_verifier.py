"""The verifier as one page, in a real Chromium, from a file and without a network: it says what the other one says."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright

from audit import verifier
from audit.canonical_zip import ArchiveError
from tests import machine
from tests.audit.archive_attacks import BROKEN
from tests.audit.bundle_attacks import FEW, Case, Kinds, once, ordered
from tests.audit.evidence import KEY, POLICY_TEXT, TRUE, Parts, bundle, report, summary
from tests.audit.verifier_cases import QUESTIONS

_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()


class Auditor:
    """Somebody with the page, a key on paper, and files."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.runs = 0

    def says(
        self,
        evidence: bytes,
        keys: Sequence[str] = (str(KEY.verifier),),
        policy: str | None = POLICY_TEXT,
        outside: bytes | None = None,
        said: bytes | None = None,
    ) -> dict[str, Any]:
        self.runs += 1
        files = {"policy": None if policy is None else policy.encode(), "checkpoint": outside, "statements": said}
        if len(evidence) > 1_000_000:  # not in a message
            with NamedTemporaryFile(suffix=".zip") as large:
                large.write(evidence)
                large.flush()
                self.page.set_input_files("#evidence", large.name)
                return self._asked(files, keys)
        return self._asked({**files, "evidence": evidence}, keys)

    def _asked(self, files: dict[str, bytes | None], keys: Sequence[str]) -> dict[str, Any]:
        given = {field: None if content is None else b64encode(content).decode() for field, content in files.items()}
        report = self.page.evaluate(_ASK, ["\n".join(keys), given, str(self.runs)])
        found: dict[str, Any] = json.loads(report or "null")
        return found


_ASK = """async ([keys, given, run]) => {
  const at = (id) => document.getElementById(id);
  at('keys').value = keys;
  for (const [field, content] of Object.entries(given)) {
    const chosen = new DataTransfer();
    if (content !== null)
      chosen.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], 'evidence.zip'));
    at(field).files = chosen.files;
    at(field).dispatchEvent(new Event('change', {bubbles: true}));
  }
  const done = new Promise((told) => new MutationObserver((_, watching) => {
    if (document.body.dataset.done === run) { watching.disconnect(); told(); }
  }).observe(document.body, {attributes: true}));
  document.querySelector('button[type=submit]').click();
  await done;
  return at('report').textContent;
}"""
"""Chooses the files, sends the form and waits, in one message to the browser."""


def told(found: dict[str, Any]) -> tuple[str, str, int | None, Kinds]:
    findings = [(each["seq"], each["kind"]) for each in found["findings"]]
    return found["verdict"], found["assurance"], found["first_broken"], findings


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verifier") / "verifier.html"
    path.write_text(verifier.page(), "utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A machine without Chromium fails these tests: they cannot be skipped."""
    path = machine.chromium()
    assert path is not None, "there is no Chromium: run `make test`, or name one in ITM_TEST_CHROMIUM"
    started = playwright.chromium.launch(executable_path=path, args=_FLAGS)
    yield started
    started.close()


@pytest.fixture(scope="module")
def auditor(chromium: Browser, page_file: Path) -> Iterator[Auditor]:
    page = chromium.new_context(offline=True, locale="tr-TR").new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
    page.goto(page_file.as_uri())
    yield Auditor(page)
    assert said == [], "the page asked the network for something, or failed"


@pytest.mark.parametrize("case", list(once(FEW)))
def test_an_attack_is_told_for_what_it_is_and_where(auditor: Auditor, case: Case) -> None:
    verdict, assurance, place, kinds = told(auditor.says(case.forged()))
    expected = case.expected()
    assert (verdict, assurance, place) == expected[:3]
    assert expected[3] is None or ordered(kinds) == expected[3]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_bundle_tells_nothing(auditor: Auditor, broken: str) -> None:
    forge, why = BROKEN[broken]
    found = auditor.says(forge(bundle(20)))
    assert told(found) == ("cannot tell", "unsigned", None, [(None, "unread")])
    assert why in found["findings"][0]["detail"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_the_answer_that_the_program_gives(auditor: Auditor, name: str) -> None:
    question = QUESTIONS[name]
    outside = None if question.outside is None else question.outside()
    verdict, assurance, place, kinds = told(
        auditor.says(question.evidence(), question.keys, question.policy, outside, question.said)
    )
    assert (verdict, assurance, place, ordered(kinds)) == (*question.answer[:3], ordered(question.answer[3]))


@pytest.mark.parametrize("times", [50, pytest.param(500, marks=pytest.mark.wide)])
def test_both_verifiers_say_the_same_of_evidence_that_was_changed_at_random(auditor: Auditor, times: int) -> None:
    """Careless changes of bytes, and careful ones of single files with a manifest that knows."""
    random = Random(20260101)
    for _ in range(times):
        evidence = _changed(random)
        assert told(auditor.says(evidence)) == summary(report(evidence)), evidence


def _changed(random: Random) -> bytes:
    kind = random.randrange(3)
    if kind == 0:
        return _scribbled(random, bundle(7))
    if kind == 1:
        return _scribbled(random, bytes(TRUE.proof(4, 7)))
    parts = Parts.of(bundle(7))
    name = random.choice([each for each in parts.files if each.endswith(("jsonl", "json"))])
    parts.files[name] = _scribbled(random, parts.files[name])
    try:
        return bytes(parts if name == "manifest.json" else parts.hashed())
    except ArchiveError:
        return b""


def _scribbled(random: Random, data: bytes) -> bytes:
    start = random.randrange(len(data))
    stop = min(len(data), start + random.choice([0, 1, 1, 2, 30, 200]))
    words = [
        b"",
        b"0",
        b'"',
        b"\\",
        b"\n",
        b"A",
        b"null",
        b"{}",
        b"\xff",
        b"\\ud800",
        b"1e9",
        "ş".encode(),
        data[start:stop] * 2,
    ]
    return data[:start] + random.choice(words) + data[stop:]


def test_the_verdict_stands_first_and_says_no_more_than_it_is_in_both_languages(auditor: Auditor) -> None:
    page = auditor.page
    auditor.says(bundle(9))
    assert page.inner_text("#verdict") == "Sonuç: Sağlam"
    assert "bağımsız tanıkların imzasıyla" in page.inner_text("#facts")
    assert page.evaluate("document.activeElement.id") == "result"
    page.click("#language")
    assert (page.inner_text("#verdict"), page.title()) == ("Result: Intact", "Audit ledger verifier")
    assert page.evaluate("document.documentElement.lang") == "en"
    auditor.says(bundle(9), policy=None)
    assert "self-attested" in page.inner_text("#facts")
    auditor.says(b"nothing")
    assert page.inner_text("#verdict") == "Result: Cannot tell"
    page.click("#language")
    assert page.inner_text("#verdict") == "Sonuç: Belirlenemedi"


def test_a_file_is_dropped_on_the_page(auditor: Auditor) -> None:
    assert auditor.says(bundle(3))["leaves"] == 3
    transfer = auditor.page.evaluate_handle(
        "content => { const given = new DataTransfer();"
        " given.items.add(new File([Uint8Array.from(content)], 'dropped.zip')); return given; }",
        list(bundle(5)),
    )
    auditor.page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    auditor.runs += 1
    auditor.page.locator(f"body[data-done='{auditor.runs}']").wait_for()
    assert json.loads(auditor.page.inner_text("#report") or auditor.page.text_content("#report") or "")["leaves"] == 5
    assert "dropped.zip" in auditor.page.inner_text("#chosen")


def test_without_a_file_it_asks_for_one(chromium: Browser, page_file: Path) -> None:
    page = chromium.new_page(locale="en-GB")
    page.goto(page_file.as_uri())
    page.click("button[type=submit]")
    assert page.inner_text("#status") == "Choose a file of evidence first."
    assert page.is_hidden("#result")


def test_what_evidence_says_is_text_and_never_a_page(auditor: Auditor) -> None:
    attack = bundle(1).replace(b"itm-0123456789ab/ledger/JGK/1", b"<img src=x onerror=alert(1)>x")
    auditor.says(attack)
    assert auditor.page.locator("#result img").count() == 0


def test_a_browser_that_verifies_no_signatures_says_so(chromium: Browser, page_file: Path) -> None:
    page = chromium.new_page(locale="tr-TR")
    page.add_init_script(
        "const known = SubtleCrypto.prototype.importKey; SubtleCrypto.prototype.importKey = function (...given) {"
        " return given[2] === 'Ed25519' ? Promise.reject(new DOMException('', 'NotSupportedError'))"
        " : known.apply(this, given); };"
    )
    page.goto(page_file.as_uri())
    assert told(Auditor(page).says(bundle(3))) == ("cannot tell", "unsigned", None, [(None, "browser")])


@pytest.mark.parametrize(
    ("width", "evidence"),
    [(320, bundle(3)), (1280, b""), (320, bytes(TRUE.proof(1, 3)).replace(b"JGK", b"EGM"))],
    ids=["intact", "nothing", "tampered"],
)
def test_everybody_can_use_it(chromium: Browser, page_file: Path, width: int, evidence: bytes) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, bypass_csp=True)
    page.goto(page_file.as_uri())
    Auditor(page).says(evidence)
    page.click("summary")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_every_word_is_said_in_both_languages() -> None:
    words = (Path(verifier.__file__).parent / "words.js").read_text("utf-8")
    turkish, english = words.split("\n  en: {\n")
    names = [re.findall(r"^    (\w+):", part, re.MULTILINE) for part in (turkish, english)]
    assert names[0] == names[1]
    scripts = "".join((Path(verifier.__file__).parent / name).read_text("utf-8") for name in verifier.SCRIPTS[1:])
    codes = set(re.findall(r"(?:Refused|Unsigned)\(\"(\w+)\"", scripts))
    for pattern in (r'cannot\("\w+", "(\w+)"', r'report\([^",]+, "\w+", "(\w+)"', r'contradicted\([^",]+, "(\w+)"'):
        codes |= set(re.findall(pattern, scripts))
    assert len(codes) > 50
    assert codes <= set(names[0])


def test_the_page_is_one_file_that_may_run_itself_and_reach_nothing(page_file: Path) -> None:
    page = page_file.read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    directives = dict(each.split(" ", 1) for each in policy[1].split("; "))
    assert directives.keys() == {"default-src", "script-src", "style-src", "base-uri", "form-action"}
    assert [directives[name] for name in ("default-src", "base-uri", "form-action")] == ["'none'"] * 3
    for name in ("script-src", "style-src"):
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", directives[name])
        assert len(b64decode(directives[name][8:-1])) == 32
    assert not re.search(
        r"https?:|//[a-z]|\bfetch\b|XMLHttpRequest|WebSocket|sendBeacon|localStorage|innerHTML|\beval\b", page
    )
