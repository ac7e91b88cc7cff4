"""Checks of every page in any journey: usable by everybody, in one language, within its policy.

One h1, the right language, no wider than the window, nothing that axe-core objects to, no report of the
content security policy, no message in the console.
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import ConsoleMessage, Error, Page

from tests.journeys.words import english_in

REPORT = """addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"""
"""Runs before every page's own scripts."""

_WORDS = """() => {
  const said = [document.title];
  const own = (element) => !element.closest('script, style, pre, code, body [lang]');
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (own(walker.currentNode.parentElement)) said.push(walker.currentNode.data);
  const spoken = ['aria-label', 'title', 'placeholder', 'alt', 'data-confirm', 'data-narrow', 'data-day'];
  for (const name of spoken)
    for (const element of document.querySelectorAll(`body [${name}]`))
      if (own(element)) said.push(element.getAttribute(name));
  return said.map((text) => text.trim().replace(/\\s+/g, ' ')).filter(Boolean).join('\\n');
}"""
_FRAME = """() => ({
  lang: document.documentElement.lang,
  h1: document.querySelectorAll('h1').length,
  shut: [...document.querySelectorAll('.region')].filter((one) => !one.closest('details:not([open])'))
    .filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.getAttribute('aria-label')),
  unsaid: document.querySelectorAll('[data-label="undefined"], [data-label="None"]').length,
  over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  wide: [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 3).map((one) => one.outerHTML.slice(0, 120)),
})"""
_AXE = """async ([place, options]) => {
  const found = await axe.run(place ? document.querySelector(place) : document, options);
  const why = (node) => node.any.map((one) => one.message).join('; ');
  const where = (node) => `${node.target.join(' ')} ${node.html.slice(0, 160)} ${why(node)}`;
  return found.violations.map((rule) => `${rule.id}: ${rule.nodes.map(where).join(' | ')}`);
}"""


_SHAPES = """() => {
  let top = document.documentElement;
  const shape = (element) => {
    if (element !== top && element.matches('script, style, use, main')) return '';
    const telling = /^(class|role|type|aria-(?!current)|tabindex|lang|hidden)/;
    const marks = [...element.attributes].filter(({name}) => telling.test(name))
      .map(({name, value}) => name + (/^(class|role|type|lang|aria-label)$/.test(name) ? `=${value}` : '')).sort();
    const named = document.getElementById(element.getAttribute('aria-labelledby'))?.textContent ?? '';
    const said = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim()) ? 'text' : '';
    const inside = [...element.children].map(shape).filter((one, at, all) => one && one !== all[at - 1]);
    return `<${element.localName} ${marks} ${named} ${element.id ? '#' : ''}${said}>${inside.join('')}`;
  };
  const setting = `${innerWidth} ${matchMedia('(prefers-color-scheme: dark)').matches} `;
  return [document.documentElement, document.querySelector('main')].map((part) => setting + shape(top = part));
}"""
"""The input of axe's rules, from the frame and from the page in it: names of places, but no other words, and rows of
one kind once.
"""
_NOT_OURS = "Error with Permissions-Policy header: Unrecognized feature"
"""A feature that is forbidden, and that this browser does not have."""
_known: set[int] = set()
"""Frames and pages that axe-core had nothing against."""


class Console:
    """The browser's complaints about one page, until they are read."""

    def __init__(self, page: Page) -> None:
        self._said: list[tuple[str, str]] = []
        page.on("console", self._heard)
        page.on("pageerror", self._thrown)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_NOT_OURS):
            self._said.append((message.text, message.location["url"]))

    def _thrown(self, error: Error) -> None:
        self._said.append((error.message, ""))

    def take(self, refused: str | None) -> list[str]:
        """All complaints but the browser's note of an answer that the journey meant to get at this address."""
        said, self._said = self._said, []
        return [text for text, url in said if not (refused and url == refused and "responded with a status" in text)]


def frame_faults(page: Page, language: str) -> list[str]:
    """One h1, the language, the width, all columns in sight, and no English on a Turkish page."""
    found: dict[str, Any] = page.evaluate(_FRAME)
    faults = []
    if found["h1"] != 1:
        faults.append(f"{found['h1']} h1")
    if found["lang"] != language:
        faults.append(f"lang={found['lang']}, not {language}")
    if found["over"] > 0:
        faults.append(f"{found['over']} px wider than the window: {found['wide']}")
    if found["shut"]:
        faults.append(f"columns that are out of sight: {found['shut']}")
    if found["unsaid"]:
        faults.append(f"{found['unsaid']} cells of cards whose label is the word undefined")
    if language == "tr":
        faults += [f"English: {text}" for text in english_in(page.evaluate(_WORDS))]
    return faults


def axe_faults(page: Page) -> list[str]:
    """The objections of axe-core.

    A page that differs from an earlier good one only in its words is not checked again, and a good frame is not
    checked again around another page.
    """
    frame, within = (hash(shape) for shape in page.evaluate(_SHAPES))
    if {frame, within} <= _known:
        return []
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], "preload": False}
    found: list[str] = page.evaluate(_AXE, ["main" if frame in _known else None, options])
    if not found:
        _known.update((frame, within))
    return found
