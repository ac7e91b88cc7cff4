"""The web server's connections: a thread is taken only after a request is read whole, and within a time limit.

Promises: connections that send nothing, or a byte at a time, hold no thread and are closed; one address cannot hold all
connections; an answer that breaks off resets the connection; the log has the route's pattern, never the address.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestHeaderFieldsTooLarge

from itm_admin.foundation.headers import ALWAYS
from itm_admin.foundation.log_trace import trace
from itm_admin.foundation.proxies import Proxies

IDLE_SECONDS = 15
"""Seconds for which a connection may wait for its next request."""
LEAST_RATE = 1000
"""Bytes a second, on average, that a body must arrive with and an answer must be taken with."""
TAKING_SECONDS = 60
LONGEST_LINE = 8 * 1024
"""Bytes of a request's first line, as nginx allows."""
MOST_FIELDS = 100
"""Header fields of a request, as Apache allows."""
_BEAT = 1.0


@dataclass(frozen=True)
class Limits:
    """Limits for each process of the web server."""

    connections: int
    per_address: int
    seconds: int
    """Seconds for a request's header, and again for its body; more for data at the least rate."""
    proxies: Proxies = field(default_factory=lambda: Proxies(()))
    """Each of them asks for many people: their addresses have no bound of their own."""


class LineLog(Protocol):
    """Writes one whole line at a time."""

    def write(self, line: str, /) -> object: ...


class _LineTooLong(RequestHeaderFieldsTooLarge):
    code, reason = 414, "URI Too Long"


class Parser(HTTPRequestParser):
    """Reads one request; refuses a first line or a number of fields that no browser sends."""

    def parse_header(self, header_plus: bytes) -> None:
        line, _, fields = header_plus.partition(b"\r\n")
        error = None
        if len(line) > LONGEST_LINE:
            error = _LineTooLong("")
        elif fields.count(b"\r\n") > MOST_FIELDS:
            error = RequestHeaderFieldsTooLarge("")
        if error is None:
            super().parse_header(header_plus)
        else:  # as waitress itself does where the whole header is too long
            super().parse_header(b"GET / HTTP/1.0\r\n")
            self.error = error


class RefusingTask(ErrorTask):
    """An answer that the web server gives by itself, before the panel: its reason, and nothing of the request."""

    def execute(self) -> None:
        refused = self.request.error
        body = f"{refused.reason}\n".encode("ascii")
        self.status = f"{refused.code} {refused.reason}"
        self.response_headers += [("Content-Type", "text/plain; charset=utf-8"), *ALWAYS.items()]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class BoundedTask(WSGITask):
    """One request's answer."""

    def service(self) -> None:
        self.began, self.sent = time.monotonic(), 0
        try:
            super().service()
        except BaseException:
            self.channel.broken = self.wrote_header  # otherwise an old client would take the cut answer for a whole one
            raise
        finally:
            self.channel.server.tell(self)

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        super().write(data)

    def line(self) -> str:
        """The route's pattern instead of the path, which holds ids and invitations' tokens; never the query."""
        headers = {name.lower(): value for name, value in self.response_headers}
        environ = self.get_environment()
        when = datetime.now(UTC).strftime("[%d/%b/%Y:%H:%M:%S +0000]")
        size = self.sent or headers.get("content-length", 0)
        took = int((time.monotonic() - self.began) * 1000)
        asked = f'{environ.get("REMOTE_ADDR", "-")} "{self.request.command} {headers.get("x-route", "")}"'
        status = self.status.partition(" ")[0]
        return f"{when} {asked} {status} {size} {took}ms {headers.get('x-request-id', '-')}\n"


