"""Cases for verifiers beside the matrix, with the expected answers: ranges, filters, keys, checkpoints, proofs.

One table for every verifier.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from audit import canonical_json, note
from audit.bundle import EventFilter
from audit.key import Algorithm, SigningKey
from audit.key_statements import Statement, Word
from tests.audit import purged
from tests.audit.bundle_attacks import Kinds
from tests.audit.evidence import (
    DEPLOYMENT,
    KEY,
    ORIGIN,
    OTHER,
    POLICY_TEXT,
    TIME,
    TRUE,
    WITNESS,
    History,
    Parts,
    base64,
    bundle,
    moment,
)

FORKED = History(fork=10)
SECOND = SigningKey("second.example", b"2" * 32, Algorithm.COSIGNATURE)
TWO = f"log {KEY.verifier}\nwitness w {WITNESS.verifier}\nwitness v {SECOND.verifier}\ngroup g all w v\nquorum g\n"
MISCOPIED = str(KEY.verifier).replace(KEY.verifier.id.hex(), "0" * 8)
ANY = TWO.replace(" all ", " any ")


Answer = tuple[str, str, int | None, Kinds]


@dataclass(frozen=True)
class Question:
    """``answer``: verdict, assurance, place, and each finding's place and kind."""

    evidence: Callable[[], bytes]
    answer: Answer
    keys: tuple[str, ...] = (str(KEY.verifier),)
    policy: str | None = POLICY_TEXT
    outside: Callable[[], bytes] | None = None
    said: bytes | None = None


INTACT: Answer = ("intact", "witnessed", None, [])


def _open(*kinds: str, assurance: str = "unsigned") -> Answer:
    return "cannot tell", assurance, None, [(None, kind) for kind in kinds]


def _tampered(place: int | None, *kinds: tuple[int | None, str], assurance: str = "witnessed") -> Answer:
    return "tampered", assurance, place, list(kinds)


def _tampered_at_checkpoint() -> Answer:
    """The last checkpoint contradicts, and the one before covers not all."""
    return "tampered", "unsigned", None, [(None, "checkpoint"), (None, "unsigned")]


@lru_cache
def _ranged() -> bytes:
    """Entries 9 to 20 of 40, of which 10 to 19 were asked for."""
    return bundle(40, EventFilter(since=10, until=19), 9, 21)


def _bounds(since: int | str | None, until: int | str | None, first: int = 9, stop: int = 21) -> Callable[[], bytes]:
    def forge() -> bytes:
        parts = Parts.of(bundle(40, EventFilter(since=10, until=19), first, stop))
        parts.said(lambda manifest: manifest["filter"].update({"from": since, "to": until}))
        return bytes(parts)

    return forge


def _before() -> bytes:
    parts = Parts.of(_ranged())
    parts.said(lambda manifest: manifest["before"].__setitem__(0, manifest["before"][1]))
    return bytes(parts)


def _proof(seq: int, size: int) -> Callable[[], bytes]:
    return lambda: bytes(TRUE.proof(seq, size))


def _proof_line(number: int, change: Callable[[str], str]) -> Callable[[], bytes]:
    """A proof of entry 5 of 9 with one line changed: header, extra, index, four hashes, none, origin, size, root, …"""

    def forge() -> bytes:
        whole = bytes(TRUE.proof(5, 9)).decode().split("\n")
        whole[number] = change(whole[number])
        return "\n".join(whole).encode()

    return forge


def _stolen() -> bytes:
    """The proof of one entry with another one inside."""
    whole = bytes(TRUE.proof(5, 9)).decode().split("\n")
    whole[1] = bytes(History(fork=5).proof(5, 9)).decode().split("\n")[1]
    return "\n".join(whole).encode()


def _flip(line: str) -> str:
    return ("B" if line[0] != "B" else "C") + line[1:]


def _kept(size: int, history: History = TRUE, *keys: SigningKey) -> Callable[[], bytes]:
    return lambda: history.note(size, *keys).encode()


def _cosigned_twice() -> bytes:
    parts = Parts.of(bundle(20))
    said = parts.lines("checkpoints.jsonl")
    signed = note.parse(said[-1]["note"].encode())
    said[-1]["note"] = bytes(signed.with_signatures([note.cosign(signed.text, SECOND, TIME)])).decode()
    parts.write("checkpoints.jsonl", said)
    return bytes(parts.hashed())


