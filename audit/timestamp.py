"""RFC 3161: requests a time stamp for a signed checkpoint, and judges the answer.

Promise: a stamp that `ask` and `judge` return was signed by an authority whose certificate leads to a root that the
caller trusts, is for time stamping, and was valid then; anything else is a StampError with the reason. The only module
that knows `rfc3161-client`; it is imported only if a stamp is requested or judged. Knows no storage.
"""

from __future__ import annotations

import http.client
import queue
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import SplitResult

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.authority import Trusted, address
from audit.timestamp_message import MAX_ANSWER

SANE = timedelta(minutes=5)
"""The largest allowed difference between an authority's clock and ours."""
THREAD = "time stamp"
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")


class StampError(ValueError):
    """There is no valid stamp, with the reason."""


@dataclass(frozen=True)
class Stamp:
    """The stamped message existed at this time."""

    time: datetime
    serial: int


def ask(
    url: str,
    message: bytes,
    trusted: Trusted,
    seconds: float = 10.0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> tuple[bytes, Stamp]:
    """The answer's bytes, and the stamp in them. Raises StampError, after this many seconds at the latest."""
    request = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = _posted(address(url), request.as_bytes(), seconds)
    stamp = judge(answer, sha256(message).digest(), trusted, request.nonce)
    if abs(stamp.time - now()) > SANE:
        raise StampError(f"it says that it is {stamp.time.isoformat()}")
    return answer, stamp


def judge(answer: bytes, digest: bytes, trusted: Trusted, nonce: int | None = None) -> Stamp:
    """The stamp of the message with this SHA-256. ``nonce``: the request's, while it is known. Raises StampError."""
    response = _decoded(answer)
    imprint = response.tst_info.message_imprint
    if (imprint.hash_algorithm, imprint.message) != (_SHA256, digest):
        raise StampError("it is the stamp of something else")
    if nonce is not None and response.tst_info.nonce != nonce:
        raise StampError("it answers another request")
    builder = VerifierBuilder(roots=list(trusted.roots), intermediates=_between(response, trusted))
    try:
        builder.build().verify(response, digest)
    except (VerificationError, ValueError) as error:
        raise StampError(_why(str(error))) from None
    return Stamp(response.tst_info.gen_time.astimezone(UTC), response.tst_info.serial_number)


def digest_of(answer: bytes) -> bytes:
    """The SHA-256 that an answer stamps, unverified. Raises StampError."""
    imprint = _decoded(answer).tst_info.message_imprint
    if imprint.hash_algorithm != _SHA256:
        raise StampError("it is no stamp of a SHA-256")
    return bytes(imprint.message)


def _decoded(answer: bytes) -> TimeStampResponse:
    if len(answer) > MAX_ANSWER:
        raise StampError("too long for a stamp")
    try:
        response = decode_timestamp_response(answer)
        if response.status != PKIStatus.GRANTED:
            raise StampError(f"the authority refuses ({PKIStatus(response.status).name})")
        response.tst_info  # noqa: B018 (there is one, and it can be read)
        if response.as_bytes() != answer:
            raise StampError("not an answer that is written in the one way")
    except StampError:
        raise
    except Exception as error:  # any error of the decoder: the bytes are not an answer
        raise StampError(f"not an answer of a time stamping authority ({type(error).__name__})") from None
    return response


def _why(said: str) -> str:
    """The reason alone, without OpenSSL's prefix."""
    found = re.search(r'data: "(?:Verify error: )?([^"]+)"', said)
    return found[1] if found else said


def _between(response: TimeStampResponse, trusted: Trusted) -> list[x509.Certificate]:
    """Our intermediate certificates that the answer does not contain."""
    brought = response.signed_data.certificates
    return [each for each in trusted.others if each.public_bytes(Encoding.DER) not in brought]


def _posted(to: SplitResult, body: bytes, seconds: float) -> bytes:
    """Posts in a daemon thread, which ends with the process: an unresponsive name server cannot be interrupted."""
    came: queue.SimpleQueue[bytes | StampError] = queue.SimpleQueue()
    until = time.monotonic() + seconds

    def work() -> None:
        try:
            came.put(_post(to, body, until))
        except StampError as error:
            came.put(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            came.put(StampError(f"{type(error).__name__}: {error}"))

    threading.Thread(target=work, name=THREAD, daemon=True).start()
    try:
        answer = came.get(timeout=seconds)
    except queue.Empty:
        raise StampError("no answer in time") from None
    if isinstance(answer, StampError):
        raise answer
    return answer


def _post(to: SplitResult, body: bytes, until: float) -> bytes:
    left, host = max(until - time.monotonic(), 0.001), to.hostname or ""
    if to.scheme == "https":
        context = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, to.port, timeout=left, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, to.port, timeout=left)
    try:
        path = (to.path or "/") + (f"?{to.query}" if to.query else "")
        connection.request("POST", path, body, {"Content-Type": "application/timestamp-query"})
        response = connection.getresponse()
        content = b""
        while piece := response.read1(MAX_ANSWER + 1 - len(content)):
            content += piece
            if time.monotonic() > until:
                raise StampError("no answer in time")
    finally:
        connection.close()
    if response.status != 200:
        raise StampError(f"HTTP {response.status}")
    return content
