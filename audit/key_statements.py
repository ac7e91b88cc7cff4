"""Which keys of a log count for which checkpoints: keys are named, retired, and declared compromised.

Promise: a key that nobody named counts for nothing; one that was retired or compromised counts only up to the sizes
that were said then. Statements come from outside the database, never from what they judge. Knows no storage.
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
    """Text that is not a statement about a key."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing said of a key. ``sizes``, by origin: at which it was named, or up to which it counts alone."""

    key: VerifierKey
    word: Word
    sizes: Mapping[str, int]

    def __bytes__(self) -> bytes:
        """One line of JSON, always the same for the same statement."""
        said = {"key": str(self.key), "statement": self.word, "sizes": dict(sorted(self.sizes.items()))}
        return (json.dumps(said, ensure_ascii=True, separators=(",", ":")) + "\n").encode("ascii")

    @classmethod
    def parse(cls, data: bytes) -> Statement:
        """Raises StatementFormatError unless it is written just so."""
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
        """Raises ValueError for what cannot be said."""
        if word not in WORDS or not isinstance(sizes, Mapping):
            raise ValueError("an unknown statement")
        if any(type(size) is not int or size < 0 for size in sizes.values()):
            raise ValueError("sizes are whole numbers")
        return cls(VerifierKey.parse(key), word, dict(sizes))


def parse(data: bytes) -> Keys:
    """What the lines of a file say, each written as a statement is. Raises StatementFormatError with the line."""
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
    """All that was said."""

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
        """Those that sign now."""
        return tuple(key for key in self.named if not self.said(key, "retired") and not self.said(key, "compromised"))

    def said(self, key: VerifierKey, word: Word) -> Statement | None:
        return self._said.get((key, word))

    def counts(self, key: VerifierKey, origin: str, size: int) -> bool:
        """Whether this key's signature alone vouches for a ledger's first ``size`` entries."""
        if not self.said(key, "named"):
            return False
        limits = (self.said(key, "retired"), self.said(key, "compromised"))
        return all(limit is None or size <= limit.sizes.get(origin, 0) for limit in limits)

    def for_checkpoint(self, origin: str, size: int) -> tuple[VerifierKey, ...]:
        """The keys of which one must have signed."""
        return tuple(key for key in self.named if self.counts(key, origin, size))

    def require(self, signed: Note, origin: str, size: int) -> bool:
        """True if a key that counts signed; False if only a compromised one did. Raises SignatureError otherwise."""
        if not self.named:
            raise SignatureError("no key is named")
        found = note.verified(signed, self.named)
        if any(self.counts(each.key, origin, size) for each in found):
            return True
        if all(self.said(each.key, "compromised") for each in found):
            return False
        raise SignatureError("signed by a key that was retired before")
