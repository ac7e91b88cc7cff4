"""`python -m audit.witness`: a witness as a small service, for a host and a key of its own (C2SP tlog-witness).

    --listen HOST:PORT|fd:N --state DIR --key FILE --log VKEY:ORIGIN … [--logs FILE] [--name NAME] [--quiet]

An origin may end in /* for all ledgers and generations of a deployment. ``--name`` names the key that the first run
makes. Promise: few requests at once, none for long, none large. It speaks plain HTTP: what it says is signed, and
what it is told is; for more, put a TLS proxy in front.
"""

from __future__ import annotations

import argparse
import io
import re
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from audit.keyfile import KeyRefused
from audit.witness_memory import Memory, MemoryRefused, identity
from audit.witness_rules import MAX_REQUEST, Cosigner, WitnessedLog, WitnessRefusal

AT_ONCE = 16
SECONDS = 10.0
"""Seconds for a whole request, and for the next one on a kept connection to begin."""
_MONITORED = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
PROTOCOL = "https://c2sp.org/tlog-witness"
"""Implements the protocol's HEAD: 422 for another root of the same size. Refuses extension lines of checkpoints."""
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class Handler(BaseHTTPRequestHandler):
    """``POST /add-checkpoint``; ``GET /``: the verifier key; ``GET /<SHA-256 of the origin>/checkpoint``: the last."""

    server: Service
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._incoming = _Incoming(self.connection)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        self._incoming.until = time.monotonic() + self.server.seconds
        super().handle_one_request()

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, f"{self.server.verifier_key}\n")
        elif found := _MONITORED.fullmatch(self.path):
            self._tell_last(found[1])
        else:
            self._answer(404, "not here\n")

    def _tell_last(self, origin_hash: str) -> None:
        """For monitors: the last cosigned checkpoint, with the cosignature."""
        try:
            last = self.server.cosigner.last(origin_hash)
        except (MemoryRefused, OSError) as error:
            self.log_message("503 the memory cannot be read: %s", error)
            return self._answer(503, "the memory cannot be read\n")
        return self._answer(200, bytes(last).decode()) if last else self._answer(404, "nothing was cosigned\n")

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            return self._give_up(404, "not here\n")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            return self._give_up(411, "the length is needed\n")
        if len(length) > 9 or int(length) > MAX_REQUEST:
            return self._give_up(413, "too large\n")
        data = self.rfile.read(int(length))
        if len(data) < int(length):
            return self._give_up(400, "cut off\n")
        try:
            checkpoint, cosignature = self.server.cosigner.add_checkpoint(data)
        except WitnessRefusal as refusal:
            self.log_message("%d %s", refusal.status, refusal.why)
            if refusal.size is not None:
                return self._answer(refusal.status, f"{refusal.size}\n", "text/x.tlog.size")
            return self._answer(refusal.status, f"{refusal.why}\n")
        if not self.server.quiet:
            self.log_message("200 %s at %d", checkpoint.origin, checkpoint.size)
        return self._answer(200, str(cosignature))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """No line here: the code that decides an answer logs it with the reason."""

    def log_message(self, format: str, *args: Any) -> None:
        sys.stderr.write(f"{self.address_string()} {format % args}".translate(_CONTROLS) + "\n")

    def _give_up(self, status: int, body: str) -> None:
        """Answers and closes the connection: the rest of the request was not read."""
        self.close_connection = True
        self._answer(status, body)

    def _answer(self, status: int, body: str, kind: str = "text/plain; charset=utf-8") -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Link", f'<{PROTOCOL}>; rel="profile"')
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


class _Incoming(io.RawIOBase):
    """A peer's bytes, up to a deadline. A time-out for each piece alone would let a slow peer stay for ever."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Service(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The server: listens when made; `serve_forever` runs a thread for each connection, at most ``at_once``."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    quiet = False
    """True: log refusals only."""

    def __init__(
        self,
        address: tuple[str, int] | socket.socket,
        cosigner: Cosigner,
        verifier_key: str,
        at_once: int = AT_ONCE,
        seconds: float = SECONDS,
    ) -> None:
        self.cosigner, self.verifier_key, self.seconds = cosigner, verifier_key, seconds
        self._places = threading.BoundedSemaphore(at_once)
        if isinstance(address, socket.socket):  # a listening socket of the parent, which survives this process
            super().__init__(address.getsockname()[:2], Handler, bind_and_activate=False)
            self.socket.close()
            self.socket, self.address_family = address, address.family
            return
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(timeout=1):
            try:
                super().process_request(request, client_address)
            except BaseException:
                self._places.release()
                raise
        else:
            request.setblocking(False)
            request.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a peer that went away; logs any other error in one line, and serves on."""
        error = sys.exception()
        if not isinstance(error, OSError):
            sys.stderr.write(f"{client_address[0]} {error!r}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. Gives 2 if it refuses to start."""
    said = _arguments().parse_args(arguments)
    try:
        logs = [WitnessedLog.parse(each) for each in (*said.log, *_lines(said.logs))]
        if not logs:
            raise ValueError("no --log: nobody's checkpoints would be cosigned")
        key = identity(said.state, said.key, said.name)
        memory = Memory(said.state, key.verifier)
        service = Service(_place(said.listen), Cosigner(key, logs, memory), str(key.verifier))
        service.quiet = said.quiet
    except (MemoryRefused, KeyRefused, OSError, ValueError) as error:
        sys.stderr.write(f"witness: {error}\n")
        return 2

    def stop(*_: object) -> None:
        threading.Thread(target=service.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stdout.write(f"witness {key.verifier} at {_address(service)}\n")
    sys.stdout.flush()
    service.serve_forever()
    service.server_close()
    return 0  # the memory stays locked until the process ends, and with it the last request


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m audit.witness", description="Cosigns checkpoints of ledgers.")
    parser.add_argument(
        "--listen",
        required=True,
        metavar="HOST:PORT",
        help="port 0: any that is free, printed; fd:N: a listening socket that was inherited",
    )
    parser.add_argument("--state", required=True, type=Path, metavar="DIR", help="what was cosigned; never restore it")
    parser.add_argument("--key", required=True, type=Path, metavar="FILE", help="made on the first run")
    parser.add_argument("--name", help="the new key's name, e.g. witness.example/tihek; for the first run")
    parser.add_argument("--log", action="append", default=[], metavar="VKEY:ORIGIN", help="ORIGIN may end in /*")
    parser.add_argument("--logs", type=Path, metavar="FILE", help="VKEY:ORIGIN, one a line; # begins a comment")
    parser.add_argument("--quiet", action="store_true", help="tell of refusals only")
    return parser


def _place(listen: str) -> tuple[str, int] | socket.socket:
    host, _, port = listen.rpartition(":")
    return socket.socket(fileno=int(port)) if host == "fd" else (host.strip("[]"), int(port))


def _lines(path: Path | None) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _address(service: Service) -> str:
    host, port = service.socket.getsockname()[:2]
    return f"http://[{host!s}]:{port}" if service.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"


if __name__ == "__main__":
    sys.exit(main())
