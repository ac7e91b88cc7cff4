"""A person's browser: signs in, opens pages, fills in their forms. Plain HTTP."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

PATIENCE = 60
_KEPT = re.compile(r"[?&]answer=[0-9a-f]{32}$|^/answers/")
_SECOND_STEP = "/sign-in/factor"
_CODE = re.compile(r'data-synthetic-code data-wait="(?P<wait>\d+)">.*?<code>(?P<code>\d{6})</code>', re.DOTALL)
_CHECKABLE = ("checkbox", "radio")


@dataclass(frozen=True)
class PageAnswer:
    status: int
    body: bytes
    location: str
    """Path and query of the redirect; empty without one."""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def reasons(self) -> str:
        """The page's error text, after a colon; empty if it has none."""
        told = re.search(r'class="error-summary".*?<ul>(.*?)</ul>', self.text, re.DOTALL)
        words = " ".join(unescape(re.sub(r"<[^>]+>", " ", told[1])).split()) if told else ""
        return f": {words}" if words else ""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass
class Form:
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """All names, including unselected fields and buttons."""


class Browser:
    """One person's session. It shows redirects and does not follow them: each step checks the target.

    It does show the stored page that answers a form (foundation/form_answers.py).
    """

    def __init__(self, address: str, username: str) -> None:
        self.address, self.username = address, username
        self._opener: OpenerDirector = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()), _NoRedirects())

    def sign_in(self, password: str) -> PageAnswer:
        """The password, and the code that the demonstration shows on its page."""
        answer = self.fill("/sign-in", username=self.username, password=password)
        if answer.status != 303 or not answer.location.startswith(_SECOND_STEP):
            return answer
        shown = self.get(_SECOND_STEP).text
        code = _CODE.search(shown)
        if code is None:
            raise LookupError(f"{_SECOND_STEP}: the demonstration shows no code")
        time.sleep(int(code["wait"]))
        return self.fill(_SECOND_STEP, code=code["code"])

    def get(self, path: str) -> PageAnswer:
        return self._send(Request(self.address + path))  # noqa: S310 (http: our own address)

    def fill(self, page: str, action: str | None = None, /, **values: Any) -> PageAnswer:
        """Fills in and sends the form of a page that has these fields, or whose target is `action`."""
        shown, names = self.get(page), set(values)
        for form in _Forms.of(shown.text):
            if (action is None and names <= form.names) or form.action == action:
                kept = [pair for pair in form.fields if pair[0] not in names]
                return self.post(action or form.action or page, [*kept, *_pairs(values)])
        raise LookupError(f"{page} ({shown.status}): no form with {sorted(names)}")

    def force(self, path: str, **values: Any) -> PageAnswer:
        """Sends a request that no form offers to this person, with a valid token of their session."""
        form = next(each for each in _Forms.of(self.get("/").text) if dict(each.fields).get("csrf_token"))
        return self.post(path, [("csrf_token", dict(form.fields)["csrf_token"]), *_pairs(values)])

    def upload(self, page: str, name: str, content: bytes) -> PageAnswer:
        form = next(each for each in _Forms.of(self.get(page).text) if name in each.names)
        border = secrets.token_hex(16)
        parts = [
            f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in form.fields
            if key != name
        ]
        head = f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        parts.append(f"{head}Content-Type: text/plain\r\n\r\n".encode() + content + f"\r\n--{border}--\r\n".encode())
        return self._answered(
            Request(  # noqa: S310 (http: our own address)
                self.address + (form.action or page),
                b"".join(parts),
                {"Content-Type": f"multipart/form-data; boundary={border}"},
            )
        )

    def post(self, path: str, pairs: list[tuple[str, str]]) -> PageAnswer:
        return self._answered(Request(self.address + path, urlencode(pairs).encode()))  # noqa: S310 (as above)

    def _answered(self, form: Request) -> PageAnswer:
        sent = self._send(form)
        return self.get(sent.location) if sent.status == 303 and _KEPT.search(sent.location) else sent

    def _send(self, request: Request) -> PageAnswer:
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return PageAnswer(answer.status, answer.read(), "")
        except HTTPError as answer:
            with answer:
                where = urlsplit(answer.headers.get("Location", ""))
                led = where.path + (f"?{where.query}" if where.query else "")
                return PageAnswer(answer.code, answer.read(), led)


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        found += [(name, str(each)) for each in (value if isinstance(value, list | tuple) else (value,))]
    return found


class _Forms(HTMLParser):
    """A page's forms, with the values that a browser would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: tuple[str, list[str]] | None = None

    @classmethod
    def of(cls, page: str) -> list[Form]:
        reading = cls()
        reading.feed(page)
        return reading.forms

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(told.get("action", ""))
            self.forms.append(self._open)
        if self._open is not None and tag != "form":
            self._inside(self._open, tag, told)

    def _inside(self, form: Form, tag: str, told: dict[str, str]) -> None:
        name = told.get("name", "")
        if name:
            form.names.add(name)
        if tag == "input":
            self._input(form, told)
        elif tag == "select":
            self._select = (name, [])
        elif tag == "option" and self._select:
            self._select[1].append((told.get("value", ""), "selected" in told))
        elif tag == "textarea":
            self._area = (name, [])

    @staticmethod
    def _input(form: Form, told: dict[str, str]) -> None:
        name, kind = told.get("name", ""), told.get("type", "text")
        if name and kind not in ("submit", "button") and (kind not in _CHECKABLE or "checked" in told):
            form.fields.append((name, told.get("value", "on" if kind in _CHECKABLE else "")))

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._open is None:
            return
        if tag == "form":
            self._open = None
        elif tag == "select" and self._select:
            name, options = self._select
            chosen = [value for value, selected in options if selected] or [value for value, _ in options[:1]]
            self._open.fields += [(name, value) for value in chosen]
            self._select = None
        elif tag == "textarea" and self._area:
            self._open.fields.append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None


def ids_in(page: str, path: str) -> list[str]:
    """Ids behind a path in a page's addresses, once each."""
    return list(dict.fromkeys(re.findall(rf"{path}([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})", page)))
