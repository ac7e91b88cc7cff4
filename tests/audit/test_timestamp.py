"""Time stamps of a real authority on this machine: good ones are believed, and each other one is refused with why."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from audit import timestamp
from audit.authority import Trusted, address
from audit.checkpoint import Checkpoint, sign
from audit.key import SigningKey
from audit.note import Signature
from audit.timestamp import StampError
from audit.timestamp_message import MAX_ANSWER, message
from tests.audit.authority import Authority, Party, party

MESSAGE = b"a checkpoint as it was signed\n"
DIGEST = sha256(MESSAGE).digest()
USAGE = ExtendedKeyUsageOID


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with Authority(tmp_path / "authority") as authority:
        yield authority


def _ask(authority: Authority, **changed: Any) -> tuple[bytes, timestamp.Stamp]:
    return timestamp.ask(authority.url, MESSAGE, Trusted.parse(authority.pem), **changed)


def test_a_stamp_is_asked_for_and_judged_again_from_the_answer_alone(authority: Authority) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer, stamp = _ask(authority)
    assert before <= stamp.time <= datetime.now(UTC)
    assert timestamp.judge(answer, DIGEST, Trusted.parse(authority.pem)) == stamp
    assert timestamp.digest_of(answer) == DIGEST


def test_certificates_on_the_way_to_the_root_are_ours_to_give(tmp_path: Path) -> None:
    root = party("Root")
    between = party("Between", root)
    with Authority(tmp_path / "a", root, between) as authority:
        timestamp.ask(authority.url, MESSAGE, Trusted.parse(between.pem + root.pem))
        _refused(authority, "certificate")


def _refused(authority: Authority, why: str, **changed: Any) -> None:
    with pytest.raises(StampError, match=why):
        _ask(authority, **changed)


def test_a_certificate_that_had_expired_then_is_refused(tmp_path: Path) -> None:
    root = party("Root")
    old = party("Signer", root, USAGE.TIME_STAMPING, valid=(-30, -1))
    with Authority(tmp_path / "a", root, signer=old) as authority:
        _refused(authority, "expired")


def test_a_certificate_that_expired_since_proves_what_it_stamped_before(tmp_path: Path) -> None:
    """Judged at its own time: the answer says when, and the certificate was valid then."""
    root = party("Root", valid=(-30, 3650))
    with Authority(tmp_path / "a", root) as authority:
        answer, stamp = _ask(authority)
    assert authority.signer is not None
    assert authority.signer.certificate.not_valid_after_utc > stamp.time
    assert timestamp.judge(answer, DIGEST, Trusted.parse(root.pem)) == stamp


def test_a_certificate_of_another_root_is_refused(authority: Authority) -> None:
    with pytest.raises(StampError, match="certificate"):
        timestamp.ask(authority.url, MESSAGE, Trusted.parse(party("Root").pem))


@pytest.mark.parametrize("usage", [USAGE.EMAIL_PROTECTION, USAGE.CODE_SIGNING])
def test_a_certificate_for_something_else_is_refused(
    authority: Authority, tmp_path: Path, usage: x509.ObjectIdentifier
) -> None:
    """`openssl ts` does not sign with one: the answer is made by a good authority, and its signer exchanged."""
    wrong = party("Wrong", authority.root, usage)
    request = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    with pytest.raises(StampError, match="EKU|purpose"):
        timestamp.judge(_forged(authority, wrong, request), DIGEST, Trusted.parse(authority.pem))


def test_a_statement_that_is_signed_again_by_a_certificate_for_time_stamping_is_a_stamp(authority: Authority) -> None:
    """The forgery of the test above is refused for its certificate's use, and for nothing else."""
    right = party("Right", authority.root, USAGE.TIME_STAMPING)
    request = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    timestamp.judge(_forged(authority, right, request), DIGEST, Trusted.parse(authority.pem))


def _then(days: int) -> bytes:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d%H%M%SZ").encode()


