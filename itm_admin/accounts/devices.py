"""Short words for a browser and for a place, by which people know their own sessions again."""

from __future__ import annotations

import ipaddress

from flask import has_request_context, request
from flask_babel import gettext as _

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("YaBrowser", "Yandex"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
"""In the order of search: many name the others too."""


def device_here() -> str | None:
    """The device of this request; None outside one."""
    return device_of(request.headers.get("User-Agent", "")) if has_request_context() else None


def device_of(agent: str) -> str | None:
    """`Firefox, Windows` and the like; None for a program that says nothing known. No word of the sender is kept."""
    found = [next((name for mark, name in marks if mark in agent), None) for marks in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in found if name) or None


def place_of(address: str | None) -> str:
    """The kind of network an address belongs to, in words."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return str(_("Unknown place"))
    if ip.is_loopback:
        return str(_("This server itself"))
    return str(_("Internal network") if ip.is_private else _("Internet"))
