"""The panel behind a real nginx with `deploy/nginx.conf`: TLS 1.3 alone, exact hosts, and nothing that a client claims.

Only ports, paths and the certificate differ from the example.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.headers import ALWAYS, HTTPS_ONLY
from tests.conftest import Database, settings_for
from tests.factories import PASSWORD, Factory
from tests.faults.web_server import PATIENCE, WebServer
from tests.machine import ROOT, nginx

pytestmark = pytest.mark.wide
HOST = "panel.example"
CLIENT = "127.0.0.77"
"""The tests' requests come from here, so that nginx sees another address than its own."""


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass
class Front:
    """nginx, and a client of it that believes its certificate."""

    plain: int
    secure: int
    certificate: Path
    database: Database
    make: Factory
    logs: Path

    def context(self, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.certificate))
        if version is not None:
            made.minimum_version = made.maximum_version = version
        return made

    def connect(self, version: ssl.TLSVersion | None = None, name: str = HOST) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.secure), PATIENCE, source_address=(CLIENT, 0))
        return self.context(version).wrap_socket(plain, server_hostname=name)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        secure: bool = True,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        given = {"Host": HOST, "Connection": "close", **(headers or {})}
        if body is not None:
            given["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
        to = self.connect() if secure else socket.create_connection(("127.0.0.1", self.plain), PATIENCE)
        with to as connection:
            with suppress(ConnectionError):
                connection.sendall(request)
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            return answer, answer.read()


@pytest.fixture(scope="module")
def front(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    program = nginx()
    assert program is not None, (
        "nginx is not here: run it by `make wide`, which gets it (Debian: apt-get install nginx)"
    )
    folder = tmp_path_factory.mktemp("nginx")
    certificate(folder)
    settings = replace(
        settings_for(shared_database, folder / "home"), https=True, trusted_hosts=(HOST,),
        trusted_proxies=("127.0.0.1",), web_workers=1, web_threads=4,
    )  # fmt: skip
    server = WebServer(settings, folder / "web.log")
    server.start()
    plain, secure = free_port(), free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    for written, here in (
        ("listen 443", f"listen 127.0.0.1:{secure}"), ("listen 80", f"listen 127.0.0.1:{plain}"),
        ("127.0.0.1:8080", f"127.0.0.1:{server.port}"), ("/etc/ssl/itm/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
    ):  # fmt: skip
        assert written in text, written
        text = text.replace(written, here)
    (folder / "site.conf").write_text(text, "utf-8")
    paths = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
    main += f"events {{}}\nhttp {{ {paths} include {folder}/site.conf; }}\n"
    (folder / "nginx.conf").write_text(("user root;\n" if _is_root() else "") + main, "utf-8")
    words: list[str | Path] = [program, "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    with subprocess.Popen(words, stderr=subprocess.STDOUT) as running:
        front = Front(
            plain, secure, folder / "fullchain.pem", shared_database,
            Factory(shared_database, Keyring.from_settings(settings)), folder,
        )  # fmt: skip
        try:
            _wait_for(secure, running)
            yield front
        finally:
            running.terminate()
            running.wait(PATIENCE)
            server.stop()


def _is_root() -> bool:
    import os

    return os.geteuid() == 0


def _wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    while running.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise AssertionError("nginx ended at once")


def test_only_tls_1_3_and_only_our_name_are_spoken(front: Front) -> None:
    with front.connect() as connection:
        assert connection.version() == "TLSv1.3"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        front.connect(ssl.TLSVersion.TLSv1_2)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        front.connect(name="evil.example")


def test_a_page_comes_with_its_headers_once(front: Front) -> None:
    answer, body = front.ask("GET", "/sign-in")
    assert answer.status == 200
    assert b"<form" in body
    for name, value in {**ALWAYS, HTTPS_ONLY[0]: HTTPS_ONLY[1]}.items():
        assert answer.headers.get_all(name) == [value], name
    assert answer.headers["X-Route"] is None
    assert "nginx/" not in str(answer.headers)
    assert all("Secure" in line for line in answer.headers.get_all("Set-Cookie", []))


def test_a_page_in_the_clear_goes_on_to_https_and_a_program_is_refused(front: Front) -> None:
    answer, _body = front.ask("GET", "/sign-in?next=/cases/", secure=False)
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/sign-in?next=/cases/")
    assert front.ask("GET", "/api/v1/session/", secure=False)[0].status == 403


def test_a_forged_host_is_refused_in_the_clear_and_under_tls(front: Front) -> None:
    for host in ("evil.example", "127.0.0.1", f"{HOST}.evil.example"):
        for secure in (True, False):
            answer, body = front.ask("GET", "/cases/", headers={"Host": host}, secure=secure)
            assert (answer.status, answer.headers["Location"], b"evil" in body) == (400, None, False)


def test_the_ledger_has_the_address_that_nginx_saw(front: Front) -> None:
    somebody = front.make.focal_point()
    forged = {
        "X-Forwarded-For": "198.51.100.66",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=198.51.100.68;host=evil.example",
        "X-Real-IP": "198.51.100.67",
    }
    answer, body = front.ask("GET", "/api/v1/session/", headers=forged)
    cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    told = {"X-CSRFToken": json.loads(body)["csrf_token"], "Cookie": cookie, "Content-Type": "application/json"}
    code = front.make.code(somebody.username)
    sent = json.dumps({"username": somebody.username, "password": PASSWORD, "code": code}).encode()
    answer, body = front.ask("POST", "/api/v1/session/", sent, forged | told)
    assert answer.status == 200, body
    with front.database.engine("superuser").connect() as connection:
        entries = list(connection.exec_driver_sql("select content from audit.event"))
    assert entries
    assert {json.loads(row[0])["request"]["address"] for row in entries if "signin" in row[0]} <= {CLIENT}
    assert not [row for row in entries if "198.51.100" in row[0] or "evil" in row[0]]
    assert [row for row in entries if f'"{CLIENT}"' in row[0]]


def test_what_is_too_long_is_refused_before_the_panel(front: Front) -> None:
    assert front.ask("GET", "/sign-in?" + "x" * 9000)[0].status == 414
    assert front.ask("GET", "/sign-in", headers={f"X-{number}": "y" * 6000 for number in range(8)})[0].status == 400
    refused = front.ask("POST", "/sign-in", b"x" * (1024 * 1024 + 1))[0]
    assert refused.status == 413
    assert refused.headers[HTTPS_ONLY[0]] == HTTPS_ONLY[1]


def test_the_log_has_no_address_and_nothing_of_a_form_is_on_the_disk(front: Front) -> None:
    front.ask("GET", "/sign-in?next=SECRETSEARCH")
    front.ask("POST", "/sign-in", b"username=SECRETNAME&password=" + b"x" * 500_000)
    written = [path for path in front.logs.rglob("*") if path.is_file() and path.parent.name != "home"]
    assert (front.logs / "itm.log").stat().st_size
    assert not [path for path in written if re.search(rb"SECRET(SEARCH|NAME)", path.read_bytes())]
