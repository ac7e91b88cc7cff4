"""Reverse proxies: only those that are named may say for whom, for which host and by which scheme they ask.

Promise: from any other peer no forwarded header reaches the panel, so none reaches the ledger, a limit or a link. It
knows no Flask, and looks nothing up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
_SCHEMES = ("http", "https")
_KEPT = frozenset({"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"})
_WIDEST = {4: 8, 6: 16}
"""The shortest prefix of a network of proxies: a wider one would name everybody."""


def network(value: str) -> str:
    """An address or a network as written. Raises ValueError that states the expected form."""
    try:
        found = ip_network(value)
    except ValueError:
        raise ValueError(
            "each proxy's address or network is expected (127.0.0.1,10.0.0.0/24), or 0 for none:"
            " a number would trust everybody who reaches the port"
        ) from None
    if found.prefixlen < _WIDEST[found.version]:
        raise ValueError(f"{value} is no network of proxies: it names nearly everybody")
    return value


class Proxies:
    """The named proxies."""

    def __init__(self, named: Sequence[str]) -> None:
        self._networks = tuple(ip_network(each) for each in named)

    def __contains__(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(
            found in each for each in self._networks if isinstance(each, IPv6Network) == (found.version == 6)
        )

    def client(self, peer: str, forwarded: str) -> str:
        """The address that asks: the right-most one that is no proxy of ours, since each hop adds its peer at the end.

        Text that is no address ends the search: whatever stands left of it was written by somebody else.
        """
        nearest = peer
        for written in reversed(forwarded.split(",")):
            if nearest not in self:
                break
            found = _address(written)
            if found is None:
                break
            nearest = str(found)
        return nearest


class BehindProxies:
    """Middleware that corrects a request's client, host and scheme before anything reads them."""

    def __init__(self, panel: Wsgi, named: Sequence[str], hosts: Sequence[str], https: bool) -> None:
        self.panel, self.proxies, self.hosts, self.https = panel, Proxies(named), frozenset(hosts), https

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        forwarded = {name: str(environ.pop(name)) for name in list(environ) if _is_forwarded(name)}
        peer = str(environ.get("REMOTE_ADDR", ""))
        if peer in self.proxies:
            self._correct(environ, peer, {name: text for name, text in forwarded.items() if name in _KEPT})
        if not self._is_exact(environ):
            environ["HTTP_HOST"] = ""  # which is no trusted host either: the panel refuses it with its own page
        return self.panel(environ, start_response)

    def _correct(self, environ: dict[str, Any], peer: str, forwarded: dict[str, str]) -> None:
        client = self.proxies.client(peer, forwarded.get("HTTP_X_FORWARDED_FOR", ""))
        environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = client
        scheme = _last(forwarded.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in _SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        if host := _last(forwarded.get("HTTP_X_FORWARDED_HOST", "")):
            environ["HTTP_HOST"] = host

    def _is_exact(self, environ: dict[str, Any]) -> bool:
        """Under HTTPS a port is named in ITM_TRUSTED_HOSTS, or is the standard one."""
        host = str(environ.get("HTTP_HOST", ""))
        if not self.https or ":" not in host.rpartition("]")[2]:
            return True
        return host in self.hosts or host.endswith(":443")


def _is_forwarded(name: str) -> bool:
    return name.startswith("HTTP_X_FORWARDED") or name in ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP")


def is_number(host: str) -> bool:
    """True for a host that is an address and no name."""
    return _address(host) is not None


def _last(values: str) -> str:
    """The nearest proxy's part: others may stand before it."""
    return values.rpartition(",")[2].strip()


def _address(written: str) -> IPv4Address | IPv6Address | None:
    """An address, also with a port or in brackets; None for other text."""
    text = written.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