def _witnessed_before() -> bytes:
    """Two checkpoints cover the entries, and the witness signed the earlier one."""
    parts = Parts.of(bundle(40, EventFilter(until=5), 0, 7, checkpoints=(9, 40)))
    said = parts.lines("checkpoints.jsonl")
    said[-1]["note"] = TRUE.note(40, cosigned=False)
    parts.write("checkpoints.jsonl", said)
    return bytes(parts.hashed())


def _unreadable_among_few() -> bytes:
    """Nobody can know whose event it is: it is named with the entry that is read next."""
    parts = Parts.of(bundle(40, EventFilter(target=("case", "case-1"))))
    parts.write("events/000000.jsonl", [{}, *parts.lines("events/000000.jsonl")[1:]])
    return bytes(parts.hashed())


def _eventless() -> bytes:
    """A proof without what happened."""
    whole = bytes(TRUE.proof(5, 9)).decode().split("\n")
    said = canonical_json.read(b64decode(whole[1].removeprefix("extra ")))
    whole[1] = "extra " + base64(canonical_json.written({**said, "event": None}))
    return "\n".join(whole).encode()


def _of(key: SigningKey, word: Word, size: int | None = None, origin: str = ORIGIN) -> bytes:
    """A line of the file on keys."""
    return bytes(Statement(key.verifier, word, {} if size is None else {origin: size}))


BOTH = _of(KEY, "named") + _of(OTHER, "named")
SELF: Answer = ("intact", "self-attested", None, [])


def _keys(said: bytes, answer: Answer, *signers: SigningKey, evidence: Callable[[], bytes] | None = None) -> Question:
    """A bundle of 20 with checkpoints of 10 and 20, judged by somebody who has this file, and no key beside it."""
    return Question(evidence or (lambda: bundle(20, keys=signers)), answer, (), None, said=said)


