"""Go opens our notes and believes our proofs: its answers are kept, and asked for again where Go is.

Where the two differ, we are the stricter: nothing is accepted here that Go rejects.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from audit import merkle, note
from audit.key import VerifierKey
from tests.audit.go import questions as go

KEPT = go.kept()


def ours(question: go.Question) -> dict[str, Any] | None:
    """Our answer in Go's form; None when we refuse."""
    try:
        match question["Kind"]:
            case "open":
                read = note.parse(b64decode(question["Note"]))
                found = note.verified(read, [VerifierKey.parse(key) for key in question["Keys"]])
                return {"text": read.text, "verified": [f"{each.key.name}+{each.key.id.hex()}" for each in found]}
            case "sign":
                assert question["Sign"] == go.LOG.secret_text
                return {"note": go._base64(bytes(note.sign(question["Text"], go.LOG)))}
        proof = [b64decode(each) for each in question["Proof"]]
        root, size = b64decode(question["Root"]), question["Size"]
        if question["Kind"] == "inclusion":
            merkle.verify_inclusion(question["Index"], size, b64decode(question["Leaf"]), proof, root)
        else:
            merkle.verify_consistency(question["Old"], size, b64decode(question["OldRoot"]), root, proof)
        return {}
    except ValueError:
        return None


def test_go_was_asked_about_the_bytes_that_are_made_today() -> None:
    """A failure means that a format has changed: they are final."""
    assert {name: question for name, (question, _) in KEPT.items()} == go.questions()


@pytest.mark.parametrize("name", KEPT)
def test_go_and_we_give_the_same_answer(name: str) -> None:
    question, answer = KEPT[name]
    if name.startswith("strict:"):
        assert "error" not in answer
        assert ours(question) is None
    else:
        assert ours(question) == (None if "error" in answer else answer)


def test_go_opened_what_it_should_and_nothing_else() -> None:
    opened = {name for name, (question, answer) in KEPT.items() if question["Kind"] == "open" and "error" not in answer}
    assert opened == {
        "a checkpoint with the log's key alone",
        "a checkpoint with all keys",
        "a checkpoint with the witness's key alone",
        "a key and its successor",
        "a successor alone",
        "an empty ledger",
        "text with empty lines and Turkish letters",
        "a name in Turkish letters",
        "text that is a newline",
        "strict: a signature twice",
        "strict: bits behind the last byte",
        "strict: an unknown key's base64 is loose",
    }


if go.GO:

    @pytest.mark.wide  # its answers are kept
    def test_go_still_gives_the_answers_that_are_kept() -> None:
        assert go.ask(go.questions()) == {name: answer for name, (_, answer) in KEPT.items()}
