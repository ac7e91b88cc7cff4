"""Questions to npm's `@transmute/rfc9162` about trees and proofs.

The answers are in answers.jsonl; `python -m tests.audit.npm.questions` writes that file anew on a machine with node,
after `npm ci` in this folder. Consistency proofs from a power of two begin there with the old root, which RFC 9162
lets the verifier add itself: its questions are asked in its own form.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from audit import merkle
from tests.audit.trees import hashes

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.jsonl"
NODE = shutil.which("node") if (HERE / "node_modules/@transmute/rfc9162/package.json").exists() else None
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 40)
Question = dict[str, Any]
_LEAVES = hashes(max(SIZES))


def questions() -> dict[str, Question]:
    """By name."""
    return dict(_all())


def _all() -> Iterator[tuple[str, Question]]:
    for size in SIZES:
        yield f"the root of {size}", {"Kind": "root", "Size": size}
        for at in range(size) if size < 10 else (0, 7, size // 2, size - 1):
            yield f"to prove entry {at} of {size}", {"Kind": "prove inclusion", "Index": at, "Size": size}
            yield from _inclusion(at, size)
            old = at + 1
            if old == size:
                continue  # RFC 9162 has no proof between trees of one size
            yield f"to prove {old} to {size}", {"Kind": "prove consistency", "Old": old, "Size": size}
            yield from _consistency(old, size)


def _inclusion(at: int, size: int) -> Iterator[tuple[str, Question]]:
    proof = merkle.inclusion_proof(at, size, merkle.nodes_of(_LEAVES))
    asked: Question = {"Kind": "inclusion", "Index": at, "Size": size, "Leaf": _base64(_LEAVES[at])}
    asked |= {"Root": _base64(merkle.root(_LEAVES[:size])), "Proof": _proof(proof)}
    yield f"entry {at} of {size}", asked
    yield f"entry {at} of {size}, another leaf", {**asked, "Leaf": _base64(bytes(32))}
    yield f"entry {at} of {size}, another root", {**asked, "Root": _base64(bytes(32))}
    yield f"entry {at} of {size}, too long", {**asked, "Proof": _proof([*proof, bytes(32)])}
    if proof:
        yield f"entry {at} of {size}, too short", {**asked, "Proof": _proof(proof[:-1])}
        yield f"entry {at} of {size}, turned around", {**asked, "Proof": _proof([*proof[:-1], bytes(32)])}


def _consistency(old: int, size: int) -> Iterator[tuple[str, Question]]:
    proof = theirs(old, merkle.consistency_proof(old, size, merkle.nodes_of(_LEAVES)))
    asked: Question = {"Kind": "consistency", "Old": old, "Size": size, "OldRoot": _base64(merkle.root(_LEAVES[:old]))}
    asked |= {"Root": _base64(merkle.root(_LEAVES[:size])), "Proof": _proof(proof)}
    yield f"{old} to {size}", asked
    yield f"{old} to {size}, another old root", {**asked, "OldRoot": _base64(bytes(32))}
    yield f"{old} to {size}, another root", {**asked, "Root": _base64(bytes(32))}
    yield f"{old} to {size}, too long", {**asked, "Proof": _proof([*proof, bytes(32)])}
    yield f"{old} to {size}, too short", {**asked, "Proof": _proof(proof[:-1])}
    yield f"{old} to {size}, another hash", {**asked, "Proof": _proof([*proof[:-1], bytes(32)])}


def begins_with_the_old_root(old: int) -> bool:
    """True if their form of the proof has one hash more."""
    return old & (old - 1) == 0


def theirs(old: int, proof: Sequence[bytes]) -> list[bytes]:
    return [merkle.root(_LEAVES[:old]), *proof] if begins_with_the_old_root(old) else list(proof)


def ask(asked: dict[str, Question]) -> dict[str, Any]:
    """Its answers, now."""
    assert NODE is not None
    lines = "".join(json.dumps(each) + "\n" for each in asked.values())
    done = subprocess.run([NODE, HERE / "check.js"], input=lines.encode(), check=True, capture_output=True, cwd=HERE)
    return dict(zip(asked, map(json.loads, done.stdout.splitlines()), strict=True))


def kept() -> dict[str, Any]:
    """The committed answers, by the question's name."""
    return dict(map(json.loads, ANSWERS.read_text(encoding="ascii").splitlines()))


def _proof(hashes: Sequence[bytes]) -> list[str]:
    return [_base64(each) for each in hashes]


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


if __name__ == "__main__":
    replies = ask(questions())
    ANSWERS.write_text("".join(json.dumps(each) + "\n" for each in replies.items()), encoding="ascii")
