"""The time stamps of a bundle: each must be valid, and of a checkpoint in the bundle.

Promise: stamps are judged only if the caller gives certificates. A bad stamp contradicts; a good one proves by when the
entries of its checkpoint existed. Needs `rfc3161-client` only then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from audit import note
from audit.evidence_report import StampFinding
from audit.timestamp_message import MAX_ANSWER, message

if TYPE_CHECKING:
    from audit.authority import Trusted

FOLDER = "timestamps/"
MOST = 100
"""The largest number of stamps in one bundle that are judged."""


@dataclass
class Stamps:
    """Collects checkpoints and answers while they are read; without ``trusted`` it keeps and judges nothing."""

    trusted: Trusted | None = None
    _signed: dict[bytes, int | None] = field(default_factory=dict)
    _answers: dict[str, bytes] = field(default_factory=dict)
    too_many: bool = False

    def checkpoint(self, said: str, size: int | None) -> None:
        """Adds a checkpoint's note. Size None: no given key vouches for it, so its stamp counts for nothing."""
        if self.trusted is not None:
            self._signed[sha256(message(note.parse(said.encode()))).digest()] = size

    def answer(self, name: str, content: bytes) -> None:
        if self.trusted is None or not name.startswith(FOLDER):
            return
        if len(self._answers) < MOST:
            self._answers[name] = content[: MAX_ANSWER + 1]
        else:
            self.too_many = True

    def judged(self, contradict: Callable[[str], None]) -> tuple[StampFinding, ...] | None:
        """The valid stamps; invalid ones go to `contradict`. None if the caller gave no certificates."""
        if self.trusted is None:
            return None
        from audit import timestamp  # imported here: a verifier that judges no stamps needs no rfc3161-client

        found = []
        for name, answer in self._answers.items():
            try:
                digest = timestamp.digest_of(answer)
                if digest not in self._signed:
                    raise timestamp.StampError("it is the stamp of no checkpoint of this bundle")
                size = self._signed[digest]
                if size is not None:
                    stamp = timestamp.judge(answer, digest, self.trusted)
                    found.append(StampFinding(size, stamp.time.isoformat()))
            except timestamp.StampError as error:
                contradict(f"{name}: {error}")
        return tuple(sorted(found, key=lambda each: (each.size, each.time)))
