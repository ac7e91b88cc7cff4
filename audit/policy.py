"""Policies: the keys that must have signed a checkpoint, and the witnesses that must have cosigned it.

Promise: nobody counts twice: not by two names for one key, not by two keys for one name, not as log and witness.
Policies are read from C2SP tlog-policy files without groups of groups. They come out of band, never from the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.key import Algorithm, VerifierKey
from audit.key_statements import Keys

MAX_BYTES = 1 << 16
_NO_QUORUM = "none"


class PolicyFormatError(ValueError):
    """The text is not a policy; names the line."""


@dataclass(frozen=True)
class Policy:
    """The required signatures of a checkpoint: one by a key of each log's name, and ``quorum`` of the witnesses'.

    A log's key vouches for origins that are its name, or begin with its name and a slash. Several keys of one name are
    a key and its successors. Without a quorum nothing is ever *witnessed*. ``addresses``: key name → the witness's URL.
    ``said``: statements about the logs' keys; without any, each key counts for all that it signed.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    addresses: Mapping[str, str] = field(default_factory=dict)
    said: Keys = field(default_factory=Keys)

    def __post_init__(self) -> None:
        if not self.logs:
            raise ValueError("a policy needs a log's key")
        if any(key.algorithm is not Algorithm.NOTE for key in self.logs):
            raise ValueError("a log needs a key of the kind that signs notes")
        if any(key.algorithm is not Algorithm.COSIGNATURE for key in self.witnesses):
            raise ValueError("a witness needs a key of the kind that cosigns")
        holders: dict[bytes, tuple[str, Algorithm]] = {}
        for key in (*self.logs, *self.witnesses):
            if holders.setdefault(key.public, (key.name, key.algorithm)) != (key.name, key.algorithm):
                raise ValueError(f"{key.name} and {holders[key.public][0]} have one key: nobody vouches twice")
        if not 0 <= self.quorum <= len({key.name for key in self.witnesses}):
            raise ValueError("a quorum of more witnesses than there are")


@dataclass
class _PolicyReading:
    """The lines read so far. Names are the file's own and have no meaning outside of it."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str | None = None
    number: int = 0

    def line(self, words: list[str]) -> None:
        match words:
            case ["log", key] | ["log", key, _]:
                self.logs.append(VerifierKey.parse(key))
            case ["witness", name, key, *address] if len(address) <= 1:
                self._new(name)
                self.witnesses[name] = VerifierKey.parse(key)
                self.addresses.update((self.witnesses[name].name, each) for each in address)
            case ["group", name, count, *members] if members:
                self._new(name)
                self.groups[name] = (self._count(count, len(members)), members)
                if len(set(members)) < len(members) or not self.witnesses.keys() >= set(members):
                    raise ValueError("a group of witnesses that are named before it, each once")
            case ["quorum", name] if self.quorum is None:
                if name not in {_NO_QUORUM, *self.witnesses, *self.groups}:
                    raise ValueError("a quorum of nobody known")
                self.quorum = name
            case _:
                raise ValueError("not a line of a policy")

    def policy(self) -> Policy:
        if self.quorum is None:
            raise ValueError("no quorum line")
        if len({key.public for key in self.witnesses.values()}) < len(self.witnesses):
            raise ValueError("one key for two witnesses")
        count, members = self.groups.get(self.quorum, (1, [self.quorum]))
        if self.quorum == _NO_QUORUM:
            count, members = 0, list(self.witnesses)
        return Policy(tuple(self.logs), tuple(self.witnesses[each] for each in members), count, self.addresses)

    def _new(self, name: str) -> None:
        if name in {_NO_QUORUM, *self.witnesses, *self.groups}:
            raise ValueError("a name that is taken")

    @staticmethod
    def _count(said: str, members: int) -> int:
        counts = {"any": 1, "all": members, **{str(number): number for number in range(1, members + 1)}}
        if said not in counts:
            raise ValueError("a group needs any, all, or a number of its members")
        return counts[said]


def parse(text: str) -> Policy:
    """Reads lines ``log VKEY``, ``witness NAME VKEY [URL]``, ``group NAME any|all|NUMBER NAME…``, ``quorum NAME|none``.

    Empty lines and lines that begin with # are ignored. Raises PolicyFormatError with the line's number.
    """
    if len(text) > MAX_BYTES:
        raise PolicyFormatError("too long for a policy")
    reading = _PolicyReading()
    try:
        for reading.number, line in enumerate(text.split("\n"), 1):
            if any(character < " " and character != "\t" for character in line):
                raise ValueError("a control character")
            words = [word for word in line.replace("\t", " ").split(" ") if word]
            if words and not words[0].startswith("#"):
                reading.line(words)
        return reading.policy()
    except ValueError as error:
        raise PolicyFormatError(f"line {reading.number}: {error}") from None
