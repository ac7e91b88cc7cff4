"""Connections that never finish what they began: people's pages come as ever."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from waitress import wasyncore
from waitress.adjustments import Adjustments

from itm_admin.local.web_connections import BoundedServer, Limits
from tests.conftest import Database, settings_for
from tests.faults.web_server import PATIENCE, Program, WebServer

MANY = 64
_HEAD = b"GET /healthz HTTP/1.1\r\n"
_BODY = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
KINDS = {
    "no end of the header": (_HEAD, b""),
    "a header that comes slowly": (_HEAD, b"X"),
    "a body that does not come": (_BODY, b""),
    "a body that comes slowly": (_BODY, b"x"),
    "empty lines": (b"\r\n", b"\r\n"),
    "nothing": (b"", b""),
    "a page, and then nothing": (_HEAD + b"Host: localhost\r\n\r\n", b""),
}


@pytest.fixture(scope="module")
def server(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("slow")
    settings = settings_for(shared_database, folder / "home")
    server = WebServer(replace(settings, web_workers=1, web_threads=2, web_request_seconds=1), folder / "web.log")
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_many_connections_that_wait_stop_no_page_and_are_closed(server: WebServer, kind: str) -> None:
    begin, more = KINDS[kind]
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(MANY)]
        for each in opened:
            each.sendall(begin)
        for _ in range(5):
            assert Program(server.port, keeps=False).ask("GET", "/sign-in").status == 200
            for each in opened:
                _try_to_send(each, more)
        if kind not in ("nothing", "a page, and then nothing"):  # these may wait a little longer
            for each in opened:
                assert _is_closed(each, more)


def _try_to_send(each: socket.socket, more: bytes) -> bool:
    try:
        each.sendall(more)
    except OSError:
        return False
    return True


def _is_closed(each: socket.socket, more: bytes) -> bool:
    """It is waited for, with a byte every half second."""
    each.settimeout(0.5)
    for _ in range(2 * PATIENCE):
        try:
            if not each.recv(4096):
                return True
        except TimeoutError:
            if not _try_to_send(each, more):
                return True
        except OSError:
            return True
    return False


def test_an_address_beyond_its_bound_loses_the_connection_that_waited_longest(
    database: Database, tmp_path: Path
) -> None:
    settings = replace(
        settings_for(database, tmp_path / "home"),
        web_workers=1,
        web_connections_per_address=10,
        web_request_seconds=600,
    )
    server = WebServer(settings, tmp_path / "web.log")
    server.start()
    try:
        with ExitStack() as stack:
            opened = []
            for _ in range(12):
                opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port))))
                opened[-1].sendall(_HEAD)
            assert Program(server.port, keeps=False).ask("GET", "/sign-in").status == 200
            for each in opened[:3]:
                assert _is_closed(each, b"")
            opened[-1].sendall(b"Host: localhost\r\n\r\n")
            assert opened[-1].recv(12) == b"HTTP/1.1 200"
    finally:
        server.stop()


def test_a_request_that_comes_in_pieces_is_answered(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as slow:
        for piece in (b"GET /hea", b"lthz HTTP/1.1\r\nHo", b"st: localhost\r\n", b"\r\n"):
            slow.sendall(piece)
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert answer.status == 200


def test_a_server_that_is_told_to_stop_does_not_wait_for_those_who_send_nothing(server: WebServer) -> None:
    """The last test with this server."""
    with socket.create_connection(("127.0.0.1", server.port)) as waiting:
        waiting.sendall(_HEAD)
        server.stop()
        assert server.process is not None
        assert server.process.returncode == 0


def test_closing_an_idle_connection_resets_no_request() -> None:
    """Neither one that arrived on it while the machine stood still, nor one of a new connection at that moment."""
    listening = socket.create_server(("127.0.0.1", 0))
    place = listening.getsockname()
    server = BoundedServer(
        _answers_well, Limits(50, 200, 10), io.StringIO(), map={}, _sock=listening, bind_socket=False,
        sockinfo=(listening.family, listening.type, listening.proto, place),
        adj=Adjustments(threads=1, cleanup_interval=0),
    )  # fmt: skip
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        idle, asking = (stack.enter_context(socket.create_connection(place)) for _ in range(2))
        while len(server.active_channels) < 2:
            wasyncore.loop(timeout=1, use_poll=True, map=server._map, count=1)
        for channel in server.active_channels.values():
            channel.since -= 60
        new = stack.enter_context(socket.create_connection(place))
        for each in (asking, new):
            each.sendall(_HEAD + b"Host: localhost\r\nConnection: close\r\n\r\n")
        answers = [pool.submit(_read_whole, each) for each in (idle, asking, new)]
        server.serve(lambda: all(answer.done() for answer in answers), 0)
        said = [answer.result()[:12] for answer in answers]
    server.task_dispatcher.shutdown()
    server.close()
    assert said == [b"", b"HTTP/1.1 200", b"HTTP/1.1 200"]


def _answers_well(_environ: Any, start: Any) -> list[bytes]:
    start("200 OK", [("Content-Length", "0")])
    return []


def _read_whole(connection: socket.socket) -> bytes:
    connection.settimeout(PATIENCE)
    try:
        return connection.makefile("rb").read()
    except ConnectionError as error:
        return repr(error).encode()
