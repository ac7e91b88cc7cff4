"""The verifier as one page, in a real Chromium, from a file and without a network: it says what the other one says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from audit import verifier
from audit.bundle import Filter
from audit.policy import Policy
from tests.audit.bundle_attacks import BROKEN, FEW, Case, Kinds, cases, ordered
from tests.audit.evidence import KEY, POLICY_TEXT, TRUE, WITNESS, History, bundle, report, summary

_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()


class Auditor:
    """Somebody with the page, a key on paper, and files."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.runs = 0
        self.given: dict[str, bytes | None] = {"#policy": None, "#checkpoint": None}

    def says(
        self,
        evidence: bytes,
        keys: str = str(KEY.verifier),
        policy: str | None = POLICY_TEXT,
        outside: bytes | None = None,
    ) -> dict[str, Any]:
        self.page.fill("#keys", keys)
        for field, content in (("#policy", None if policy is None else policy.encode()), ("#checkpoint", outside)):
            if content != self.given[field]:
                given = [] if content is None else [{"name": "f.txt", "mimeType": "text/plain", "buffer": content}]
                self.page.set_input_files(field, given)  # type: ignore[arg-type]
                self.given[field] = content
        self.page.set_input_files("#evidence", [{"name": "e.zip", "mimeType": "application/zip", "buffer": evidence}])
        self.page.click("button[type=submit]")
        self.runs += 1
        self.page.locator(f"body[data-done='{self.runs}']").wait_for()
        found: dict[str, Any] = json.loads(self.page.text_content("#report") or "null")
        return found


def told(found: dict[str, Any]) -> tuple[str, str, int | None, Kinds]:
    findings = [(each["seq"], each["kind"]) for each in found["findings"]]
    return found["verdict"], found["assurance"], found["first_broken"], findings


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verifier") / "verifier.html"
    path.write_text(verifier.page(), "utf-8")
    return path


@pytest.fixture(scope="module")
def auditor(page_file: Path) -> Iterator[Auditor]:
    """A machine without Chromium fails these tests: they cannot be skipped."""
    path = Path(os.environ.get("ITM_TEST_CHROMIUM") or "/usr/bin/chromium")
    assert path.is_file(), f"ITM_TEST_CHROMIUM: there is no Chromium at {path}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        context = chromium.new_context(offline=True, locale="tr-TR")
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
        page.goto(page_file.as_uri())
        yield Auditor(page)
        chromium.close()
    assert said == [], "the page asked the network for something, or failed"


@pytest.mark.parametrize("case", cases(FEW), ids=str)
def test_an_attack_is_told_for_what_it_is_and_where(auditor: Auditor, case: Case) -> None:
    verdict, assurance, place, kinds = told(auditor.says(case.forged()))
    expected = case.expected()
    assert (verdict, assurance, place) == expected[:3]
    assert expected[3] is None or ordered(kinds) == expected[3]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_bundle_tells_nothing(auditor: Auditor, broken: str) -> None:
    found = auditor.says(BROKEN[broken](bundle(20)))
    assert told(found) == ("cannot tell", "unsigned", None, [(None, "unread")])
