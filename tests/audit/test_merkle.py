"""The tree beside three that nobody here wrote: published vectors, RFC 6962's own definitions, and pymerkle."""

from __future__ import annotations

import json
import random
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from audit import merkle
from audit.merkle import ProofError
from tests.audit.trees import hashes, mth, path, subproof

# Not copied into the project, as their folder asks: who has it beside the project runs them.
VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
SMALL = 64


def vectors(name: str) -> list[Any]:
    if not VECTORS.exists():
        return [pytest.param(None, marks=pytest.mark.skip(f"{VECTORS} is not there"))]
    return [pytest.param(each, id=each["case"]) for each in map(json.loads, (VECTORS / name).read_text().splitlines())]


def proof_of(vector: dict[str, Any]) -> list[bytes]:
    return [b64decode(each) for each in vector["proof"] or []]


def holds(verify: Callable[..., None], *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except ProofError:
        return False
    return True


@pytest.mark.parametrize("vector", vectors("rfc6962_inclusion.jsonl"))
def test_published_inclusion_proofs_are_judged_as_published(vector: dict[str, Any]) -> None:
    leaf, root = b64decode(vector["leafHash"]), b64decode(vector["root"])
    held = holds(merkle.verify_inclusion, vector["leafIdx"], vector["treeSize"], leaf, proof_of(vector), root)
    assert held is not vector["wantErr"]


@pytest.mark.parametrize("vector", vectors("rfc6962_consistency.jsonl"))
def test_published_consistency_proofs_are_judged_as_published(vector: dict[str, Any]) -> None:
    """One policy differs: from an empty tree C2SP's witness has an empty proof hold, where the source rejects it.

    That vector's second root is no hash at all, so it is rejected here too; the policy has a test of its own.
    """
    roots = b64decode(vector["root1"]), b64decode(vector["root2"])
    held = holds(merkle.verify_consistency, vector["size1"], vector["size2"], *roots, proof_of(vector))
    assert held is not vector["wantErr"]


def test_an_empty_proof_holds_from_an_empty_tree_and_no_other_does() -> None:
    leaves = hashes(3)
    merkle.verify_consistency(0, 3, merkle.EMPTY_ROOT, merkle.root(leaves), [])
    merkle.verify_consistency(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])
    for old_root, proof in ((merkle.EMPTY_ROOT, [leaves[0]]), (leaves[0], [])):
        with pytest.raises(ProofError):
            merkle.verify_consistency(0, 3, old_root, merkle.root(leaves), proof)


def test_an_empty_trees_root_is_the_hash_of_nothing() -> None:
    assert merkle.root([]) == sha256(b"").digest()
    with pytest.raises(ProofError, match="empty tree"):
        merkle.verify_consistency(0, 0, bytes(32), bytes(32), [])


@cache
def oracle(count: int) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for number in range(count):
        tree.append_entry(str(number).encode())
    return tree


def sizes(up_to: int) -> Iterator[tuple[int, int]]:
    return ((old, size) for size in range(1, up_to + 1) for old in range(1, size + 1))


def test_roots_are_those_of_the_rfc_and_of_pymerkle() -> None:
    for size in range(SMALL + 1):
        leaves = hashes(size)
        assert merkle.root(leaves) == mth(leaves)
        assert not size or merkle.root(leaves) == oracle(SMALL).get_root(size)


def test_every_inclusion_proof_of_a_small_tree_is_the_rfcs_and_pymerkles_and_holds() -> None:
    leaves = hashes(SMALL)
    node = merkle.nodes_of(leaves)
    for number, size in sizes(SMALL):
        index = number - 1
        proof = merkle.inclusion_proof(index, size, node)
        assert proof == path(index, leaves[:size])
        assert [leaves[index], *proof] == oracle(SMALL).prove_inclusion(number, size).path
        merkle.verify_inclusion(index, size, leaves[index], proof, oracle(SMALL).get_root(size))


def test_every_consistency_proof_of_a_small_tree_is_the_rfcs_and_holds_between_pymerkles_roots() -> None:
    """pymerkle folds its consistency proofs otherwise, so roots are compared, and its own proof judges both."""
    leaves = hashes(SMALL)
    node = merkle.nodes_of(leaves)
    for old, size in sizes(SMALL):
        proof = merkle.consistency_proof(old, size, node)
        assert proof == subproof(old, leaves[:size], True)
        roots = merkle.root(leaves[:old]), merkle.root(leaves[:size])
        oracle(SMALL).prove_consistency(old, size).verify(*roots)
        merkle.verify_consistency(old, size, *roots, proof)


