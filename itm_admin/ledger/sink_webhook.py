"""A webhook sink: one signed POST for each batch, acknowledged by a status of 2xx and nothing else.

Headers are those of Standard Webhooks: id, time, and HMAC-SHA-256 over id, time and body. The id is the same each time
the same entries are sent. Redirections are not followed: entries go only to the address in the settings.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from audit import ocsf
from audit.ocsf import Sealed
from itm_admin.foundation.sink_address import SinkAddress

SECONDS = 10.0


class BatchRefused(OSError):
    """The receiver did not take the batch."""


class WebhookSink:
    def __init__(
        self,
        address: SinkAddress,
        secret: bytes,
        tls: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._address, self._secret, self._tls, self._seconds, self._now = address, secret, tls, seconds, now

    def send(self, batch: Sequence[Sealed]) -> None:
        """Posts the batch. Raises OSError or HTTPException."""
        body = f"[{','.join(ocsf.line(entry) for entry in batch)}]".encode("ascii")
        connection = self._connection()
        try:
            connection.request("POST", self._address.path, body, self._headers(key(batch), body))
            status = connection.getresponse().status
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise BatchRefused(f"HTTP status {status}")

    def unsure(self) -> Mapping[uuid.UUID, int]:
        """Nothing: acknowledged entries were taken."""
        return {}

    def lost(self, _passed_on: bool) -> Sequence[str]:
        """Nothing: the receiver keeps acknowledged entries."""
        return ()

    def forget(self, _names: Sequence[str]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing is kept open."""

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.host, self._address.port
        if self._address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._seconds)
        context = self._tls or ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=self._seconds, context=context)

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        moment = str(int(self._now()))
        return {
            "Content-Type": "application/json",
            "User-Agent": ocsf.APPLICATION,
            "Idempotency-Key": key,
            "Webhook-Id": key,
            "Webhook-Timestamp": moment,
            "Webhook-Signature": signature(self._secret, key, moment, body),
        }


def key(batch: Sequence[Sealed]) -> str:
    """The batch's id: the same for the same entries, different for any others."""
    said = f"{batch[0].id}\n{batch[-1].seq}\n{batch[-1].hash.hex()}"
    return hashlib.sha256(said.encode()).hexdigest()


def signature(secret: bytes, key: str, moment: str, body: bytes) -> str:
    """The signature that a receiver compares before it reads the body."""
    told = hmac.new(secret, f"{key}.{moment}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(told).decode()