KEYS: dict[str, Question] = {
    "keys-named": _keys(BOTH, SELF),
    "keys-beside-a-policy": Question(lambda: bundle(20), INTACT, said=BOTH),
    "keys-of-a-successor-alone": _keys(BOTH + _of(KEY, "retired", 9), SELF, OTHER),
    "keys-retired-up-to-there": _keys(BOTH + _of(KEY, "retired", 20), SELF),
    "keys-retired-before-the-last": _keys(BOTH + _of(KEY, "retired", 19), _tampered_at_checkpoint()),
    "keys-retired-before-all": _keys(
        BOTH + _of(KEY, "retired", 9),
        ("tampered", "unsigned", None, [(None, "checkpoint"), (None, "checkpoint"), (None, "unsigned")]),
    ),
    "keys-retired-and-signed-with-the-successor": _keys(BOTH + _of(KEY, "retired", 9), SELF, KEY, OTHER),
    "keys-retired-of-another-ledger": _keys(
        BOTH + _of(KEY, "retired", 99, f"{DEPLOYMENT}/ledger/EGM/1"),
        ("tampered", "unsigned", None, [(None, "checkpoint"), (None, "checkpoint"), (None, "unsigned")]),
    ),
    "keys-compromised-after": _keys(BOTH + _of(KEY, "compromised", 20), SELF),
    "keys-compromised-before-the-last": _keys(BOTH + _of(KEY, "compromised", 19), _open("unsigned", "key")),
    "keys-compromised-before-all": _keys(BOTH + _of(KEY, "compromised", 0), _open("unsigned", "key", "key")),
    "keys-compromised-of-a-rewritten-history": _keys(
        BOTH + _of(KEY, "compromised", 5),
        _open("unsigned", "key", "key"),
        evidence=lambda: bundle(20, history=FORKED),
    ),
    "keys-compromised-and-signed-with-the-successor": _keys(BOTH + _of(KEY, "compromised", 0), SELF, KEY, OTHER),
    "keys-retired-and-compromised-since": _keys(
        BOTH + _of(KEY, "retired", 15) + _of(KEY, "compromised", 12), _open("unsigned", "key")
    ),
    "keys-given-and-said-to-be-compromised": Question(
        lambda: bundle(20), _open("unsigned", "key"), policy=None, said=BOTH + _of(KEY, "compromised", 19)
    ),
    "keys-given-and-retired-and-named-nowhere": Question(
        lambda: bundle(20), _tampered_at_checkpoint(), policy=None, said=_of(KEY, "retired", 19)
    ),
    "keys-named-nowhere": _keys(_of(KEY, "retired", 20), _open("asked")),
    "keys-kept-one-of-a-compromised-key": Question(
        lambda: bundle(20, keys=(OTHER,)),
        _open("outside", assurance="self-attested"),
        (),
        None,
        _kept(20),
        BOTH + _of(KEY, "compromised", 19),
    ),
    "keys-a-proof-by-a-retired-key": _keys(
        BOTH + _of(KEY, "retired", 8),
        _tampered(None, (None, "checkpoint"), assurance="unsigned"),
        evidence=_proof(5, 9),
    ),
    "keys-a-proof-by-a-compromised-key": _keys(BOTH + _of(KEY, "compromised", 8), _open("key"), evidence=_proof(5, 9)),
    "keys-a-proof-up-to-there": _keys(BOTH + _of(KEY, "compromised", 9), SELF, evidence=_proof(5, 9)),
    "keys-a-file-of-nothing": _keys(b"", _open("asked")),
    "keys-a-file-that-was-cut": _keys(BOTH[:-1], _open("asked")),
    "keys-a-line-that-is-none": _keys(BOTH + b"\n", _open("asked")),
    "keys-a-line-twice": _keys(BOTH + _of(KEY, "retired", 20) + _of(KEY, "retired", 30), _open("asked")),
    "keys-a-line-in-another-way": _keys(BOTH.replace(b":", b": ", 1), _open("asked")),
    "keys-another-word": _keys(BOTH.replace(b'"named"', b'"blessed"', 1), _open("asked")),
    "keys-a-size-that-is-none": _keys(_of(KEY, "named", 7).replace(b":7}", b":-7}"), _open("asked")),
    "keys-a-witness": _keys(BOTH + _of(WITNESS, "named"), _open("asked")),
}
QUESTIONS: dict[str, Question] = {
    **KEYS,
    "purged content, as a later entry says": Question(purged.without(), INTACT),
    "purged content and one event more": Question(purged.without(purged.GONE | {8}), _tampered(8, (8, "event"))),
    "purged content without the entry's event": Question(
        purged.without({0, purged.SAYS}), _tampered(0, (0, "event"), (purged.SAYS, "event"))
    ),
    "a purge of other entries than were there": Question(
        purged.without(history=purged.Purged(hashed=History(fork=4))), _tampered(0, (0, "purge"))
    ),
    "a purge that was made to stand for more": Question(
        purged.claiming_more, _tampered(0, (0, "purge"), (purged.SAYS, "content"))
    ),
    "a purge that speaks of entries after it": Question(
        purged.without({13}, purged.Purged(first=13, last=13)), _tampered(12, (12, "content"), (13, "event"))
    ),
    "purged content up to a bound, and its purge": Question(
        purged.without(frozenset(range(20)) - {purged.SAYS}, asked=EventFilter(until=5), stop=13), INTACT
    ),
    "purged content up to a bound, without its purge": Question(
        purged.without(frozenset(range(20)), asked=EventFilter(until=1), stop=3),
        _tampered(0, (0, "event"), (1, "event")),
    ),
    "purged content, by target": Question(
        purged.without(frozenset(range(20)) - {purged.SAYS}, asked=EventFilter(target=("case", "nobody"))), INTACT
    ),
    # What was asked for is there from end to end.
    "a-range": Question(_ranged, INTACT),
    "a-range-by-time": Question(lambda: bundle(40, EventFilter(moment(10), moment(19)), 9, 21), INTACT),
    "a-range-from-the-start": Question(lambda: bundle(40, EventFilter(until=19), 0, 21), INTACT),
    "a-range-to-the-end": Question(lambda: bundle(40, EventFilter(since=10), 9, 40), INTACT),
    "a-range-of-nothing": Question(
        lambda: bundle(40, EventFilter(since="2030-01-01T00:00:00.000000Z"), 39, 40), INTACT
    ),
    "a-range-whose-start-moved": Question(_bounds(11, 19), _tampered(10, (10, "filter"))),
    "a-range-whose-start-moved-back": Question(_bounds(9, 19), _tampered(9, (9, "event"), (9, "range"))),
    "a-range-without-a-start": Question(_bounds(None, 19), _tampered(9, (9, "event"), (9, "range"))),
    "a-range-whose-end-moved": Question(_bounds(10, 18), _tampered(19, (19, "filter"))),
    "a-range-whose-end-moved-on": Question(_bounds(10, 20), _tampered(20, (20, "event"), (21, "range"))),
    "a-range-without-an-end": Question(_bounds(10, None), _tampered(20, (20, "event"), (21, "range"))),
    "a-range-without-its-first-entry": Question(
        lambda: bundle(40, EventFilter(since=10, until=19), 10, 21), _tampered(10, (10, "range"))
    ),
    "a-range-without-its-last-entry": Question(
        lambda: bundle(40, EventFilter(since=10, until=19), 9, 20), _tampered(20, (20, "range"))
    ),
    "a-range-after-others": Question(_before, _tampered(9, (9, "signed"), assurance="unsigned")),
    "a-target": Question(lambda: bundle(40, EventFilter(target=("case", "case-1"))), INTACT),
    "a-target-that-was-shown": Question(lambda: bundle(40, EventFilter(target=("person", "person-1"))), INTACT),
    "an-actor-by-name": Question(lambda: bundle(40, EventFilter(actor="Ayşe 1")), INTACT),
    "an-actor-in-a-range": Question(
        lambda: bundle(40, EventFilter(5, 30, ("case", "case-1"), "user-1"), 4, 32), INTACT
    ),
    # Who signed.
    "no-witnesses-asked": Question(lambda: bundle(20), ("intact", "self-attested", None, []), policy=None),
    "two-witnesses-asked-one-signed": Question(lambda: bundle(20), ("intact", "self-attested", None, []), policy=TWO),
    "one-of-two-witnesses": Question(lambda: bundle(20), INTACT, policy=ANY),
    "two-witnesses": Question(_cosigned_twice, INTACT, policy=TWO),
    "another-key-of-the-same-name": Question(
        lambda: bundle(20), _open("unsigned", "key", "key"), (str(OTHER.verifier),), None
    ),
    "one-of-two-keys": Question(
        lambda: bundle(20), ("intact", "self-attested", None, []), (str(OTHER.verifier), str(KEY.verifier)), None
    ),
    "both-keys": Question(
        lambda: bundle(20, keys=(KEY, OTHER)),
        ("intact", "self-attested", None, []),
        (str(OTHER.verifier), str(KEY.verifier)),
        None,
    ),
    "a-key-of-somebody-else": Question(
        lambda: bundle(20), _open("unsigned", "key", "key"), (str(SigningKey("x.example", b"x" * 32).verifier),), None
    ),
    "a-key-for-another-ledger": Question(
        lambda: bundle(20, history=History(origin="itm-0123456789abc/ledger/JGK/1")),
        _open("unsigned", "key", "key"),
        policy=None,
    ),
    "no-key": Question(lambda: bundle(20), _open("asked"), (), None),
    "a-witness-as-key": Question(lambda: bundle(20), _open("asked"), (str(WITNESS.verifier),), None),
    "a-key-that-is-none": Question(lambda: bundle(20), _open("asked"), ("itm+00000000+AQ==",), None),
    "a-key-that-was-copied-wrongly": Question(lambda: bundle(20), _open("asked"), (MISCOPIED,), None),
    "a-policy-that-is-none": Question(lambda: bundle(20), _open("asked"), policy="quorum any\n"),
    "a-policy-of-too-many": Question(
        lambda: bundle(20), _open("asked"), policy=POLICY_TEXT.replace("quorum w", "group g 2 w\nquorum g")
    ),
    "a-policy-with-a-strange-count": Question(
        lambda: bundle(20), _open("asked"), policy=POLICY_TEXT.replace("quorum w", "group g constructor w\nquorum g")
    ),
    "no-checkpoints": Question(lambda: bundle(20, checkpoints=()), _open("unsigned")),
    "a-checkpoint-of-too-little": Question(lambda: bundle(20, checkpoints=(10,)), _open("unsigned")),
    "a-checkpoint-of-more": Question(lambda: bundle(40, EventFilter(until=5), 0, 7, checkpoints=(3, 9, 40)), INTACT),
    "an-earlier-checkpoint-has-the-witness": Question(_witnessed_before, INTACT),
    "an-event-that-cannot-be-read-among-few": Question(_unreadable_among_few, _tampered(0, (0, "event"))),
    # A checkpoint that somebody kept.
    "kept-the-same": Question(lambda: bundle(20), INTACT, outside=_kept(20)),
    "kept-an-earlier-one": Question(lambda: bundle(20), INTACT, outside=_kept(7)),
    "kept-the-empty-one": Question(lambda: bundle(20), INTACT, outside=_kept(0)),
    "kept-one-past-a-range": Question(_ranged, INTACT, outside=_kept(40)),
    "kept-one-in-a-range": Question(_ranged, INTACT, outside=_kept(12)),
    "kept-one-before-a-range": Question(_ranged, _open("outside", assurance="witnessed"), outside=_kept(5)),
    "kept-one-at-a-range's-start": Question(_ranged, INTACT, outside=_kept(9)),
    "kept-one-at-the-start-of-a-range-that-was-rewritten-before": Question(
        _ranged, _tampered(9, (9, "signed"), assurance="unsigned"), outside=_kept(9, History(fork=3))
    ),
    "kept-a-later-one": Question(lambda: bundle(20), _open("outside", assurance="witnessed"), outside=_kept(21)),
    "kept-one-of-a-history-that-was-rewritten": Question(
        lambda: bundle(20), _tampered(10, (10, "signed"), assurance="unsigned"), outside=_kept(12, FORKED)
    ),
    "kept-one-of-the-same-size-of-a-history-that-was-rewritten": Question(
        lambda: bundle(20), _tampered(10, (10, "signed"), assurance="unsigned"), outside=_kept(20, FORKED)
    ),
    "kept-one-past-a-range-that-was-rewritten": Question(
        _ranged, _tampered(15, (15, "signed")), outside=_kept(40, FORKED)
    ),
    "kept-one-that-nobody-signed": Question(
        lambda: bundle(20), _open("outside", assurance="witnessed"), outside=_kept(20, TRUE, OTHER)
    ),
    "kept-one-of-another-ledger": Question(
        lambda: bundle(20),
        _open("outside", assurance="witnessed"),
        outside=_kept(20, History(origin=f"{DEPLOYMENT}/ledger/EGM/1")),
    ),
    "kept-nothing-that-can-be-read": Question(
        lambda: bundle(20), _open("outside", assurance="witnessed"), outside=lambda: b"\xff"
    ),
    # One entry.
    "a-proof": Question(_proof(5, 9), INTACT),
    "a-proof-of-the-only-entry": Question(_proof(0, 1), INTACT),
    "a-proof-of-the-last-entry": Question(_proof(256, 257), INTACT),
    "a-proof-with-its-checkpoint": Question(_proof(5, 9), INTACT, outside=_kept(9)),
    "a-proof-with-a-rewritten-checkpoint": Question(
        _proof(5, 9), _tampered(5, (5, "signed")), outside=_kept(9, History(fork=3))
    ),
    "a-proof-with-a-later-checkpoint": Question(
        _proof(5, 9), _open("outside", assurance="witnessed"), outside=_kept(10)
    ),
    "a-proof-with-another-key": Question(_proof(5, 9), _open("key"), (str(OTHER.verifier),), None),
    "a-proof-of-another-entry": Question(_stolen, _tampered(5, (5, "signed"), assurance="unsigned")),
    "a-proof-with-another-index": Question(_proof_line(2, lambda _: "index 4"), _open("unread")),
    "a-proof-with-another-hash": Question(_proof_line(3, _flip), _tampered(5, (5, "signed"), assurance="unsigned")),
    "a-proof-with-an-empty-line": Question(
        _proof_line(3, lambda _: ""), _tampered(None, (None, "checkpoint"), assurance="unsigned")
    ),
    "a-proof-with-a-hash-less": Question(
        lambda: b"\n".join(bytes(TRUE.proof(5, 9)).split(b"\n")[:3] + bytes(TRUE.proof(5, 9)).split(b"\n")[4:]),
        _tampered(5, (5, "signed"), assurance="unsigned"),
    ),
    "a-proof-with-another-root": Question(
        _proof_line(10, _flip), _tampered(None, (None, "checkpoint"), assurance="unsigned")
    ),
    "a-proof-with-another-size": Question(
        _proof_line(9, lambda _: "8"), _tampered(None, (None, "checkpoint"), assurance="unsigned")
    ),
    "a-proof-with-another-origin": Question(
        _proof_line(8, lambda said: said.replace("JGK", "EGM")),
        _tampered(None, (None, "checkpoint"), assurance="unsigned"),
    ),
    "a-proof-with-other-extra": Question(_proof_line(1, lambda said: said[:-8] + "AAAAAAAA"), _open("unread")),
    "a-proof-with-another-header": Question(_proof_line(0, lambda said: said[:-1] + "2"), _open("unread")),
    "a-proof-that-was-cut": Question(
        lambda: bytes(TRUE.proof(5, 9))[:-1], _tampered(None, (None, "checkpoint"), assurance="unsigned")
    ),
    "a-proof-that-was-cut-short": Question(lambda: bytes(TRUE.proof(5, 9))[:700], _open("unread")),
    "a-proof-of-nothing": Question(lambda: b"c2sp.org/tlog-proof@v1", _open("unread")),
    "a-proof-without-its-event": Question(_eventless, _open("event", assurance="witnessed")),
}
