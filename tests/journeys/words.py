"""English as it must not appear on a Turkish page: the panel's own texts and labels, and words that no Turkish
text has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from itm_admin.foundation import i18n, vocabulary
from tests.house.test_translations import entries, texts

SHORTEST = 7
"""Letters of a text that is looked for: shorter ones may be Turkish as well."""
_OF_CLDR = ("country", "citizenship", "language")
"""Lists whose labels are Unicode's: some of their names are the same in part."""
_ONLY_ENGLISH = re.compile(r"\b(?:the|and|with|from|this|that|been|your|were|cannot|must|which)\b", re.IGNORECASE)
_PLACE = re.compile(r"%\(\w+\)s|%s|\{\w*\}|\n")


@cache
def _wanted() -> frozenset[str]:
    return frozenset(piece for found in _texts() for piece in _pieces(found)) - set(i18n.LANGUAGES.values())


def _texts() -> Iterator[str]:
    """Every English text whose Turkish is another one."""
    for entry in entries():
        for english in texts(entry.id):
            if english not in texts(entry.string):
                yield english
    for name in set(vocabulary.names()).difference(_OF_CLDR):
        for code in vocabulary.codes(name):
            english, turkish = (vocabulary.label(name, code, language) for language in ("en", "tr"))
            if english not in turkish:
                yield english
    yield from (entry.name_en for entry in vocabulary.institutions() if entry.name_en != entry.name_tr)


def _pieces(english: str) -> Iterator[str]:
    for piece in _PLACE.split(english):
        bare = piece.strip(" .,:;–—()…?!")
        if len(bare) >= SHORTEST and not bare.isupper():
            yield bare


def english_in(shown: str) -> list[str]:
    """The English texts in what a page says."""
    near = [piece for piece in _wanted() if piece in shown]
    whole = [piece for piece in near if re.search(rf"(?<!\w){re.escape(piece)}(?!\w)", shown)]
    return whole + _ONLY_ENGLISH.findall(shown)
