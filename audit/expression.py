"""One spelling for SQL expressions: PostgreSQL prints some differently after a dump and its restore.

Knows two such forms: a list of varchar that is cast as a whole or item by item, and AND within AND (OR within OR).
Quoted text is never touched.
"""

from __future__ import annotations

import re
from typing import Any

_ITEM = r"'(?:[^']|'')*'::character varying(?:\(\d+\))?"
_CAST_ITEM = re.compile(_ITEM)
_CAST_LIST = re.compile(rf"\(ARRAY\[({_ITEM}(?:, {_ITEM})*)\]\)::text\[\]")
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]|[^'"()]+|.""", re.DOTALL)


def normal(said: str) -> str:
    """The expression in the spelling that it has after a dump and its restore."""
    said = _CAST_LIST.sub(lambda match: "ARRAY[" + _CAST_ITEM.sub(r"(\g<0>)::text", match[1]) + "]", said)
    group = _parsed(said)
    return said if group is None else _printed(group)


def _parsed(said: str) -> list[Any] | None:
    """Words, and a list for each pair of parentheses; None if the parentheses do not pair."""
    stack: list[list[Any]] = [[]]
    for part in _TOKEN.findall(said):
        if part == "(":
            stack.append([])
        elif part == ")":
            if len(stack) == 1:
                return None
            group = stack.pop()
            stack[-1].append(_flat(group))
        else:
            stack[-1].append(part)
    return stack[0] if len(stack) == 1 else None


def _flat(group: list[Any]) -> list[Any]:
    word = _joined_by(group)
    if word is None:
        return group
    flat: list[Any] = []
    for place, part in enumerate(group):
        before, after = group[place - 1] if place else word, group[place + 1] if place + 1 < len(group) else word
        operand = before in (word, f" {word} ") or str(before).endswith(f" {word} ")
        operand = operand and (after == word or str(after).startswith(f" {word} "))
        if isinstance(part, list) and operand and _joined_by(part) == word:
            flat.extend(part)
        else:
            flat.append(part)
    return flat


def _joined_by(group: list[Any]) -> str | None:
    """AND or OR, if the group's own words have one of them and not the other."""
    own = " ".join(part for part in group if isinstance(part, str) and part[0] not in "'\"")
    words = [word for word in ("AND", "OR") if f" {word} " in own]
    return words[0] if len(words) == 1 else None


def _printed(group: list[Any]) -> str:
    return "".join(part if isinstance(part, str) else f"({_printed(part)})" for part in group)
