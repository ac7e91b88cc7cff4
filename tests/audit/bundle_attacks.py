"""The tampering matrix of bundles: what somebody may do to one, and exactly what a verifier must say of it.

One table for every verifier. Forgers here are careful: unless the attack is to forget it, the manifest names the files
as they are. Nobody but the holder of the key signs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest

from audit.bundle import CHECKPOINTS, MANIFEST
from tests.audit.evidence import ORIGIN, OTHER, TRUE, History, Parts, base64, bundle, packed

LEAVES, EVENTS = "leaves/000000.jsonl", "events/000000.jsonl"
SIZES = (1, 2, 255, 256, 257, 1000)
FEW = (1, 2, 257)
Kinds = list[tuple[int | None, str]]
Expected = tuple[str, str, int | None, Kinds | None]
"""Verdict, assurance, first broken entry, and each finding's place and kind in some order (None: too many to list)."""


@dataclass(frozen=True)
class Attack:
    """``forge`` gets a size and a place and gives a bundle; ``expected`` what must be said of it."""

    name: str
    forge: Callable[[int, int], bytes]
    expected: Callable[[int, int], Expected]
    each: bool = True
    """At the first, a middle and the last entry; else once."""
    least: int = 1
    """The smallest ledger that can be attacked so."""


@dataclass(frozen=True)
class Case:
    attack: Attack
    size: int
    place: int

    def __str__(self) -> str:
        return f"{self.attack.name}-{self.place}-of-{self.size}"

    def forged(self) -> bytes:
        return self.attack.forge(self.size, self.place)

    def expected(self) -> Expected:
        verdict, assurance, place, kinds = self.attack.expected(self.size, self.place)
        return verdict, assurance, place, None if kinds is None else ordered(kinds)


def ordered(kinds: Kinds) -> Kinds:
    return sorted(kinds, key=lambda each: (-1 if each[0] is None else each[0], each[1]))


