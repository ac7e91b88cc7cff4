"""The report on evidence, and the judge of the entries in it.

Promise: *intact* needs every entry under a root that a given key signed; a contradiction is *tampered*, with its place;
anything that cannot be read or compared is *cannot tell*. Keys come from the caller, never from the evidence. Knows no
files and no database, and prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from audit import canonical_json, event, note
from audit.bundle import EventFilter
from audit.checkpoint import Checkpoint, OpenedCheckpoint, opened
from audit.key_statements import Keys
from audit.leaf import Entry
from audit.policy import Policy
from audit.purge import Purge
from audit.verification import CAP, Assurance, Finding, Verifier, Word

RANK: tuple[Assurance, ...] = ("unsigned", "self-attested", "witnessed")


class UnsignedCheckpoint(ValueError):
    """No given key signed the checkpoint: it proves nothing, and contradicts nothing."""


@dataclass(frozen=True)
class StampFinding:
    """An authority's statement that the ledger's first ``size`` entries existed at this time."""

    size: int
    time: str


@dataclass(frozen=True)
class Emptied:
    """Entries whose content was purged; entry ``seq`` of the same ledger records the purge."""

    first: int
    last: int
    seq: int


@dataclass(frozen=True)
class Report:
    """The verdict on evidence. ``findings``: at most 100 of the ``found``, then the reasons why parts were not judged.

    ``size``: the largest signed size that was compared. ``withheld``: entries whose events a filter left out; nothing
    proves that a filter by target or actor left out only those it should. ``stamped``: None unless stamps were judged.
    """

    kind: str
    origin: str | None
    verdict: Word
    assurance: Assurance
    first: int | None = None
    leaves: int = 0
    events: int = 0
    withheld: int = 0
    size: int | None = None
    cosigned: dict[str, int] = field(default_factory=dict)
    first_broken: int | None = None
    findings: tuple[Finding, ...] = ()
    found: int = 0
    stamped: tuple[StampFinding, ...] | None = None
    purged: tuple[Emptied, ...] = ()


def unreadable(why: str, kind: str = "unread") -> Report:
    """The report on evidence that cannot be judged at all."""
    return Report("unknown", None, "cannot tell", "unsigned", findings=(Finding(None, kind, why),))


def spoken(data: bytes, policy: Policy, origin: str) -> OpenedCheckpoint:
    """Opens this ledger's checkpoint under the policy.

    Raises UnsignedCheckpoint if no key of the policy vouches for it, ValueError if it is malformed or a known key's
    signature is bad. Key statements apply: a retired key signs no later size, a compromised key proves nothing.
    """
    read = note.parse(data)
    said = Checkpoint.parse(read.text)
    for name in sorted({key.name for key in policy.logs}):
        if not any(line.is_by(key) for line in read.signatures for key in policy.logs if key.name == name):
            raise UnsignedCheckpoint(f"not signed by {name} with a given key")
        if not f"{said.origin}/".startswith(f"{name}/"):
            raise UnsignedCheckpoint(f"{name} does not speak for this ledger")
    signed = opened(data, policy, origin)
    for name in {key.name for key in policy.logs} if policy.said.statements else ():
        keys = Keys.of(each for each in policy.said.statements if each.key.name == name)
        if not keys.require(signed.note, origin, signed.checkpoint.size):
            raise UnsignedCheckpoint(f"only a compromised key of {name} signed it")
    return signed


@dataclass
class Judge(Verifier):
    """A `Verifier` for exported entries, with their events beside them and signed roots over them.

    ``asked``: the entries that must have their events. ``reasons``: why the verdict is "cannot tell", unless a finding
    contradicts.
    """

    asked: EventFilter = field(default_factory=EventFilter)
    reasons: list[Finding] = field(default_factory=list)
    assurance: Assurance = "unsigned"
    cosigned: dict[str, int] = field(default_factory=dict)
    size: int | None = None
    stamped: tuple[StampFinding, ...] | None = None

    def cannot(self, kind: str, why: str) -> None:
        if len(self.reasons) < CAP:
            self.reasons.append(Finding(None, kind, why))

    def unread(self) -> None:
        """Reports that the next entry cannot be read."""
        self.report(Finding(self._expected, "leaf", "the entry cannot be read"))
        self.checked += 1
        self._expected, self._prev, self._recorded_at = self._expected + 1, None, None

    @property
    def expected(self) -> int:
        """The sequence number that the next entry must have."""
        return self._expected

    def contradicted(self, finding: Finding) -> None:
        """Reports another root than the signed one. It names a range: the place only if no other finding has one."""
        self._refer(finding)

    def vouch(self, signed: OpenedCheckpoint) -> None:
        """Records a checkpoint that covers all entries with their root."""
        self.size = max(self.size or 0, signed.checkpoint.size)
        if RANK.index(signed.assurance) > RANK.index(self.assurance):
            self.assurance = signed.assurance
        self.cosigned.update(signed.cosigned)

    def conclude(self, kind: str, first: int, events: int) -> Report:
        verdict = self.verdict()
        word: Word = "tampered" if self.found else "cannot tell" if self.reasons else "intact"
        return Report(
            kind,
            self.ledger.origin,
            word,
            self.assurance,
            first,
            self.checked,
            events,
            self.checked - events,
            self.size,
            dict(self.cosigned),
            verdict.first_broken,
            (*verdict.findings, *self.reasons),
            self.found,
            self.stamped,
            tuple(Emptied(purge.first, purge.stop - 1, purge.seq) for purge in self.purges.proved()),
        )

    def _check_event(self, entry: Entry) -> None:
        inside = not (self.asked.before(entry.seq, entry.recorded_at) or self.asked.after(entry.seq, entry.recorded_at))
        if not entry.in_place:
            self.report(Finding(entry.seq, "event", "the event cannot be read"))
        elif entry.content is None or entry.salt is None:
            if inside and not self.asked.chooses and not self.purges.forgives(entry.seq):
                self.report(Finding(entry.seq, "event", "the event is not there"))
        else:
            before = self.found
            if event.commitment(entry.salt, entry.content) != entry.commitment:
                self.report(Finding(entry.seq, "content", "the content is not what was sealed"))
            said = canonical_json.meaning(entry.content)
            if said.id != entry.event_id:
                self.report(Finding(entry.seq, "event", "the event is another entry's"))
            if not (inside and self.asked.matches(said)) and not said.purges:
                self.report(Finding(entry.seq, "filter", "the event is not one that was asked for"))
            if said.purges and self.found == before:
                self.tell(Purge.read(entry.seq, entry.content))