class Channel(HTTPChannel):
    """One connection. Its times use the monotonic clock."""

    task_class = BoundedTask
    error_task_class = RefusingTask
    parser_class = Parser
    broken = False
    busy = False

    def __init__(self, server: BoundedServer, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:
        self.since = time.monotonic()
        self.begun: float | None = None
        self.got = self.given = 0
        self.taking: tuple[float, int] | None = None
        super().__init__(server, sock, addr, adj, map=map)

    def received(self, data: bytes) -> bool:
        if self.begun is None:
            self.begun, self.got = time.monotonic(), 0
        self.got += len(data)
        done: bool = super().received(data)
        if self.requests:
            self.begun, self.got = (None if self.request is None else time.monotonic()), 0
        return done

    def service(self) -> None:
        self.busy = True
        super().service()
        self.since = time.monotonic()
        self.busy = False
        if self.begun is not None:
            self.begun = self.since

    def send(self, data: bytes, do_close: bool = True) -> int:
        number: int = super().send(data, do_close)
        self.given += number or 0
        return number

    def handle_close(self) -> None:
        if self.broken and self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        super().handle_close()

    @property
    def waits(self) -> bool:
        """True if it waits for a part of a request and has nothing left to send."""
        return not self.requests and not self.busy and not self.total_outbufs_len

    def is_overdue(self, now: float, seconds: int) -> bool:
        if self.total_outbufs_len:
            return self._takes_too_slowly(now)
        self.taking = None
        if not self.waits:
            return False
        if self.begun is None:
            return now - self.since > IDLE_SECONDS and not self._has_unread()
        if self.request is None or not self.request.headers_finished:
            return now - self.begun > seconds
        return now - self.begun > 2 * seconds + self.got / LEAST_RATE

    def _has_unread(self) -> bool:
        """True if a request has arrived that the server had no time to read: closing would reset it."""
        try:
            return self.socket is not None and bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def _takes_too_slowly(self, now: float) -> bool:
        """True if the client takes the answer too slowly: a thread waits for it."""
        if self.taking is None:
            self.taking = (now, self.given)
        since, given = self.taking
        if now - since < TAKING_SECONDS:
            return False
        self.taking = None
        return self.given - given < LEAST_RATE * TAKING_SECONDS


class BoundedServer(TcpWSGIServer):
    """Accepts on a socket that several processes share."""

    channel_class = Channel

    def __init__(self, panel: Any, limits: Limits, access_log: LineLog, **known: Any) -> None:
        self.limits, self.access_log = limits, access_log
        super().__init__(panel, **known)

    def readable(self) -> bool:
        """While requests wait here for a thread, another process may take the new connection."""
        return bool(super().readable()) and not self.task_dispatcher.queue

    def handle_accept(self) -> None:
        before = set(self.active_channels)
        super().handle_accept()
        for number in set(self.active_channels) - before:
            self._make_room(self.active_channels[number])

    def _make_room(self, new: Channel) -> None:
        """Over a limit, closes the connection that has waited longest; the new one only if all are at work."""
        everybody = [each for each in self.active_channels.values() if not each.will_close]
        neighbours = [each for each in everybody if each.addr[0] == new.addr[0]]
        alone = len(everybody) if new.addr[0] in self.limits.proxies else self.limits.per_address
        for those, limit in ((neighbours, alone), (everybody, self.limits.connections)):
            if len(those) > limit:
                waiting = [each for each in those if each.waits and each is not new]
                min(waiting, key=lambda each: each.begun or each.since, default=new).handle_close()
                return

    def maintenance(self, _now: float) -> None:
        """Nothing: waitress calls it while it lists the connections to poll.

        A connection that is closed then is polled all the same, and the answer is taken for that of the new connection
        which got its number: the new one would be reset.
        """

    def close_overdue(self) -> None:
        """Closes connections that wait too long. Called between two polls."""
        now = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now, self.limits.seconds):
                channel.handle_close()

    def tell(self, task: BoundedTask) -> None:
        self.access_log.write(task.line())

    def serve(self, stopped: Any, patience: float) -> None:
        """Serves until `stopped()`; then answers running requests for at most `patience` seconds."""
        deadline: float | None = None
        looked = 0.0
        while deadline is None or time.monotonic() < deadline:
            if time.monotonic() - looked >= _BEAT:
                self.close_overdue()
                looked = time.monotonic()
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
            if not stopped():
                continue
            deadline = deadline or time.monotonic() + patience
            self.accepting = False
            for channel in list(self.active_channels.values()):
                if channel.waits:
                    channel.handle_close()
            if not self.active_channels:
                return


class Reticent(logging.Filter):
    """Logs the place of a fault only: addresses and malformed lines hold people's input."""

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            record.msg, record.args = "A request ended with %s", (trace(fault),)
            record.exc_info = record.exc_text = None
        elif record.levelno < logging.ERROR:
            return False
        return True
