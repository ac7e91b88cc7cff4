"""Key statements: a log's keys are named, retired and declared compromised. They decide the sizes a key counts for.

Promise: a key that was never named counts for nothing; a retired or compromised key counts only up to the sizes in its
statement. Statements come from outside the database, never from the evidence. Knows no storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from audit import note
from audit.key import VerifierKey
from audit.note import Note, SignatureError

Word = Literal["named", "retired", "compromised"]
WORDS: tuple[Word, ...] = ("named", "retired", "compromised")
MAX_BYTES = 1 << 20


class StatementFormatError(ValueError):
    """The text is not a key statement."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement about a key.

    ``sizes``, by origin: the size at which it was named, or up to which it counts alone.
    """

    key: VerifierKey
    word: Word
    sizes: Mapping[str, int]

    def __bytes__(self) -> bytes:
        """One line of JSON, always the same for the same statement."""
        said = {"key": str(self.key), "statement": self.word, "sizes": dict(sorted(self.sizes.items()))}
        return (json.dumps(said, ensure_ascii=True, separators=(",", ":")) + "\n").encode("ascii")

    @classmethod
    def parse(cls, data: bytes) -> Statement:
        """Raises StatementFormatError unless the statement is in its only spelling."""
        try:
            said = json.loads(data)
            made = cls.of(said["key"], said["statement"], said["sizes"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise StatementFormatError(f"not a statement about a key: {error}") from None
        if bytes(made) != data:
            raise StatementFormatError("a statement about a key that is written in another way")
        return made

    @classmethod
    def of(cls, key: str, word: Any, sizes: Mapping[str, Any]) -> Statement:
        """Checks and makes a statement. Raises ValueError for an unknown word, key or size."""
        if word not in WORDS or not isinstance(sizes, Mapping):
            raise ValueError("an unknown statement")
        if any(type(size) is not int or size < 0 for size in sizes.values()):
            raise ValueError("sizes are whole numbers")
        return cls(VerifierKey.parse(key), word, dict(sizes))


def parse(data: bytes) -> Keys:
    """Reads a file of statements, one a line. Raises StatementFormatError with the line's number."""
    if len(data) > MAX_BYTES:
        raise StatementFormatError("too long for statements about keys")
    *lines, rest = data.split(b"\n")
    if rest or not lines:
        raise StatementFormatError("statements about keys end with their line, and there is one at least")
    found: dict[tuple[VerifierKey, Word], Statement] = {}
    for number, line in enumerate(lines, 1):
        try:
            statement = Statement.parse(line + b"\n")
        except StatementFormatError as error:
            raise StatementFormatError(f"line {number}: {error}") from None
        if found.setdefault((statement.key, statement.word), statement) is not statement:
            raise StatementFormatError(f"line {number}: this was said of the key before")
    return Keys.of(found.values())


@dataclass(frozen=True)
class Keys:
    """All statements about a log's keys."""

    statements: tuple[Statement, ...] = ()
    _said: dict[tuple[VerifierKey, Word], Statement] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_said", {(each.key, each.word): each for each in self.statements})

    @classmethod
    def of(cls, statements: Iterable[Statement]) -> Keys:
        return cls(tuple(statements))

    @property
    def named(self) -> tuple[VerifierKey, ...]:
        return tuple(dict.fromkeys(each.key for each in self.statements if each.word == "named"))

    @property
    def active(self) -> tuple[VerifierKey, ...]:
        """The keys that sign now."""
        return tuple(key for key in self.named if not self.said(key, "retired") and not self.said(key, "compromised"))

    def said(self, key: VerifierKey, word: Word) -> Statement | None:
        return self._said.get((key, word))

    def counts(self, key: VerifierKey, origin: str, size: int) -> bool:
        """True if this key's signature alone vouches for a ledger's first ``size`` entries."""
        if not self.said(key, "named"):
            return False
        limits = (self.said(key, "retired"), self.said(key, "compromised"))
        return all(limit is None or size <= limit.sizes.get(origin, 0) for limit in limits)

    def for_checkpoint(self, origin: str, size: int) -> tuple[VerifierKey, ...]:
        """The keys that count for this checkpoint: one of them must have signed it."""
        return tuple(key for key in self.named if self.counts(key, origin, size))

    def require(self, signed: Note, origin: str, size: int) -> bool:
        """True if a key that counts signed; False if only a compromised key did. Raises SignatureError otherwise."""
        if not self.named:
            raise SignatureError("no key is named")
        found = note.verified(signed, self.named)
        if any(self.counts(each.key, origin, size) for each in found):
            return True
        if all(self.said(each.key, "compromised") for each in found):
            return False
        raise SignatureError("signed by a key that was retired before")