@pytest.mark.parametrize("days", [2, 25])
def test_a_stamp_is_judged_at_the_time_that_it_says(authority: Authority, days: int) -> None:
    """By a certificate that has expired since."""
    expired = party("Signer", authority.root, USAGE.TIME_STAMPING, valid=(-29, -1))
    answer = _forged(authority, expired, _request(), _then(days))
    stamp = timestamp.judge(answer, DIGEST, Trusted.parse(authority.pem))
    assert timedelta(days=days) <= datetime.now(UTC) - stamp.time < timedelta(days=days, hours=1)


def test_a_time_at_which_the_certificate_or_the_root_was_not_valid_yet_is_refused(authority: Authority) -> None:
    new = party("Signer", authority.root, USAGE.TIME_STAMPING, valid=(-1, 30))
    old = party("Signer", authority.root, USAGE.TIME_STAMPING, valid=(-90, 30))
    for signer, days in ((new, 2), (old, 40)):
        with pytest.raises(StampError, match="not yet valid"):
            timestamp.judge(_forged(authority, signer, _request(), _then(days)), DIGEST, Trusted.parse(authority.pem))


@pytest.mark.parametrize(("critical", "unknown", "why"), [(False, False, "purpose|EKU"), (True, True, "extension")])
def test_a_certificate_whose_extensions_are_not_as_they_must_be_is_refused(
    authority: Authority, critical: bool, unknown: bool, why: str
) -> None:
    signer = party("Signer", authority.root, USAGE.TIME_STAMPING, critical=critical, unknown=unknown)
    with pytest.raises(StampError, match=why):
        timestamp.judge(_forged(authority, signer, _request()), DIGEST, Trusted.parse(authority.pem))


def _request() -> bytes:
    return TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()


def _forged(authority: Authority, party: Party, request: bytes, then: bytes | None = None) -> bytes:
    """The statement of a good answer, signed by somebody else under the same root, with this time in it."""
    good, kind = authority.stamp(request), bytes.fromhex("060b2a864886f70d0109100104")
    at = good.index(kind) + len(kind) + 2  # [0] EXPLICIT, then the OCTET STRING
    info = good[at + 2 : at + 2 + good[at + 1]]
    if then is not None:
        info, count = re.subn(rb"[0-9]{14}Z", then, info)
        assert count == 1
    (authority.folder / "info").write_bytes(info)
    key = party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (authority.folder / "forger.pem").write_bytes(party.pem + key)
    words = "cms -sign -binary -nodetach -md sha256 -outform DER -econtent_type 1.2.840.113549.1.9.16.1.4"
    command = ["openssl", *words.split(), "-in", "info", "-signer", "forger.pem", "-nosmimecap"]
    signed = subprocess.run(command, cwd=authority.folder, capture_output=True, check=True).stdout
    body = bytes.fromhex("3003020100") + signed
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_the_stamp_of_something_else_is_refused(authority: Authority) -> None:
    other = TimestampRequestBuilder().data(b"something else").hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    authority.spoil_request = lambda _: other
    _refused(authority, "something else")


def test_the_answer_to_another_request_is_refused(authority: Authority) -> None:
    again = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    authority.spoil_request = lambda _: again
    _refused(authority, "another request")


def test_the_same_bytes_by_another_hash_are_something_else(authority: Authority) -> None:
    command = ["openssl", "ts", "-query", "-digest", DIGEST.hex(), "-sha3-256", "-cert"]
    answer = authority.stamp(subprocess.run(command, capture_output=True, check=True).stdout)
    with pytest.raises(StampError, match="something else"):
        timestamp.judge(answer, DIGEST, Trusted.parse(authority.pem))
    with pytest.raises(StampError, match="no stamp of a SHA-256"):
        timestamp.digest_of(answer)


