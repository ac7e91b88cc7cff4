"""Pages name people and records: no id, no code, no user name in the text that people see, for any role and language.

Ids stand under *details*, where whoever needs one opens them. Before the walk every form and button of the panel was
used by every role, so that the histories hold an entry of each kind, refusals included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from itm_admin.foundation import vocabulary
from itm_admin.foundation.roles import ROLES
from tests.house.test_ids_in_answers import LEAVING
from tests.house.visiting import Visit, seen, visits
from tests.house.walking import World
from tests.panel.panel_app import RunningPanel

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_HEX = re.compile(r"\b(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}\b")
_SNAKE = re.compile(r"(?<![\w.@/-])[A-Za-z]+(?:_[A-Za-z]+)+(?![\w@-])")
_TABLE = re.compile(r"\b(?:public|audit|itm)\.[a-z_]+\b")
_CODE = re.compile(r"[a-z]{3,}(?:[._-][a-z]+)*|[A-Z]{3,}(?:_[A-Z]+)+|(?:[A-Z][a-z]+){2,}")
_PROGRAMMERS = ("ApiGuideView.", "OpenApiDocument.", "static")


@pytest.fixture(scope="module")
def world(panel: RunningPanel) -> World:
    world = World(panel)
    for step in world.steps("POST", "PATCH", "PUT", "DELETE"):
        if step.endpoint in (*LEAVING, "OwnProfileView.password"):
            continue
        for who in world.walkers.values():
            records = {who.own or world.ours: None, world.theirs: None} if step.expected.names else {who.own: None}
            for record in records:
                answer = who.browser.ask(step.method, world.path(step, record), world.fields(step, who))
                answer.close()
    return world


def _codes(world: World) -> set[str]:
    """Codes that cannot be mistaken for a word: with a dot, an underline, or a capital within."""
    every = {code for name in vocabulary.names() for code in vocabulary.codes(name)}
    every |= {row[0] for row in world.panel.rows("select distinct kind from public.alert")}
    return {code for code in every if re.search(r"[._]|[a-z][A-Z]", code)}


def _faults(visit: Visit, codes: set[str], usernames: set[str], stored: set[str]) -> Iterator[str]:
    texts = seen(visit.answer.text)
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


def _entries(world: World) -> list[tuple[str, int, str]]:
    """One entry of each kind of act, record, outcome and page: the place of the newest."""
    rows = world.panel.rows(
        "select ledger_id::text, max(seq), min(code) from audit.entry group by ledger_id, action, target_kind, outcome,"
        " content::jsonb -> 'detail' ->> 'page', (select array_agg(k order by k) from jsonb_object_keys("
        " coalesce(nullif(content::jsonb -> 'changes', 'null'), '{}')) k)"
    )
    return [tuple(row) for row in rows]


def _more(world: World, role: str, entries: list[tuple[str, int, str]]) -> list[str]:
    who = world.walkers[role]
    if role == "auditor_national":
        return [f"/ledgers/{id}/{seq}" for id, seq, _code in entries]
    if role == "institution_manager":
        return [f"/institution-history/{id}/{seq}" for id, seq, code in entries if code == who.somebody.tenant.code]
    return []


@pytest.mark.parametrize("language", ["tr", "en"])
@pytest.mark.parametrize("role", ROLES)
def test_no_page_shows_an_id_a_code_or_a_user_name_where_a_name_belongs(role: str, language: str, world: World) -> None:
    who = world.walkers[role]
    with world.panel.make.superuser() as connection:
        connection.execute(
            text("update public.account set language = :to, active = true where id = :id"),
            {"to": language, "id": who.somebody.id},
        )
    usernames = {row[0] for row in world.panel.rows("select username from public.account")}
    with world.panel.app.test_request_context():
        codes = _codes(world)
    contents = dict(world.panel.rows("select ledger_id || '/' || seq, content from audit.entry"))
    faults: list[str] = []
    for visit in visits(world, who, _more(world, role, _entries(world))):
        answer = visit.answer
        if answer.status_code < 400 and answer.mimetype == "text/html" and not visit.endpoint.startswith(_PROGRAMMERS):
            content = contents.get("/".join(visit.address.split("/")[-2:])) if language == "tr" else None
            faults += _faults(visit, codes, usernames, _stored(content) if content else set())
    assert not faults, "\n".join(list(dict.fromkeys(faults))[:80])