def cases(sizes: tuple[int, ...]) -> list[Case]:
    found = []
    for attack in ATTACKS:
        for size in sizes:
            places = sorted({0, size // 2, size - 1}) if attack.each else [0]
            found += [Case(attack, size, place) for place in places if size >= attack.least]
    return found


def once(sizes: tuple[int, ...]) -> Iterator[Any]:
    """Each attack at one place of one size, another one than its neighbours in the table; the rest widely."""
    every = cases(sizes)
    for at, attack in enumerate(dict.fromkeys(case.attack.name for case in every)):
        own = [case for case in every if case.attack.name == attack]
        for case in own:
            yield pytest.param(case, id=str(case), marks=() if case is own[at % len(own)] else pytest.mark.wide)


@lru_cache(maxsize=16)
def _whole(size: int) -> bytes:
    return bundle(size)


def _parts(size: int) -> Parts:
    return Parts.of(_whole(size))


def _since(size: int, place: int) -> int:
    """The size of the last signed root before an entry: `bundle` has one in the middle."""
    return 0 if place < size // 2 else size // 2


def _line(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[int, int], bytes]:
    def forge(size: int, place: int) -> bytes:
        parts = _parts(size)
        parts.edit(name, place, change)
        return bytes(parts.hashed())

    return forge


def _lines(name: str, change: Callable[[list[Any], int], object], events: int = 0) -> Callable[[int, int], bytes]:
    def forge(size: int, place: int) -> bytes:
        parts = _parts(size)
        said = parts.lines(name)
        change(said, place)
        parts.write(name, said)
        parts.said(lambda manifest: manifest.update(events=manifest["events"] + events))
        return bytes(parts.hashed())

    return forge


def _manifest(change: Callable[[dict[str, Any], int], object]) -> Callable[[int, int], bytes]:
    def forge(size: int, _place: int) -> bytes:
        parts = _parts(size)
        parts.said(lambda manifest: change(manifest, size))
        return bytes(parts)

    return forge


def _note(place: int, change: Callable[[str], str]) -> Callable[[int, int], bytes]:
    """Of the checkpoints, the one that covers all entries (-1), or the one in the middle (0)."""
    return lambda size, _: _line(CHECKPOINTS, lambda said: said.update(note=change(said["note"])))(size, place)


def _raw(name: str, change: Callable[[bytes], bytes], hashed: bool = True) -> Callable[[int, int], bytes]:
    def forge(size: int, _place: int) -> bytes:
        parts = _parts(size)
        parts.files[name] = change(parts.files[name])
        return bytes(parts.hashed() if hashed else parts)

    return forge


def _other(encoded: str) -> str:
    """Another 32 bytes in base64."""
    return ("B" if encoded[0] == "A" else "A") + encoded[1:]


def _signature(said: str, number: int) -> str:
    """The note with another signature in one of its lines."""
    text, blank, signatures = said.rpartition("\n\n")
    found = signatures.split("\n")
    found[number] = found[number][:-12] + ("A" if found[number][-12] != "A" else "B") + found[number][-11:]
    return text + blank + "\n".join(found)


def _key_id(said: str) -> str:
    text, blank, signatures = said.rpartition("\n\n")
    first, rest = signatures.split("\n", 1)
    name, encoded = first[2:].split(" ")
    return f"{text}{blank}— {name} {_other(encoded)}\n{rest}"


def _without(said: str, number: int) -> str:
    text, blank, signatures = said.rpartition("\n\n")
    kept = signatures.split("\n")
    del kept[number]
    return text + blank + "\n".join(kept)


def _fork(size: int, place: int) -> Parts:
    """Entries from ``place`` on are others, with fresh hashes."""
    parts, forked = _parts(size), Parts.of(bundle(size, history=History(fork=place)))
    parts.files[LEAVES], parts.files[EVENTS] = forked.files[LEAVES], forked.files[EVENTS]
    return parts


def _resigned(size: int, place: int) -> bytes:
    """A rewritten history whose thief has another key of the same name."""
    return bundle(size, history=History(fork=place), keys=(OTHER,))


def _second_history(size: int, place: int) -> bytes:
    """The holder of the key signed two histories."""
    parts = _parts(size)
    said = parts.lines(CHECKPOINTS)
    said[-1]["note"] = History(fork=place).note(size)
    parts.write(CHECKPOINTS, said)
    return bytes(parts.hashed())


def _cut(size: int, _place: int) -> bytes:
    """The last entry is gone, and the manifest does not know of it."""
    parts = _parts(size)
    for name in (LEAVES, EVENTS):
        parts.write(name, parts.lines(name)[:-1])
    parts.said(lambda manifest: manifest.update(leaves=size - 1, events=size - 1))
    return bytes(parts.hashed())


def _cut_with_its_root(size: int, place: int) -> bytes:
    """The same, with subtrees that make the covering checkpoint right: this is a bundle of a shorter range."""
    parts = Parts.of(_cut(size, place))
    said = parts.lines(CHECKPOINTS)
    said[-1]["after"] = [base64(each) for each in TRUE.subtrees(size - 1, size)]
    parts.write(CHECKPOINTS, said)
    return bytes(parts.hashed())


def _mixed(name: str) -> Callable[[int, int], bytes]:
    def forge(size: int, _place: int) -> bytes:
        parts = _parts(size)
        parts.files[name] = Parts.of(bundle(size, history=History(0, ORIGIN.replace("JGK", "EGM")))).files[name]
        return bytes(parts.hashed())

    return forge


def _files(change: Callable[[list[tuple[str, bytes]]], object]) -> Callable[[int, int], bytes]:
    """Changes which files there are, and leaves the manifest as it was."""

    def forge(size: int, _place: int) -> bytes:
        files = list(_parts(size).files.items())
        change(files)
        return packed(files)

    return forge


def _removed(name: str) -> Callable[[int, int], bytes]:
    return _files(lambda files: files.remove(next(each for each in files if each[0] == name)))


def _unnamed(name: str) -> Callable[[int, int], bytes]:
    """The manifest does not name a file that is there."""
    return _manifest(lambda said, _: said.update(files=[each for each in said["files"] if each["name"] != name]))


def tampered(*kinds: str, assurance: str = "witnessed") -> Callable[[int, int], Expected]:
    """At the place that was attacked, and nowhere else."""
    return lambda size, place: ("tampered", assurance, place, [(place, kind) for kind in kinds])


def nowhere(*kinds: str, assurance: str = "witnessed") -> Callable[[int, int], Expected]:
    return lambda size, place: ("tampered", assurance, None, [(None, kind) for kind in kinds])


def open_question(*kinds: str) -> Callable[[int, int], Expected]:
    return lambda size, place: ("cannot tell", "unsigned", None, [(None, kind) for kind in kinds])


def intact(assurance: str = "witnessed") -> Callable[[int, int], Expected]:
    return lambda size, place: ("intact", assurance, None, [])


def at_first(assurance: str = "witnessed") -> Callable[[int, int], Expected]:
    return lambda size, place: ("tampered", assurance, 0, None)


def _hash_expected(size: int, place: int) -> Expected:
    kinds: Kinds = [(place, "hash"), (_since(size, place), "signed")]
    if place < size - 1:
        kinds.append((place + 1, "link"))
    return "tampered", "unsigned", place, kinds


def _cut_expected(size: int, _place: int) -> Expected:
    # Of two entries, the checkpoint in the middle covers the one that is left.
    kinds: Kinds = [(size - 1, "range"), (None, "checkpoint"), *([] if size == 2 else [(None, "unsigned")])]
    return "tampered", "witnessed" if size == 2 else "unsigned", size - 1, kinds


def _second_expected(size: int, place: int) -> Expected:
    return "tampered", "unsigned", size // 2, [(size // 2, "signed")]


def _set(**members: Any) -> Callable[[dict[str, Any]], object]:
    return lambda said: said.update(members)


def _swap(said: list[Any], place: int) -> None:
    said[place], said[place - 1] = said[place - 1], said[place]


ATTACKS = [
    Attack("nothing", lambda size, _: _whole(size), intact(), each=False),
    # Every field of an entry.
    Attack(
        "leaf-seq",
        _line(LEAVES, lambda said: said.update(seq=said["seq"] + 5000)),
        lambda size, place: ("tampered", "unsigned", place, None),
    ),
    Attack(
        "leaf-time",
        _line(
            LEAVES,
            lambda said: said.update(
                recorded_at=said["recorded_at"][:-2] + ("1Z" if said["recorded_at"][-2] != "1" else "2Z")
            ),
        ),
        tampered("hash"),
    ),
    Attack(
        "leaf-time-malformed",
        _line(LEAVES, lambda said: said.update(recorded_at=said["recorded_at"][:-1])),
        tampered("hash", "time"),
    ),
    Attack("leaf-prev", _line(LEAVES, lambda said: said.update(prev=_other(said["prev"]))), tampered("link", "hash")),
    Attack(
        "leaf-commitment",
        _line(LEAVES, lambda said: said.update(commitment=_other(said["commitment"]))),
        tampered("hash", "content"),
    ),
    Attack("leaf-hash", _line(LEAVES, lambda said: said.update(hash=_other(said["hash"]))), _hash_expected),
    # Every field of an event.
    Attack(
        "event-seq",
        _line(EVENTS, lambda said: said.update(seq=said["seq"] + 5000)),
        lambda size, place: ("tampered", "witnessed", place, None),
    ),
    Attack("event-id", _line(EVENTS, _set(id="00000000-0000-4000-8000-999999999999")), tampered("event")),
    Attack("event-salt", _line(EVENTS, lambda said: said.update(salt=_other(said["salt"]))), tampered("content")),
    Attack(
        "event-content",
        _line(EVENTS, lambda said: said.update(content=said["content"].replace("record.read", "record.list"))),
        tampered("content"),
    ),
    Attack(
        "event-content-spelling",
        _line(EVENTS, lambda said: said.update(content=said["content"] + " ")),
        tampered("content"),
    ),
    Attack("event-no-event", _line(EVENTS, _set(content="[NaN]")), tampered("content", "content")),
    Attack(
        "event-deep-inside",
        _line(
            EVENTS, lambda said: said.update(content=said["content"].replace(": null}", f": {'[' * 70}{']' * 70}}}"))
        ),
        tampered("content", "content"),
    ),
    Attack(
        "event-nan",
        _line(EVENTS, lambda said: said.update(content=said["content"].replace(": null}", ": NaN}"))),
        tampered("content", "content"),
    ),
    Attack("event-deep", _line(EVENTS, _set(content="[" * 100_000)), tampered("content", "content")),
    # Whole lines.
    Attack(
        "leaf-deleted",
        _lines(LEAVES, lambda said, place: said.pop(place)),
        tampered("missing", "event", assurance="unsigned"),
    ),
    Attack(
        "leaf-twice",
        _lines(LEAVES, lambda said, place: said.insert(place, said[place])),
        tampered("order", "link", "event", assurance="unsigned"),
    ),
    Attack(
        "leaf-unreadable",
        _lines(LEAVES, lambda said, place: said.__setitem__(place, {})),
        tampered("leaf", assurance="unsigned"),
    ),
    Attack(
        "leaves-swapped",
        _lines(LEAVES, lambda said, place: _swap(said, max(place, 1))),
        lambda size, place: ("tampered", "unsigned", max(place, 1) - 1, None),
        least=2,
    ),
    Attack(
        "leaf-more",
        _lines(LEAVES, lambda said, _: said.append({**said[-1], "seq": len(said)})),
        lambda size, _: (
            "tampered",
            "unsigned",
            size,
            [(size, "order"), (size, "link"), (size, "hash"), (size, "event")],
        ),
        each=False,
    ),
    Attack("event-deleted", _lines(EVENTS, lambda said, place: said.pop(place), -1), tampered("event")),
    Attack("event-twice", _lines(EVENTS, lambda said, place: said.insert(place, said[place]), 1), tampered("event")),
    Attack("event-unreadable", _lines(EVENTS, lambda said, place: said.__setitem__(place, {})), tampered("event")),
    Attack("event-member-more", _line(EVENTS, _set(more=1)), tampered("event")),
    Attack(
        "event-surrogate",
        _raw(EVENTS, lambda data: data.replace(b"record.read", b"\\ud800", 1)),
        tampered("event"),
        each=False,
    ),
    Attack(
        "event-member-twice",
        _raw(EVENTS, lambda data: data.replace(b'{"seq":0,', b'{"seq":0,"seq":0,', 1)),
        tampered("event"),
        each=False,
    ),
    Attack(
        "leaf-nan",
        _raw(LEAVES, lambda data: data.replace(b'{"seq":0,', b'{"seq":NaN,', 1)),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "leaf-float",
        _raw(LEAVES, lambda data: data.replace(b'{"seq":0,', b'{"seq":0.0,', 1)),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "leaf-huge-number",
        _raw(LEAVES, lambda data: data.replace(b'{"seq":0,', b'{"seq":' + b"9" * 5000 + b",", 1)),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "leaf-space",
        _raw(LEAVES, lambda data: data.replace(b'{"seq":0,', b'{"seq": 0,', 1)),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "leaf-latin-1",
        _raw(LEAVES, lambda data: data.replace(b"2026", b"202\xfd", 1)),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "leaf-byte-order-mark",
        _raw(LEAVES, lambda data: b"\xef\xbb\xbf" + data),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "leaf-huge-line",
        _raw(LEAVES, lambda data: data.replace(b"2026", b"0" * 9_000_000, 1)),
        tampered("hash", "time"),
        each=False,
    ),
    Attack(
        "leaf-deep",
        _raw(LEAVES, lambda data: b"[" * 1_000_000 + data[data.index(b"\n") :]),
        tampered("leaf", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "events-cut",
        _raw(EVENTS, lambda data: data[:-1]),
        lambda size, _: ("tampered", "witnessed", size - 1, [(size - 1, "event")]),
        each=False,
    ),
    # Histories.
    Attack(
        "rewritten",
        lambda size, place: bytes(_fork(size, place).hashed()),
        lambda size, place: ("tampered", "unsigned", _since(size, place), [(_since(size, place), "signed")]),
    ),
    Attack("rewritten-and-signed-with-another-key", _resigned, open_question("unsigned", "key", "key"), least=2),
    Attack("two-histories-signed", _second_history, _second_expected, each=False),
    Attack("cut-off", _cut, _cut_expected, each=False),
    Attack(
        "cut-off-with-its-root",
        _cut_with_its_root,
        lambda size, _: ("tampered", "witnessed", size - 1, [(size - 1, "range")]),
        each=False,
    ),
    Attack("events-of-another-ledger", _mixed(EVENTS), at_first(), each=False),
    Attack("leaves-of-another-ledger", _mixed(LEAVES), at_first("unsigned"), each=False),
    Attack(
        "checkpoints-of-another-ledger",
        _mixed(CHECKPOINTS),
        nowhere("checkpoint", "checkpoint", "unsigned", assurance="unsigned"),
        each=False,
        least=2,
    ),
    # Checkpoints, part by part.
    Attack(
        "note-origin",
        _note(-1, lambda said: said.replace("JGK", "EGM", 1)),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "note-size",
        _note(-1, lambda said: said.replace("/1\n", "/1\n9", 1)),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "note-root",
        _note(-1, lambda said: said.replace(said.split("\n")[2], _other(said.split("\n")[2]))),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "note-signature",
        _note(-1, lambda said: _signature(said, 0)),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "note-cosignature",
        _note(-1, lambda said: _signature(said, 1)),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    Attack("note-key-id", _note(-1, _key_id), open_question("unsigned", "key"), each=False),
    Attack(
        "note-key-name",
        _note(-1, lambda said: said.replace("— itm", "— xtm")),
        open_question("unsigned", "key"),
        each=False,
    ),
    Attack(
        "note-without-signature",
        _note(-1, lambda said: _without(said, 0)),
        open_question("unsigned", "key"),
        each=False,
    ),
    Attack("note-without-cosignature", _note(-1, lambda said: _without(said, 1)), intact("self-attested"), each=False),
    Attack(
        "note-no-note",
        _note(-1, lambda said: said[:-1]),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    Attack(
        "note-in-the-middle-signature",
        _note(0, lambda said: _signature(said, 0)),
        nowhere("checkpoint"),
        each=False,
        least=2,
    ),
    Attack("note-in-the-middle-unsigned", _note(0, _key_id), intact(), each=False, least=2),
    Attack(
        "checkpoint-deleted", _lines(CHECKPOINTS, lambda said, _: said.pop()), open_question("unsigned"), each=False
    ),
    Attack(
        "checkpoint-twice",
        _lines(CHECKPOINTS, lambda said, _: said.append(said[-1])),
        nowhere("checkpoint"),
        each=False,
    ),
    Attack(
        "checkpoint-unreadable", _lines(CHECKPOINTS, lambda said, _: said.append({})), nowhere("checkpoint"), each=False
    ),
    Attack(
        "checkpoint-after",
        lambda size, _: _line(CHECKPOINTS, _set(after=[base64(bytes(32))]))(size, -1),
        nowhere("checkpoint", "unsigned", assurance="unsigned"),
        each=False,
    ),
    # Every field of the manifest.
    Attack(
        "manifest-format",
        _manifest(lambda said, _: said.update(format="itm-evidence/v2")),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-origin",
        _manifest(lambda said, _: said.update(origin=ORIGIN.replace("JGK", "EGM"))),
        at_first("unsigned"),
        each=False,
    ),
    Attack("manifest-first", _manifest(lambda said, _: said.update(first=1)), open_question("unread"), each=False),
    Attack(
        "manifest-first-and-before",
        _manifest(lambda said, _: said.update(first=1, before=[base64(bytes(32))])),
        at_first("unsigned"),
        each=False,
    ),
    Attack(
        "manifest-before",
        _manifest(lambda said, _: said.update(before=[base64(bytes(32))])),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-leaves-fewer",
        _manifest(lambda said, _: said.update(leaves=said["leaves"] - 1)),
        lambda size, _: ("tampered", "unsigned", size - 1, [(size - 1, "order"), (size - 1, "range")]),
        each=False,
    ),
    Attack(
        "manifest-leaves-more",
        _manifest(lambda said, _: said.update(leaves=said["leaves"] + 1)),
        lambda size, _: ("tampered", "unsigned", size, [(size, "missing")]),
        each=False,
    ),
    Attack(
        "manifest-leaves-endless",
        _manifest(lambda said, _: said.update(leaves=2**53 - 1)),
        lambda size, _: ("tampered", "unsigned", size, [(size, "missing")]),
        each=False,
    ),
    Attack(
        "manifest-events",
        _manifest(lambda said, _: said.update(events=said["events"] - 1)),
        nowhere("manifest"),
        each=False,
    ),
    Attack(
        "manifest-filter-from",
        _manifest(lambda said, _: said["filter"].update({"from": 1})),
        tampered("filter"),
        each=False,
    ),
    Attack(
        "manifest-filter-from-time",
        _manifest(lambda said, _: said["filter"].update({"from": "2026-01-01T00:00:00.000001Z"})),
        tampered("filter"),
        each=False,
    ),
    Attack(
        "manifest-filter-to",
        _manifest(lambda said, size: said["filter"].update(to=size - 2)),
        lambda size, _: ("tampered", "witnessed", size - 1, [(size - 1, "filter")]),
        each=False,
        least=2,
    ),
    Attack(
        "manifest-filter-to-time",
        _manifest(lambda said, size: said["filter"].update(to="2025-12-31T23:59:59.999999Z")),
        at_first(),
        each=False,
    ),
    Attack(
        "manifest-filter-target",
        _manifest(lambda said, _: said["filter"].update(target={"kind": "case", "id": "case-1"})),
        at_first(),
        each=False,
    ),
    Attack(
        "manifest-filter-actor",
        _manifest(lambda said, _: said["filter"].update(actor="user-1")),
        at_first(),
        each=False,
    ),
    Attack(
        "manifest-file-hash",
        _manifest(lambda said, _: said["files"][0].update(sha256="0" * 64)),
        nowhere("file"),
        each=False,
    ),
    Attack(
        "manifest-file-size", _manifest(lambda said, _: said["files"][0].update(bytes=1)), nowhere("file"), each=False
    ),
    Attack(
        "manifest-file-name",
        _manifest(lambda said, _: said["files"][0].update(name="leaves/000001.jsonl")),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-file-outside",
        _manifest(lambda said, _: said["files"][0].update(name="../../etc/passwd")),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-file-twice",
        _manifest(lambda said, _: said["files"].append(said["files"][-1])),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-files-in-another-order",
        _manifest(lambda said, _: said["files"].reverse()),
        nowhere("file"),
        each=False,
    ),
    Attack("manifest-member-more", _manifest(lambda said, _: said.update(more=1)), open_question("unread"), each=False),
    Attack(
        "manifest-member-twice",
        _raw(MANIFEST, lambda data: data.replace(b'"first":0,', b'"first":9,"first":0,'), False),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-nan",
        _raw(MANIFEST, lambda data: data.replace(b'"first":0', b'"first":NaN'), False),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-surrogate",
        _raw(MANIFEST, lambda data: data.replace(b"JGK", b"\\ud800"), False),
        open_question("unread"),
        each=False,
    ),
    Attack(
        "manifest-utf-16",
        _raw(MANIFEST, lambda data: data.decode().encode("utf-16"), False),
        open_question("unread"),
        each=False,
    ),
    Attack("manifest-empty", _raw(MANIFEST, lambda _: b"", False), open_question("unread"), each=False),
    # Files.
    Attack("file-leaves-removed", _removed(LEAVES), at_first("unsigned"), each=False),
    Attack("file-events-removed", _removed(EVENTS), at_first(), each=False),
    Attack(
        "file-checkpoints-removed", _removed(CHECKPOINTS), nowhere("file", "unsigned", assurance="unsigned"), each=False
    ),
    Attack("file-policy-removed", _removed("policy.txt"), nowhere("file"), each=False),
    Attack("file-stamp-removed", _removed("timestamps/presidency.tsr"), nowhere("file"), each=False),
    Attack("file-manifest-removed", _removed(MANIFEST), open_question("unread"), each=False),
    Attack(
        "file-more", _files(lambda files: files.insert(0, ("timestamps/more.tsr", b""))), nowhere("file"), each=False
    ),
    Attack("file-order", _files(lambda files: files.insert(0, files.pop(1))), nowhere("file"), each=False),
    Attack("file-leaves-unnamed", _unnamed(LEAVES), at_first("unsigned"), each=False),
    Attack("file-events-unnamed", _unnamed(EVENTS), at_first(), each=False),
    Attack(
        "file-checkpoints-unnamed", _unnamed(CHECKPOINTS), nowhere("file", "unsigned", assurance="unsigned"), each=False
    ),
    Attack(
        "file-leaves-not-as-said",
        _raw(LEAVES, lambda data: data + b"x", False),
        lambda size, _: ("tampered", "witnessed", size, [(None, "file"), (size, "leaf")]),
        each=False,
    ),
    Attack("file-policy-not-as-said", _raw("policy.txt", lambda data: data + b"x", False), nowhere("file"), each=False),
    Attack(
        "file-stamp-not-as-said",
        _raw("timestamps/presidency.tsr", lambda data: data + b"x", False),
        nowhere("file"),
        each=False,
    ),
    # What nobody believes: a bundle's policy is for reading, and time stamps are judged elsewhere.
    Attack("policy-changed", _raw("policy.txt", lambda data: data + b"x"), intact(), each=False),
    Attack("stamp-changed", _raw("timestamps/presidency.tsr", lambda data: data + b"x"), intact(), each=False),
]
