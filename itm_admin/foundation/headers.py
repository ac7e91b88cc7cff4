"""Security headers of every response: run only our files, store nothing, send no address elsewhere.

They are added twice: by the panel, which knows the route, and around it, where an answer could leave without them (a
fault in the panel's own hooks). The web server adds them to the refusals that it writes itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask, Response, g, request

from itm_admin.foundation.proxies import Wsgi

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_UNUSED = (
    "accelerometer autoplay browsing-topics camera display-capture encrypted-media fullscreen geolocation"
    " gyroscope hid idle-detection local-fonts magnetometer microphone midi payment picture-in-picture serial"
    " sync-xhr usb xr-spatial-tracking"
).split()
ALWAYS: dict[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Origin-Agent-Cluster": "?1",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Permissions-Policy": ", ".join(f"{each}=()" for each in _UNUSED),
    "Cache-Control": "no-store",
}
"""In every answer that has no other header of the name."""
HTTPS_ONLY = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
_FILES = frozenset({"static", "static_vendor"})


class WithHeaders:
    """Middleware: no answer leaves without them."""

    def __init__(self, panel: Wsgi, https: bool) -> None:
        self.panel, self.https = panel, https

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *fault: Any) -> Any:
            known = {name.lower() for name, _value in headers}
            missing = [each for each in ALWAYS.items() if each[0].lower() not in known]
            if self.https or environ.get("wsgi.url_scheme") == "https":
                missing.append(HTTPS_ONLY)
            return start_response(status, [*headers, *missing], *fault)

        return self.panel(environ, start)


def install(app: Flask) -> None:
    """Adds the headers that depend on the route to every answer, errors included."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers["X-Route"] = request.url_rule.rule if request.url_rule else ""
    if request.endpoint not in _FILES:
        headers["Cache-Control"] = "no-store"
    return response
