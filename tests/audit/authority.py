"""A time stamping authority: `openssl ts` behind HTTP on loopback, with certificates that live as long as a test.

It sends its own certificate and no others: OpenSSL does not sort what it sends as DER has it, and `rfc3161-client`
reads DER alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

_UNKNOWN = x509.ObjectIdentifier("1.2.3.4.5")
_CONFIG = """
[tsa]
default_tsa = here
[here]
dir = {folder}
serial = $dir/serial
crypto_device = builtin
signer_cert = $dir/signer.pem
signer_key = $dir/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha3-256
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Party:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def party(
    name: str,
    issuer: Party | None = None,
    usage: x509.ObjectIdentifier | None = None,
    valid: tuple[int, int] = (-30, 30),
    critical: bool = True,
    unknown: bool = False,
) -> Party:
    """A root, a certificate authority under one, or, with a ``usage``, who signs. ``valid``: days from now.

    ``critical``: whether the usage is; ``unknown``: with a critical extension that nobody knows.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=valid[0]))
        .not_valid_after(now + timedelta(days=valid[1]))
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
    if unknown:
        builder = builder.add_extension(x509.UnrecognizedExtension(_UNKNOWN, b"\x05\x00"), critical=True)
    if issuer is not None:
        theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(theirs, critical=False)
    return Party(builder.sign(issuer.key if issuer else key, SHA256()), key)


@dataclass
class Authority:
    """A time stamping authority that stamps any request. ``spoil`` changes a request, and an answer, on the way."""

    folder: Path
    root: Party = field(default_factory=lambda: party("Root"))
    between: Party | None = None
    signer: Party | None = None
    spoil_request: Callable[[bytes], bytes] = bytes
    spoil: Callable[[bytes], bytes] = bytes
    status: int = 200
    silent: bool = False
    drips: bytes | None = None
    asked: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        over = self.between or self.root
        self.signer = self.signer or party("Signer", over, ExtendedKeyUsageOID.TIME_STAMPING)
        key = self.signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for name, content in {
            "serial": b"01\n",
            "signer.pem": self.signer.pem,
            "signer.key": key,
            "config": _CONFIG.format(folder=self.folder).encode(),
        }.items():
            (self.folder / name).write_bytes(content)
        self._released = Event()

    def stamp(self, request: bytes) -> bytes:
        """The answer to a request, by `openssl ts`."""
        (self.folder / "request").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", "config", "-queryfile", "request"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, check=True).stdout

    def __enter__(self) -> Authority:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                authority.asked += 1
                request = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Type"] != "application/timestamp-query":
                    self.send_error(415)
                    return
                if authority.drips is not None:
                    self._drip(authority.drips)
                    return
                if authority.silent:
                    authority._released.wait(60)
                    return
                answer = authority.spoil(authority.stamp(authority.spoil_request(request)))
                self.send_response(authority.status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _drip(self, first: bytes) -> None:
                """A byte now and then after the first, so that no single wait is long."""
                self.send_response(200)
                self.end_headers()
                self.wfile.write(first)
                for _ in range(400):
                    if authority._released.wait(0.02):
                        break
                    with suppress(OSError):
                        self.wfile.write(b".")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/stamp"
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def pem(self) -> bytes:
        return self.root.pem
