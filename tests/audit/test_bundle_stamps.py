"""Time stamps in bundles: a good one is told with its time, a bad one contradicts, and nobody needs to ask."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from audit import bundle_stamps, note, timestamp
from audit.authority import Trusted
from audit.evidence_report import Report, StampFinding
from audit.timestamp_message import message
from audit.verify import judge
from tests.audit.authority import Authority, party
from tests.audit.evidence import KEY, OTHER, TRUE, WITNESSED, Parts, bundle
from tests.runtime.running import ROOT

NAME = "timestamps/presidency.tsr"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stamps") / "authority")


def _stamp(authority: Authority, content: bytes) -> bytes:
    request = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build()
    return authority.stamp(request.as_bytes())


def _of(size: int) -> bytes:
    """The stamped bytes of the checkpoint of this size."""
    return message(note.parse(TRUE.note(size).encode()))


def _with(answer: bytes, data: bytes | None = None) -> bytes:
    parts = Parts.of(data or bundle(20))
    parts.files[NAME] = answer
    return bytes(parts.hashed())


def _report(data: bytes, pem: bytes | None) -> Report:
    return judge(BytesIO(data), WITNESSED, trusted=None if pem is None else Trusted.parse(pem))


def test_a_good_stamp_is_told_with_its_time_and_up_to_which_entry(authority: Authority) -> None:
    answer = _stamp(authority, _of(10))
    moment = timestamp.judge(answer, timestamp.digest_of(answer), Trusted.parse(authority.pem)).time
    said = _report(_with(answer), authority.pem)
    assert (said.verdict, said.assurance, said.stamped) == (
        "intact",
        "witnessed",
        (StampFinding(10, moment.isoformat()),),
    )


def test_stamps_are_judged_only_where_somebody_asks(authority: Authority) -> None:
    assert _report(bundle(20), None).stamped is None
    assert _report(bundle(20), None).verdict == "intact", "what lies there is no answer at all"
    without = Parts.of(bundle(20))
    del without.files[NAME]
    said = _report(bytes(without.hashed()), authority.pem)
    assert (said.verdict, said.stamped) == ("intact", ())


@pytest.mark.parametrize("what", ["garbage", "empty", "another size", "something else", "changed", "long"])
def test_a_bad_stamp_contradicts(authority: Authority, what: str) -> None:
    good = _stamp(authority, _of(10))
    answer = {
        "garbage": b"\x30\x03\x02\x01\x00",
        "empty": b"",
        "another size": _stamp(authority, _of(11)),
        "something else": _stamp(authority, b"something else"),
        "changed": good[:-5] + bytes([good[-5] ^ 1]) + good[-4:],
        "long": good + bytes(1 << 17),
    }[what]
    said = _report(_with(answer), authority.pem)
    assert (said.verdict, said.stamped, said.first_broken) == ("tampered", (), None)
    ((seq, kind),) = [(each.seq, each.kind) for each in said.findings]
    assert (seq, kind) == (None, "timestamp")


def test_a_stamp_under_another_root_contradicts(authority: Authority) -> None:
    said = _report(_with(_stamp(authority, _of(10))), party("Root").pem)
    assert (said.verdict, [each.kind for each in said.findings]) == ("tampered", ["timestamp"])


def test_the_stamp_of_a_checkpoint_by_an_unknown_key_is_passed_over_as_that_is(authority: Authority) -> None:
    data = bundle(20, keys=(OTHER,))
    foreign = message(note.parse(TRUE.note(10, OTHER).encode()))
    said = _report(_with(_stamp(authority, foreign), data), authority.pem)
    assert (said.verdict, said.stamped) == ("cannot tell", ())
    assert {each.kind for each in said.findings} == {"unsigned", "key"}


def test_more_stamps_than_are_judged_leave_the_question_open(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_stamps, "MOST", 1)
    parts = Parts.of(_with(_stamp(authority, _of(10))))
    parts.files["timestamps/second.tsr"] = _stamp(authority, _of(20))
    said = _report(bytes(parts.hashed()), authority.pem)
    assert (said.verdict, [each.size for each in said.stamped or ()]) == ("cannot tell", [10])


def _verify(folder: Path, data: bytes, *arguments: str, program: str = "") -> subprocess.CompletedProcess[str]:
    path = folder / "bundle.zip"
    path.write_bytes(data)
    command = [sys.executable, *(["-c", program] if program else ["-m", "audit.verify"]), str(path)]
    command += ["--key", str(KEY.verifier), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_judges_stamps_and_tells_them(authority: Authority, tmp_path: Path) -> None:
    pem, data = tmp_path / "root.pem", _with(_stamp(authority, _of(10)))
    pem.write_bytes(authority.pem)
    done = _verify(tmp_path, data, "--timestamp-certificates", str(pem))
    assert done.returncode == 0
    assert "stamped: 10 entries, 20" in done.stdout
    said = json.loads(_verify(tmp_path, data, "--json").stdout)
    assert said["stamped"] is None
    pem.write_bytes(b"no certificate")
    done = _verify(tmp_path, data, "--timestamp-certificates", str(pem))
    assert (done.returncode, done.stderr) == (2, "")


def test_without_the_library_only_the_judging_of_stamps_is_refused(authority: Authority, tmp_path: Path) -> None:
    pem, data = tmp_path / "root.pem", _with(_stamp(authority, _of(10)))
    pem.write_bytes(authority.pem)
    program = (
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('rfc3161'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, No())\n"
        "from audit.verify import main\n"
        "sys.exit(main())\n"
    )
    assert _verify(tmp_path, data, program=program).returncode == 0
    done = _verify(tmp_path, data, "--timestamp-certificates", str(pem), program=program)
    assert (done.returncode, done.stderr) == (2, "")
    assert "pip install rfc3161-client" in done.stdout
