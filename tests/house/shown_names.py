"""Names of people and records in the text that people see: no id, no code, no user name stands there in their place.

Ids stand under *details*, where one who needs them opens them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from itm_admin.foundation import vocabulary
from tests.house.visiting import Visit
from tests.house.walking import World

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_HEX = re.compile(r"\b(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}\b")
_SNAKE = re.compile(r"(?<![\w.@/-])[A-Za-z]+(?:_[A-Za-z]+)+(?![\w@-])")
_TABLE = re.compile(r"\b(?:public|audit|itm)\.[a-z_]+\b")
_CODE = re.compile(r"[a-z]{3,}(?:[._-][a-z]+)*|[A-Z]{3,}(?:_[A-Z]+)+|(?:[A-Z][a-z]+){2,}")
_PROGRAMMERS = ("ApiGuideView.", "OpenApiDocument.", "static")


class Names:
    """The codes, user names and entries of a world that stands still."""

    def __init__(self, world: World) -> None:
        self._usernames = {row[0] for row in world.panel.rows("select username from public.account")}
        with world.panel.app.test_request_context():
            self._codes = _codes(world)
        self._contents = dict(world.panel.rows("select ledger_id || '/' || seq, content from audit.entry"))

    def faults(self, visit: Visit, language: str) -> Iterator[str]:
        """Places of a page that show something else where a name belongs."""
        answer = visit.answer
        if answer.status_code < 400 and answer.mimetype == "text/html" and not visit.endpoint.startswith(_PROGRAMMERS):
            content = self._contents.get("/".join(visit.address.split("/")[-2:])) if language == "tr" else None
            yield from _faults(visit, self._codes, self._usernames, _stored(content) if content else set())


def _codes(world: World) -> set[str]:
    """Codes that cannot be mistaken for a word: with a dot, an underline, or a capital within."""
    every = {code for name in vocabulary.names() for code in vocabulary.codes(name)}
    every |= {row[0] for row in world.panel.rows("select distinct kind from public.alert")}
    return {code for code in every if re.search(r"[._]|[a-z][A-Z]", code)}


def _faults(visit: Visit, codes: set[str], usernames: set[str], stored: set[str]) -> Iterator[str]:
    texts = visit.parts.seen.texts if visit.parts else []
    told_as_such = bool({"Kullanıcı adı", "User name"} & set(texts))
    for place, text_ in enumerate(texts):
        found = [*_UUID.findall(text_), *_HEX.findall(_UUID.sub("", text_)), *_TABLE.findall(text_)]
        found += [word for word in set(re.findall(r"[\w.]+", text_)) if word.strip(".") in codes]
        if not told_as_such:
            found += [name for name in usernames if name in text_ and "@" not in text_]
        found += [word for word in _SNAKE.findall(text_) if not any(word in name for name in usernames)]
        found += [text_] if text_ in stored else []
        if found:
            told = [
                _HEX.sub("(hex)", _UUID.sub("(id)", each))
                for each in (*found[:3], " · ".join(texts[max(0, place - 1) : place + 1])[-160:])
            ]
            yield f"{visit.endpoint}: {told[:-1]} in {told[-1]!r}"


def _stored(content: str) -> set[str]:
    """Codes that stand in an entry as they are: lower case, capitals with underlines, or several words in one."""
    found: set[str] = set()

    def look(value: object) -> None:
        if isinstance(value, str) and _CODE.fullmatch(value):
            found.add(value)
        elif isinstance(value, dict):
            for name, each in value.items():
                look(name)
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    told = json.loads(content)
    for name in ("changes", "detail"):
        look(told.get(name))
    return found - {"old", "new"}
