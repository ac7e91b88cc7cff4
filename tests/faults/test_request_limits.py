"""Requests that are too long, have too many fields or are malformed: refused in a line that repeats nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from itm_admin.foundation.headers import ALWAYS
from itm_admin.local.web_connections import LONGEST_LINE, MOST_FIELDS
from tests.conftest import Database, settings_for
from tests.faults.web_server import PATIENCE, WebServer

_END = b"\r\n\r\n"
_HOST = b"Host: localhost\r\n"
REFUSED = {
    "a long first line": (b"GET /sign-in?secret=" + b"x" * LONGEST_LINE + b" HTTP/1.1\r\n" + _HOST + b"\r\n", b"414"),
    "many fields": (b"GET / HTTP/1.1\r\n" + _HOST + b"X-Secret: secret\r\n" * MOST_FIELDS + b"\r\n", b"431"),
    "a long field": (b"GET / HTTP/1.1\r\n" + _HOST + b"X: secret" + b"x" * 40_000 + _END, b"431"),
    "many fields without an end": (b"GET / HTTP/1.1\r\n" + b"X: secret\r\n" * 4000, b"431"),
    "a broken field": (b"GET / HTTP/1.1\r\n" + _HOST + b"secret\r\n\r\n", b"400"),
    "no method": (b"secret\r\n\r\n", b"400"),
    "two lengths": (b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"400"),
    "a negative length": (b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: -1\r\n\r\n", b"400"),
    "a huge length": (b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 99999999999\r\n\r\n", b"413"),
    "an unknown coding": (b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: secret\r\n\r\n", b"501"),
    "no host": (b"GET /sign-in HTTP/1.1" + _END, b"400"),
    "two hosts": (b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nHost: secret\r\n\r\n", b"400"),
    "another host": (b"GET /sign-in HTTP/1.1\r\nHost: secret" + _END, b"400"),
}


@pytest.fixture(scope="module")
def server(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("limits")
    settings = replace(settings_for(shared_database, folder / "home"), web_workers=1, web_threads=2)
    server = WebServer(settings, folder / "web.log")
    server.start()
    yield server
    server.stop()


def tell(server: WebServer, request: bytes) -> bytes:
    """The answer until the connection ends: by a reset if the server did not read the request to its end."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection,
        suppress(ConnectionError),
    ):
        connection.sendall(request)
        with suppress(OSError):  # the server has closed it already
            connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize("kind", REFUSED)
def test_a_request_beyond_its_limits_is_refused_in_a_line_that_repeats_nothing(server: WebServer, kind: str) -> None:
    request, status = REFUSED[kind]
    answer = tell(server, request)
    if len(request) > 32 * 1024 and not answer:
        return  # closed before the client had sent it whole
    head, _, body = answer.partition(_END)
    assert head.split()[1] == status
    assert b"secret" not in answer
    assert len(body) < 1000
    for name, value in ALWAYS.items():
        assert f"{name}: {value}".encode() in head, name


def test_the_longest_line_and_the_most_fields_are_answered(server: WebServer) -> None:
    line = b"GET /healthz?" + b"x" * (LONGEST_LINE - 30) + b" HTTP/1.1\r\n"
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(MOST_FIELDS - 3))
    assert tell(server, line + _HOST + b"Connection: close\r\n" + fields + b"\r\n").startswith(b"HTTP/1.1 200")


def test_two_requests_in_one_are_two_or_none(server: WebServer) -> None:
    """Request smuggling: a length and a coding that contradict each other leave no second request behind."""
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = (
        b"POST /sign-in HTTP/1.1\r\n" + _HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    assert tell(server, request + smuggled).count(b"HTTP/1.1 200") <= 1
