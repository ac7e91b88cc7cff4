"""HTTP to one provider of sign-in, within bounds: time, size, calls at once, and a rest after a failure.

Promise: a request thread waits for `SECONDS` at most, and nobody waits for a provider that has just failed. No redirect
is followed, and no answer is kept or logged.
"""

from __future__ import annotations

import http.client
import json
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import DomainError

SECONDS = 8.0
"""For one call, from the name's resolution to the last byte."""
REST, LONGEST_REST = 5.0, 60.0
"""Seconds after a failure in which nobody is sent there; twice as many after each further one."""
AT_ONCE, TOGETHER = 3, 4
"""Calls of one process to one provider, and to all: half of its threads, so that slow ones keep no page waiting."""
PATIENCE = 1.0
"""Seconds for which one more call waits for its turn."""
LARGEST = 256 * 1024
_TOGETHER = threading.BoundedSemaphore(TOGETHER)
_LOG = logging.getLogger("itm.providers")


class ProviderDown(DomainError):
    """The provider cannot be reached, is slow, or does not answer as a provider does."""

    code = "provider_down"
    default = _l(
        "Your institution's sign-in cannot be reached at the moment. Try again in a minute, or sign in with your "
        "password or a passkey if your institution allows it."
    )


@dataclass(frozen=True)
class ProviderAnswer:
    """An answer, as Authlib's client reads it."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise ProviderDown


class ProviderLine:
    """The way to one provider. `certificates`: PEM of the authorities it is checked against; '': the system's."""

    def __init__(self, code: str, certificates: str) -> None:
        self._code, self._certificates = code, certificates
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._rests_until, self._failures = 0.0, 0

    def document(self, url: str) -> dict[str, Any]:
        """A JSON object. Raises ProviderDown."""
        answer = self._call("GET", url, None, {"Accept": "application/json"})
        try:
            found = answer.json() if answer.status_code == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            _LOG.warning("the provider of sign-in %s answers with status %s", self._code, answer.status_code)
            raise ProviderDown
        return found

    def post(
        self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any, **_more: Any
    ) -> ProviderAnswer:
        """A form, as Authlib's client sends it. Raises ProviderDown."""
        url, told, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._call("POST", url, body.encode("ascii"), told)

    def _call(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> ProviderAnswer:
        if time.monotonic() < self._rests_until or not self._take_turn():
            raise ProviderDown
        came: queue.SimpleQueue[ProviderAnswer | Exception] = queue.SimpleQueue()
        open_ones: list[http.client.HTTPConnection] = []

        def work() -> None:
            try:
                came.put(self._exchange(method, url, body, headers, open_ones))
            except (OSError, http.client.HTTPException, ValueError) as fault:
                came.put(fault)
            finally:
                _TOGETHER.release()
                self._free.release()

        threading.Thread(target=work, name=f"provider {self._code}", daemon=True).start()
        try:
            found = came.get(timeout=SECONDS)
        except queue.Empty:
            found = TimeoutError()
            for connection in open_ones:
                with suppress(OSError):
                    if connection.sock is not None:
                        connection.sock.shutdown(socket.SHUT_RDWR)
        if isinstance(found, Exception):
            self._failed(type(found).__name__)
            raise ProviderDown
        self._failures = 0
        return found

    def _take_turn(self) -> bool:
        until = time.monotonic() + PATIENCE
        if not self._free.acquire(timeout=PATIENCE):
            return False
        if _TOGETHER.acquire(timeout=max(until - time.monotonic(), 0)):
            return True
        self._free.release()
        return False

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._rests_until = time.monotonic() + min(REST * 2 ** min(self._failures - 1, 5), LONGEST_REST)
        _LOG.warning("the provider of sign-in %s fails: %s", self._code, why)

    def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        open_ones: list[http.client.HTTPConnection],
    ) -> ProviderAnswer:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme == "https":
            context = ssl.create_default_context(cadata=self._certificates or None)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
        open_ones.append(connection)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read(LARGEST + 1)
        finally:
            connection.close()
        if len(content) > LARGEST or 300 <= response.status < 400:
            raise ValueError("an answer of another kind")
        return ProviderAnswer(response.status, content)