@pytest.mark.parametrize("more", [b"\x00", b"\x05\x00"])
def test_an_answer_with_something_behind_it_is_refused(authority: Authority, more: bytes) -> None:
    authority.spoil = lambda answer: answer + more
    _refused(authority, "not an answer")


@pytest.mark.parametrize("byte", [5, 60, 200, -5, -60])
def test_an_answer_of_which_a_byte_was_changed_is_refused(authority: Authority, byte: int) -> None:
    def spoil(answer: bytes) -> bytes:
        changed = bytearray(answer)
        changed[byte] ^= 1
        return bytes(changed)

    authority.spoil = spoil
    _refused(authority, ".")


@pytest.mark.parametrize("answer", [b"", b"<html>", bytes(1000), bytes.fromhex("30053003020102")])
def test_what_is_no_answer_is_refused(authority: Authority, answer: bytes) -> None:
    authority.spoil = lambda _: answer
    _refused(authority, "not an answer|refuses")


def test_a_longer_answer_than_any_is_refused(authority: Authority) -> None:
    authority.spoil = lambda answer: answer + bytes(1 << 17)
    _refused(authority, "too long")


def test_a_request_that_the_authority_does_not_grant_is_refused(authority: Authority) -> None:
    authority.spoil_request = lambda _: b"no request"
    _refused(authority, "refuses")


def test_an_error_of_the_server_is_refused(authority: Authority) -> None:
    authority.status = 503
    _refused(authority, "HTTP 503")


def test_who_does_not_answer_is_not_waited_for(authority: Authority) -> None:
    authority.silent = True
    _refused(authority, "in time|timed out", seconds=0.2)
    _gone()


def test_who_answers_without_an_end_is_not_waited_for(authority: Authority) -> None:
    authority.drips = b""
    _refused(authority, "in time", seconds=0.5)
    _gone()


def _gone() -> None:
    """No thread stays behind with who does not answer: one is asked every few minutes."""
    for thread in threading.enumerate():
        if thread.name == timestamp.THREAD:
            thread.join(5)
            assert not thread.is_alive()


def test_of_an_answer_that_is_too_long_no_more_is_read(authority: Authority) -> None:
    authority.drips = bytes(MAX_ANSWER + 1)
    _refused(authority, "too long", seconds=30)


def test_where_nobody_listens_is_told() -> None:
    with pytest.raises(StampError, match="ConnectionRefusedError"):
        timestamp.ask("http://127.0.0.1:1/", MESSAGE, Trusted.parse(party("Root").pem))


def test_a_time_that_is_not_now_is_refused(authority: Authority) -> None:
    for far in (timedelta(minutes=-6), timedelta(minutes=6)):
        _refused(authority, "it says that it is", now=lambda far=far: datetime.now(UTC) + far)


def test_trust_needs_a_root() -> None:
    root = party("Root")
    for pem in (b"", b"no certificate", party("Signer", root, USAGE.TIME_STAMPING).pem):
        with pytest.raises(ValueError, match="."):
            Trusted.parse(pem)


@pytest.mark.parametrize("url", ["", "ftp://a.example", "https://", "http://user@a.example", "http://a.example:0/"])
def test_an_address_that_nobody_can_be_asked_at_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="."):
        address(url)


def test_what_is_stamped_does_not_change_when_witnesses_sign() -> None:
    key = SigningKey.generate("itm-test")
    signed = sign(Checkpoint("itm-test/ledger/A/1", 3, bytes(32)), key)
    cosigned = signed.with_signatures([Signature("witness.example", b"abcd", bytes(72))])
    assert message(cosigned) == message(signed) == bytes(signed)
    similar = signed.with_signatures([Signature("itm", b"abcd", bytes(64)), Signature("itm-test/", b"abce", bytes(64))])
    assert message(similar) == bytes(signed), "a name that the ledger's begins with, letter by letter"
    both = sign(Checkpoint("itm-test/ledger/A/1", 3, bytes(32)), key, SigningKey.generate("itm-test"))
    assert message(both) == bytes(both)