@pytest.mark.parametrize("size", sorted(random.Random(6962).sample(range(65, 3000), 4)) + [255, 256, 257, 1024])
def test_larger_trees_agree_with_pymerkle(size: int) -> None:
    leaves, tree, chance = hashes(size), oracle(3000), random.Random(size)
    node, root = merkle.nodes_of(leaves), merkle.root(leaves)
    assert root == tree.get_root(size)
    for index in {0, size - 1, size // 2, chance.randrange(size)}:
        proof = merkle.inclusion_proof(index, size, node)
        assert [leaves[index], *proof] == tree.prove_inclusion(index + 1, size).path
        merkle.verify_inclusion(index, size, leaves[index], proof, root)
    for old in {1, size - 1, size // 2, chance.randrange(1, size)}:
        proof = merkle.consistency_proof(old, size, node)
        assert proof == subproof(old, leaves, True)
        tree.prove_consistency(old, size).verify(tree.get_root(old), root)
        merkle.verify_consistency(old, size, tree.get_root(old), root, proof)


def faults(proof: list[bytes], other: bytes) -> Iterator[list[bytes]]:
    """The proof with one thing wrong: a bit, a hash too few, too many, or in another's place, or no hash at all."""
    for at, each in enumerate(proof):
        yield [*proof[:at], bytes([each[0] ^ 1]) + each[1:], *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], each[:-1], *proof[at + 1 :]]
        yield [*proof[:at], each, *proof[at:]]
    yield [*proof, other]
    yield [other, *proof]
    for at, (each, following) in enumerate(pairwise(proof)):
        if each != following:
            yield [*proof[:at], following, each, *proof[at + 2 :]]


def test_no_inclusion_proof_of_a_small_tree_holds_for_another_entry_size_leaf_root_or_with_a_fault() -> None:
    leaves = hashes(20)
    node = merkle.nodes_of(leaves)
    for number, size in sizes(20):
        index, root = number - 1, merkle.root(leaves[:size])
        proof = merkle.inclusion_proof(index, size, node)
        wrong: list[tuple[Any, ...]] = [(index, size, leaves[index], each, root) for each in faults(proof, root)]
        wrong += [(other, size, leaves[index], proof, root) for other in range(-1, size + 2) if other != index]
        wrong += [(index, size, bytes(32), proof, root), (index, size, leaves[index], proof, bytes(32))]
        wrong += [(index, size, leaves[index][:31], proof, root), (index, size, leaves[index], proof, root + b"\0")]
        wrong += [(index, 2**63, leaves[index], proof, root), (index, 0, leaves[index], proof, root)]
        assert not any(holds(merkle.verify_inclusion, *each) for each in wrong)


def test_no_consistency_proof_of_a_small_tree_holds_for_other_sizes_roots_or_with_a_fault() -> None:
    leaves = hashes(20)
    node = merkle.nodes_of(leaves)
    for old, size in sizes(20):
        roots = merkle.root(leaves[:old]), merkle.root(leaves[:size])
        proof = merkle.consistency_proof(old, size, node)
        wrong: list[tuple[Any, ...]] = [(old, size, *roots, each) for each in faults(proof, roots[1])]
        wrong += [(other, size, *roots, proof) for other in range(-1, size + 2) if other != old]
        wrong += [(old, size, bytes(32), roots[1], proof), (old, size, roots[0], bytes(32), proof)]
        wrong += [(old, 2**63, *roots, proof), (old, size, roots[0][:31], roots[1], proof)]
        wrong += [(size, old, *reversed(roots), proof)] if old != size else []
        assert not any(holds(merkle.verify_consistency, *each) for each in wrong)


@settings(max_examples=300, deadline=None)
@given(st.integers(-1, 2**64), st.integers(-1, 2**64), st.lists(st.binary(min_size=31, max_size=33), max_size=70))
def test_verifying_garbage_raises_a_proof_error_and_nothing_else(one: int, two: int, proof: list[bytes]) -> None:
    assert not holds(merkle.verify_inclusion, one, two, bytes(32), proof, b"\x01" * 32)
    assert not holds(merkle.verify_consistency, one, two, bytes(32), b"\x01" * 32, proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, 2**63)])
def test_there_is_no_inclusion_proof_beyond_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no entry"):
        merkle.inclusion_proof(index, size, merkle.nodes_of(hashes(3)))


@pytest.mark.parametrize(("old", "size"), [(-1, 3), (4, 3), (0, 2**63)])
def test_there_is_no_consistency_proof_backwards(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="no tree"):
        merkle.consistency_proof(old, size, merkle.nodes_of(hashes(3)))


def test_nodes_are_only_full_subtrees() -> None:
    with pytest.raises(ValueError, match="no full subtree"):
        merkle.nodes_of(hashes(3))(1, 1)
