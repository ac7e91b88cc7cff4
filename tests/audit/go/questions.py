"""Questions to Go's `sumdb/note` and `sumdb/tlog` about our notes and proofs.

Keys are fixed and Ed25519 is deterministic: the questions are the same bytes each time. The answers are in
answers.jsonl; `python -m tests.audit.go.questions` writes that file anew on a machine with Go.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit import checkpoint, merkle, note
from audit.checkpoint import Checkpoint
from audit.key import Algorithm, SigningKey
from tests.audit.trees import hashes

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.jsonl"
GO_PATH = Path("/usr/share/gocode")
GO = shutil.which("go") if (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").exists() else None

DEPLOYMENT = "itm-0a1b2c"
LOG = SigningKey(DEPLOYMENT, b"\x01" * 32)
NEXT = SigningKey(DEPLOYMENT, b"\x02" * 32)
WITNESS = SigningKey("tihek.example/witness", b"\x03" * 32, Algorithm.COSIGNATURE)
STRANGER = SigningKey("stranger.example", b"\x04" * 32)
TIME = 1_790_000_000
Question = dict[str, Any]


def cosigned_checkpoint() -> note.Note:
    made = checkpoint.sign(Checkpoint(f"{DEPLOYMENT}/ledger/JGK/1", 20, merkle.root(hashes(20))), LOG)
    return made.with_signatures([note.cosign(made.text, WITNESS, TIME)])


def questions() -> dict[str, Question]:
    """By name. A name that begins with "strict:" is of a note that Go opens and we do not."""
    return {**dict(_opening()), **dict(_signing()), **dict(_proofs())}


def _opening() -> Iterator[tuple[str, Question]]:
    def opens(data: bytes | note.Note, *keys: SigningKey) -> Question:
        return {"Kind": "open", "Note": _base64(bytes(data)), "Keys": [str(key.verifier) for key in keys]}

    whole = cosigned_checkpoint()
    data = bytes(whole)
    yield "a checkpoint with the log's key alone", opens(data, LOG)
    yield "a checkpoint with all keys", opens(data, LOG, WITNESS)
    yield "a checkpoint with the witness's key alone", opens(data, WITNESS)
    both = checkpoint.sign(Checkpoint.parse(whole.text), LOG, NEXT)
    yield "a key and its successor", opens(both, LOG, NEXT)
    yield "a successor alone", opens(both, NEXT)
    yield "an empty ledger", opens(checkpoint.sign(Checkpoint(DEPLOYMENT, 0, merkle.EMPTY_ROOT), LOG), LOG)
    yield "text with empty lines and Turkish letters", opens(note.sign("ğüşıöç\n\n\n—İ\n", LOG), LOG)
    yield (
        "a name in Turkish letters",
        opens(note.sign("x\n", SigningKey("güneş", bytes(32))), SigningKey("güneş", bytes(32))),
    )
    yield "text that is a newline", opens(note.sign("\n", LOG), LOG)
    yield "signed by a stranger", opens(data, STRANGER)
    yield "the key of another of the same name", opens(data, NEXT)
    log, witness = (str(each).encode() for each in whole.signatures)
    text = whole.text.encode()
    yield "another size", opens(data.replace(b"\n20\n", b"\n21\n"), LOG)
    yield "another time", opens(text + b"\n" + _line(WITNESS, bytes(8) + whole.signatures[1].value[8:]), WITNESS)
    yield (
        "a log's signature under a witness's id",
        opens(text + b"\n" + _line(WITNESS, whole.signatures[0].value), WITNESS),
    )
    yield "a signature that is too short", opens(text + b"\n" + _line(LOG, whole.signatures[0].value[:63]), LOG)
    yield "a signature that is too long", opens(text + b"\n" + _line(LOG, whole.signatures[0].value + b"\0"), LOG)
    yield "a good and a bad signature", opens(text + b"\n" + log + _line(WITNESS, bytes(72)), LOG, WITNESS)
    for name, broken in {
        "no last newline": data[:-1],
        "a blank line at the end": data + b"\n",
        "no blank line": data.replace(b"\n\n", b"\n"),
        "no signature": text + b"\n",
        "nothing": b"",
        "carriage returns": data.replace(b"\n", b"\r\n"),
        "a tab": data.replace(b"\n20\n", b"\n2\t0\n"),
        "a zero byte": data.replace(b"\n20\n", b"\n2\x000\n"),
        "not UTF-8": data.replace(b"\n20\n", b"\n2\xff0\n"),
        "a hyphen for the dash": data.replace("— ".encode(), b"- "),
        "two spaces": data.replace("— ".encode(), "—  ".encode()),
        "a plus in the name": data.replace(b" itm-", b" itm+"),
        "a no-break space in the name": data.replace(b" itm-", " itm\u00a0".encode()),
        "base64 with a space in it": log.join([text + b"\n", witness])
        .replace(b"== \n", b"==\n")
        .replace(b"=\n", b" =\n"),
        "base64 of the other alphabet": text + b"\n" + log.replace(b"+", b"-").replace(b"/", b"_"),
        "no padding": text + b"\n" + log.replace(b"=", b""),
        "a signature of four bytes": text + b"\n" + f"— {DEPLOYMENT} AAAAAA==\n".encode(),
    }.items():
        yield name, opens(broken, LOG, WITNESS)
    yield "strict: a signature twice", opens(text + b"\n" + log + log, LOG)
    yield "strict: bits behind the last byte", opens(text + b"\n" + _loose(log), LOG)
    yield (
        "strict: an unknown key's base64 is loose",
        opens(text + b"\n" + log + _loose(_line(STRANGER, bytes(64))), LOG),
    )


def _signing() -> Iterator[tuple[str, Question]]:
    for text in ("a\n", cosigned_checkpoint().text, "ğ\n\nx\n"):
        yield f"signing {text!r}", {"Kind": "sign", "Sign": LOG.secret_text, "Text": text}


def _proofs() -> Iterator[tuple[str, Question]]:
    leaves = hashes(40)
    node = merkle.nodes_of(leaves)
    for size in (1, 2, 3, 7, 8, 21, 40):
        root = merkle.root(leaves[:size])
        for at in sorted({0, size // 2, size - 1}):
            proof = merkle.inclusion_proof(at, size, node)
            asked: Question = {
                "Kind": "inclusion",
                "Index": at,
                "Size": size,
                "Leaf": _base64(leaves[at]),
                "Root": _base64(root),
            }
            yield f"entry {at} of {size}", {**asked, "Proof": [*map(_base64, proof)]}
            yield f"entry {at} of {size}, too long", {**asked, "Proof": [*map(_base64, [*proof, root])]}
            old = at + 1
            proof = merkle.consistency_proof(old, size, node)
            asked = {"Kind": "consistency", "Old": old, "Size": size, "OldRoot": _base64(merkle.root(leaves[:old]))}
            yield f"{old} to {size}", {**asked, "Root": _base64(root), "Proof": [*map(_base64, proof)]}
            yield (
                f"{old} to {size}, another root",
                {**asked, "Root": _base64(leaves[9]), "Proof": [*map(_base64, proof)]},
            )


def ask(asked: dict[str, Question]) -> dict[str, Any]:
    """Go's answers, now. Builds the program offline, from Debian's packages."""
    assert GO is not None
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": str(GO_PATH),
            "GOCACHE": f"{folder}/cache",
            "GOFLAGS": "",
        }
        program = f"{folder}/check"
        subprocess.run([GO, "build", "-o", program, HERE / "main.go"], check=True, env=environment, cwd=folder)
        lines = "".join(json.dumps(each) + "\n" for each in asked.values())
        done = subprocess.run([program], input=lines.encode(), check=True, capture_output=True)
    return dict(zip(asked, map(json.loads, done.stdout.splitlines()), strict=True))


def kept() -> dict[str, tuple[Question, dict[str, Any]]]:
    """The committed questions and answers, by name."""
    lines = map(json.loads, ANSWERS.read_text(encoding="utf-8").splitlines())
    return {line["name"]: (line["question"], line["answer"]) for line in lines}


def _line(key: SigningKey, value: bytes) -> bytes:
    return str(note.Signature(key.name, key.verifier.id, value)).encode()


def _loose(line: bytes) -> bytes:
    """The same bytes in base64, with bits set that no byte takes up."""
    at = line.index(b"=") - 1
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return line[:at] + alphabet[alphabet.index(line[at]) + 1 :][:1] + line[at + 1 :]


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


if __name__ == "__main__":
    replies = ask(questions())
    with ANSWERS.open("w", encoding="utf-8") as out:
        for name, question in questions().items():
            out.write(
                json.dumps({"name": name, "question": question, "answer": replies[name]}, ensure_ascii=False) + "\n"
            )
