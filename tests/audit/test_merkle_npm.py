"""npm's `@transmute/rfc9162` makes the same trees and proofs as we do, and believes the same ones.

Its answers are kept, and asked for again where node and the package are.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from audit import merkle
from tests.audit.npm import questions as npm
from tests.audit.trees import hashes

KEPT = npm.kept()
QUESTIONS = npm.questions()
LEAVES = hashes(max(npm.SIZES))


def ours(question: npm.Question) -> Any:
    """Our answer in their form."""
    size = question["Size"]
    match question["Kind"]:
        case "root":
            return npm._base64(merkle.root(LEAVES[:size]))
        case "prove inclusion":
            return npm._proof(merkle.inclusion_proof(question["Index"], size, merkle.nodes_of(LEAVES)))
        case "prove consistency":
            proof = merkle.consistency_proof(question["Old"], size, merkle.nodes_of(LEAVES))
            return npm._proof(npm.theirs(question["Old"], proof))
    return _holds(question)


def _holds(question: npm.Question) -> bool:
    proof, root, size = [b64decode(each) for each in question["Proof"]], b64decode(question["Root"]), question["Size"]
    try:
        if question["Kind"] == "inclusion":
            merkle.verify_inclusion(question["Index"], size, b64decode(question["Leaf"]), proof, root)
        else:
            old, old_root = question["Old"], b64decode(question["OldRoot"])
            if npm.begins_with_the_old_root(old) and proof[:1] == [merkle.root(LEAVES[:old])]:
                proof = proof[1:]
            merkle.verify_consistency(old, size, old_root, root, proof)
    except merkle.ProofError:
        return False
    return True


def test_it_was_asked_all_that_is_asked_today() -> None:
    assert KEPT.keys() == QUESTIONS.keys()


@pytest.mark.parametrize("size", npm.SIZES)
def test_it_and_we_give_the_same_answers(size: int) -> None:
    asked = {name: question for name, question in QUESTIONS.items() if question["Size"] == size}
    assert {name: ours(question) for name, question in asked.items()} == {name: KEPT[name] for name in asked}


def test_it_believed_what_we_proved_and_nothing_else() -> None:
    believed = {name for name, question in QUESTIONS.items() if "Root" in question and KEPT[name]}
    assert believed == {name for name, question in QUESTIONS.items() if "Root" in question and "," not in name}


if npm.NODE:

    @pytest.mark.wide  # its answers are kept
    def test_it_still_gives_the_answers_that_are_kept() -> None:
        assert npm.ask(QUESTIONS) == KEPT
