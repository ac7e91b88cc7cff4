"""The RFC 6962 tree: roots, inclusion proofs and consistency proofs.

Promise: proofs are made and verified by different algorithms, so neither hides the other's fault. A proof that does not
hold raises: it cannot be overlooked. Knows hashes and positions; no entries, signatures or storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

HASH = 32
EMPTY_ROOT = sha256(b"").digest()
MAX_SIZE = 2**63 - 1
"""The largest size of a tree, and of PostgreSQL's bigint."""
MAX_PROOF = 63
"""The longest proof in a tree of the largest size, and C2SP's limit for a witness."""

Nodes = Callable[[int, int], bytes]
"""(height, index) → the root of the full subtree over entries ``index·2^height`` to ``(index+1)·2^height``."""
Span = tuple[int, int]
"""Entries from the first number to the second, exclusive."""


class ProofError(ValueError):
    """The proof does not prove its claim."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's root over leaf hashes (RFC 6962, 2.1)."""
    return span_root((0, len(leaves)), nodes_of(leaves)) if leaves else EMPTY_ROOT


def nodes_of(leaves: Sequence[bytes]) -> Nodes:
    """Nodes computed from leaf hashes in memory, anew on each call."""

    def node(height: int, index: int) -> bytes:
        level = list(leaves[index << height : (index + 1) << height])
        if len(level) != 1 << height:
            raise ValueError(f"the tree has no full subtree of height {height} at {index}")
        for _ in range(height):
            level = list(pairs(level))
        return level[0]

    return node


def pairs(level: Iterable[bytes]) -> Iterator[bytes]:
    """The nodes above an even number of nodes."""
    each = iter(level)
    return (sha256(b"\x01" + left + right).digest() for left, right in zip(each, each, strict=True))


def full_subtrees(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The fewest full subtrees, as (height, index) from left to right, that hold these entries."""
    while start < stop:
        height = (stop - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        yield height, start >> height
        start += 1 << height


def span_root(span: Span, node: Nodes) -> bytes:
    """The Merkle tree hash (MTH) of these entries.

    A full subtree at least as large as ``span`` must begin at its start.
    """
    hashes = [node(height, index) for height, index in full_subtrees(*span)]
    return folded(hashes)


def folded(hashes: Sequence[bytes]) -> bytes:
    """The root over full subtrees, which become smaller from left to right."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def inclusion_spans(index: int, size: int) -> list[Span]:
    """PATH(index, D[size]) of RFC 6962, 2.1.1: the spans whose roots the proof holds, from the entry upwards."""
    _expect(0 <= index < size <= MAX_SIZE, f"no entry {index} in a tree of {size}")
    start, stop = 0, size
    spans: list[Span] = []
    while stop - start > 1:
        middle = start + _left(stop - start)
        if index < middle:
            spans.append((middle, stop))
            stop = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, size: int) -> list[Span]:
    """PROOF(old, D[size]) of RFC 6962, 2.1.2. From an empty tree, and between equal sizes, it is empty."""
    _expect(0 <= old <= size <= MAX_SIZE, f"no tree of {old} in a tree of {size}")
    if old in (0, size):
        return []
    start, stop = 0, size
    spans: list[Span] = []
    while old != stop:
        middle = start + _left(stop - start)
        if old <= middle:
            spans.append((middle, stop))
            stop = middle
        else:
            spans.append((start, middle))
            start = middle
    if start:
        spans.append((start, stop))
    return spans[::-1]


def inclusion_proof(index: int, size: int, node: Nodes) -> list[bytes]:
    """The proof that entry ``index`` is in the tree of ``size`` entries. Raises ValueError if it is not."""
    return [span_root(span, node) for span in inclusion_spans(index, size)]


def consistency_proof(old: int, size: int, node: Nodes) -> list[bytes]:
    """The proof that the tree of ``size`` begins with the tree of ``old`` entries.

    Raises ValueError for a larger ``old``.
    """
    return [span_root(span, node) for span in consistency_spans(old, size)]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, 2.1.3.2. Raises ProofError unless ``leaf`` is the hash of entry ``index`` under ``root``."""
    _expect_hashes(leaf, root, *proof)
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"no entry {index} in a tree of {size}")
    first, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if first & 1 or first == last:
            result = node_hash(sibling, result)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if result != root:
        raise ProofError("the entry is not in the tree of this root")


def verify_consistency(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.4.2. Raises ProofError unless the tree under ``root`` begins with the one under ``old_root``.

    From an empty tree an empty proof holds, as C2SP's witness asks (RFC 9162 leaves it out).
    """
    _expect_hashes(old_root, root, *proof)
    if not 0 <= old <= size <= MAX_SIZE:
        raise ProofError(f"no tree of {old} in a tree of {size}")
    for number, said in ((old, old_root), (size, root)):
        if number == 0 and said != EMPTY_ROOT:
            raise ProofError("an empty tree has another root")
    if old in (0, size):
        if proof:
            raise ProofError("the proof is too long")
        if old == size and old_root != root:
            raise ProofError("two roots of one size")
        return
    _verify_growth(old, size, old_root, root, proof)


def _verify_growth(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not hashes:
        raise ProofError("the proof is too short")
    first, last = old - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if first & 1 or first == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if before != old_root or after != root:
        raise ProofError("the later tree does not begin with the earlier one")


def _left(size: int) -> int:
    """The largest power of two below ``size``: the number of entries in the left subtree."""
    return 1 << ((size - 1).bit_length() - 1)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _expect_hashes(*hashes: bytes) -> None:
    if any(len(each) != HASH for each in hashes):
        raise ProofError("not a SHA-256 hash")
