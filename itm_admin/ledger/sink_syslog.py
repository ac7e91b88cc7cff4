"""A sink of syslog: RFC 5424 over TCP (octet counting, RFC 6587), TLS or UDP.

Syslog has no acknowledgement. Over TCP and TLS we wait until the receiver's system has confirmed every byte; bytes that
its program may not have read when the connection broke are sent again. Over UDP nothing is confirmed.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from audit import ocsf, syslog
from audit.ocsf import Sealed
from itm_admin.foundation.sink_address import SinkAddress

SECONDS = 10.0
DOUBTFUL = 16 * 2**20
"""Bytes that may lie confirmed and unread in a receiver's buffers."""
LARGEST_DATAGRAM = 60_000
_PAUSE = 0.002


class Unconfirmed(OSError):
    """The receiver hung up, or did not confirm in time."""


class SyslogSink:
    """One receiver; ``tls`` is the context that checks its certificate."""

    def __init__(self, address: SinkAddress, tls: ssl.SSLContext | None = None, seconds: float = SECONDS) -> None:
        self._address, self._tls, self._seconds = address, tls, seconds
        self._udp = address.scheme == "syslog+udp"
        self._host = socket.gethostname()
        self._socket: socket.socket | None = None
        self._sent: deque[tuple[uuid.UUID, int, int]] = deque()
        self._unread = 0

    def send(self, batch: Sequence[Sealed]) -> None:
        """Sends the batch: confirmed when it returns, except over UDP. Raises OSError."""
        if self._udp:
            self._send_datagrams(batch)
            return
        frames = b"".join(syslog.counted(self._message(entry)) for entry in batch)
        connection = self._connection()
        self._remember(batch, len(frames))
        connection.sendall(frames)
        self._confirm(connection)

    def unsure(self) -> Mapping[uuid.UUID, int]:
        """After an error: ledger → the first entry that the receiver may not have read."""
        lowest: dict[uuid.UUID, int] = {}
        for ledger, first, _ in self._sent:
            lowest[ledger] = min(first, lowest.get(ledger, first))
        return lowest

    def lost(self, _passed_on: bool) -> Sequence[str]:
        """Nothing: the receiver keeps acknowledged entries."""
        return ()

    def forget(self, _names: Sequence[str]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None
        self._sent.clear()
        self._unread = 0

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        where = (self._address.host, self._address.port)
        connection = socket.create_connection(where, timeout=self._seconds)
        if self._address.scheme != "syslog+tls":
            return connection
        try:
            return (self._tls or ssl.create_default_context()).wrap_socket(connection, server_hostname=where[0])
        except BaseException:
            connection.close()
            raise

    def _confirm(self, connection: socket.socket) -> None:
        """Waits until the receiver's system has confirmed all bytes."""
        until = time.monotonic() + self._seconds
        while True:
            left = _unconfirmed(connection)
            if _hung_up(connection):
                raise Unconfirmed("the receiver has hung up")
            if not left:
                return
            if time.monotonic() > until:
                raise Unconfirmed("not confirmed in time")
            time.sleep(_PAUSE)

    def _remember(self, batch: Sequence[Sealed], size: int) -> None:
        self._sent.append((batch[0].ledger, batch[0].seq, size))
        self._unread += size
        while self._unread - self._sent[0][2] > DOUBTFUL:
            self._unread -= self._sent.popleft()[2]

    def _send_datagrams(self, batch: Sequence[Sealed]) -> None:
        if self._socket is None:
            where = socket.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(where[0], socket.SOCK_DGRAM)
            self._socket.connect(where[4])
        for entry in batch:
            message = self._message(entry)
            if len(message) > LARGEST_DATAGRAM:  # too long for a datagram: only the seal is sent
                message = self._message(entry._replace(content=None))
            self._socket.send(message)

    def _message(self, entry: Sealed) -> bytes:
        told = ocsf.event(entry)
        severity = syslog.SEVERITIES.get(told["severity_id"], 5)
        name = told["metadata"].get("event_code", "sealed")
        return syslog.message(severity, entry.recorded_at, self._host, ocsf.APPLICATION, name, ocsf.written(told))


def _unconfirmed(connection: socket.socket) -> int:
    """Bytes that the other system has not confirmed (Linux: SIOCOUTQ)."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def _hung_up(connection: socket.socket) -> bool:
    """True if the other side has closed; anything it sends is discarded."""
    before = connection.gettimeout()
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(before)
