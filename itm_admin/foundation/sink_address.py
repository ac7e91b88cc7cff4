"""The addresses in the setting ITM_SINKS: where ledgers' entries are passed on to.

Promise: an address that cannot work is refused at the start; ``name`` identifies the sink for people and holds no
secret, although a webhook's path may be one.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Scheme = Literal["file", "syslog+tcp", "syslog+tls", "syslog+udp", "https", "http"]
_PORTS: dict[Scheme, int] = {"syslog+tcp": 601, "syslog+tls": 6514, "syslog+udp": 514, "https": 443, "http": 80}
EXPECTED = "file:/folder, syslog+tcp://host, syslog+tls://host, syslog+udp://host or https://host/path is expected"


@dataclass(frozen=True)
class SinkAddress:
    """One sink. ``path``: a file sink's folder, or the path of a webhook's URL."""

    scheme: Scheme
    name: str
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> SinkAddress:
        """Raises ValueError without the address in it."""
        if text.startswith("file:"):
            return cls._folder(text.removeprefix("file:"))
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(EXPECTED) from None
        for scheme in _PORTS:
            if parts.scheme == scheme:
                break
        else:
            raise ValueError(EXPECTED)
        if (
            not parts.hostname
            or port == 0
            or parts.username is not None
            or parts.password is not None
            or parts.fragment
        ):
            raise ValueError(f"a host without user, password or fragment is expected after {scheme}://")
        host, port = parts.hostname, port or _PORTS[scheme]
        shown = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        if scheme.startswith("syslog"):
            if parts.path or parts.query:
                raise ValueError("syslog is reached at a host and a port, without a path")
            return cls(scheme, shown, host, port)
        if scheme == "http" and not _is_here(host):
            raise ValueError("entries leave this machine by https:// alone")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(scheme, f"{shown}#{sha256(path.encode()).hexdigest()[:8]}", host, port, path)

    @classmethod
    def _folder(cls, path: str) -> SinkAddress:
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("file: and a folder's whole path are expected")
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise ValueError("file: names a folder, in which the files are made")
        return cls("file", f"file:{folder}", path=str(folder))

    @property
    def is_webhook(self) -> bool:
        return self.scheme in ("http", "https")


def addresses(value: str) -> tuple[str, ...]:
    """The addresses as written, after a check of each. Raises ValueError."""
    found = tuple(value.split())
    names = [SinkAddress.parse(each).name for each in found]
    if len(set(names)) < len(names):
        raise ValueError("each sink once is expected")
    return found


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
