"""`python -m audit.verify`: what it answers, how it ends, and that it needs nothing but the file and a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from audit import verifier, verify
from audit.evidence_report import Report, unreadable
from tests.audit.archive_attacks import BROKEN
from tests.audit.bundle_attacks import ordered
from tests.audit.evidence import KEY, POLICY_TEXT, TRUE, WITNESS, History, Parts, bundle, summary
from tests.audit.verifier_cases import QUESTIONS, Question

ROOT = Path(__file__).parents[2]


def answered(question: Question) -> Report:
    try:
        policy = verify.policy_of(question.keys, question.policy if question.keys else None, question.said)
    except ValueError as error:
        return unreadable(str(error), "asked")
    outside = None if question.outside is None else question.outside()
    return verify.judge(BytesIO(question.evidence()), policy, outside)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_one_answer(name: str) -> None:
    verdict, assurance, place, kinds = summary(answered(QUESTIONS[name]))
    expected = QUESTIONS[name].answer
    assert (verdict, assurance, place, ordered(kinds)) == (*expected[:3], ordered(expected[3]))


class Desk:
    """Somebody's folder, with the verifier and nothing else of ours."""

    def __init__(self, folder: Path, *program: str) -> None:
        self.folder = folder
        self.program = program or ("-m", "audit.verify")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT) if "-m" in self.program else "", "LANG": "C.UTF-8"}
        command = [sys.executable, *self.program, *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def put(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


KEYS = ("--key", str(KEY.verifier))


@pytest.mark.parametrize(
    ("content", "code", "first"),
    [
        (bundle(9), 0, "intact, self-attested"),
        (bytes(TRUE.proof(3, 9)), 0, "intact, self-attested"),
        (bundle(9, checkpoints=()), 2, "cannot tell, unsigned"),
        (b"", 2, "cannot tell, unsigned"),
        (b"\x00" * 1000, 2, "cannot tell, unsigned"),
        (BROKEN["a-bomb"][0](bundle(3)), 2, "cannot tell, unsigned"),
    ],
)
def test_it_ends_with_what_it_found(desk: Desk, content: bytes, code: int, first: str) -> None:
    done = desk.run(desk.put("evidence", content), *KEYS)
    assert (done.returncode, done.stdout.split("\n")[0], done.stderr) == (code, first, "")


def test_a_tampered_bundle_ends_with_1_and_names_the_place(desk: Desk) -> None:
    parts = Parts.of(bundle(9))
    parts.edit("events/000000.jsonl", 4, lambda said: said.update(content=said["content"] + " "))
    done = desk.run(desk.put("evidence.zip", bytes(parts.hashed())), *KEYS)
    assert (done.returncode, done.stderr) == (1, "")
    assert "first broken: 4\n4: content: the content is not what was sealed\n" in done.stdout


def test_policy_and_checkpoint_come_from_files_and_programs_get_json(desk: Desk) -> None:
    desk.put("policy", POLICY_TEXT.encode())
    desk.put("kept", TRUE.note(4).encode())
    done = desk.run(desk.put("e", bundle(9)), "--policy", "policy", "--checkpoint", "kept", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["verdict"], said["assurance"], said["leaves"], said["size"]) == (
        0, "intact", "witnessed", 9, 9,
    )  # fmt: skip
    desk.put("kept", History(fork=2).note(4).encode())
    assert desk.run("e", "--policy", "policy", "--checkpoint", "kept").returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing-there", *KEYS),
        (".", *KEYS),
        ("e",),
        ("e", "--key", "not a key"),
        ("e", "--key", "\udcff"),
        ("e", *KEYS, "--policy", "e"),
        ("e", *KEYS, "--policy", "nothing-there"),
        ("e", *KEYS, "--checkpoint", "nothing-there"),
        ("e", *KEYS, "--checkpoint", "e"),
        ("e", *KEYS, "--unknown"),
        (),
    ],
)
def test_whatever_is_asked_wrongly_ends_with_2_and_no_traceback(desk: Desk, arguments: tuple[str, ...]) -> None:
    desk.put("e", bundle(3))
    done = desk.run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_witness_key_is_told_where_it_belongs(desk: Desk) -> None:
    done = desk.run(desk.put("e", bundle(3)), "--key", str(WITNESS.verifier))
    assert (done.returncode, "witnesses' keys stand in the policy" in done.stdout) == (2, True)


def test_what_evidence_says_does_not_reach_the_terminal_as_it_is(desk: Desk) -> None:
    parts = Parts.of(bundle(2))
    parts.said(lambda manifest: manifest.update(origin="x\x1b[2J\r\nintact, witnessed"))
    done = desk.run(desk.put("e", bytes(parts)), *KEYS)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\nintact" not in done.stdout


def test_the_verifier_loads_nothing_but_the_standard_library_and_cryptography(desk: Desk) -> None:
    code = "import sys, audit.verify; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    other = {"sqlalchemy", "psycopg", "flask", "click", "itm_admin", "ssl", "http", "socket"}
    assert other.isdisjoint(done.stdout.split())


def test_it_is_one_file_too(tmp_path: Path) -> None:
    (tmp_path / "itm-verify.pyz").write_bytes(verifier.program())
    desk = Desk(tmp_path, "itm-verify.pyz")
    assert desk.run(desk.put("e", bundle(9)), *KEYS).stdout.startswith("intact, self-attested\n")
    assert desk.run(desk.put("p", bytes(TRUE.proof(0, 9))), *KEYS).returncode == 0
    assert desk.run(desk.put("n", b""), *KEYS).returncode == 2


def test_the_one_file_without_cryptography_says_so(tmp_path: Path) -> None:
    (tmp_path / "itm-verify.pyz").write_bytes(verifier.program())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "itm-verify.pyz", "e", *KEYS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("cannot tell: cryptography is not installed")


def test_a_large_bundle_is_judged_in_the_memory_of_a_small_one(tmp_path: Path) -> None:
    """Peak memory of the process, of entries that need several files of each kind."""
    code = (
        "import resource, sys; from audit import verify; verify.main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for size in (10, 30_000):
        path = tmp_path / str(size)
        path.write_bytes(bundle(size))
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), *KEYS], cwd=ROOT, capture_output=True, text=True, check=True,
            env={**os.environ},
        )  # fmt: skip
        assert done.stdout.startswith("intact")
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 100_000, peaks
