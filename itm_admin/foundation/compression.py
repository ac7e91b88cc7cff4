"""Compresses responses, and names files by their content.

A response is compressed only if nobody else can have chosen a part of it: a page found by GET without a query. The
length of a compressed response reveals if a guess beside a secret was right (BREACH); where nobody else can put a guess
into the response, it reveals nothing. Files hold no secret. Revealed values are responses to POST, so never compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, request, url_for
from werkzeug.security import safe_join

_KINDS = re.compile(r"(?:text/(?:html|css|javascript)|application/(?:json|javascript)|image/svg\+xml)\b")
SHORTEST = 800
"""Bytes below which compressing gains nothing."""
FOR_EVER = "public, max-age=31536000, immutable"


def install(app: Flask, vendor: Any) -> None:
    """`vendor` gives the path of a file served out of a package, or None. Call it before other after_request hooks."""
    app.extensions["itm_vendor_file"] = vendor
    app.after_request(_compress)
    app.url_defaults(_version)
    app.jinja_env.globals["icons"] = _icons


def _icons() -> str:
    """The address of the file of icons, computed once for each request: a page uses it dozens of times."""
    if "icons" not in g:
        g.icons = url_for("static", filename="icons.svg")
    found: str = g.icons
    return found


def _version(endpoint: str, values: dict[str, Any]) -> None:
    """Adds the content's digest to a file's address, so that a browser may keep the file for ever."""
    path = _file(endpoint, values.get("filename") or values.get("name") or "")
    if path is not None:
        values["v"] = _digest(path, path.stat().st_mtime_ns)


def _file(endpoint: str | None, name: str) -> Path | None:
    if endpoint == "static" and current_app.static_folder:
        joined = safe_join(current_app.static_folder, name)
        return Path(joined) if joined and Path(joined).is_file() else None
    if endpoint == "static_vendor":
        found: Path | None = current_app.extensions["itm_vendor_file"](name)
        return found
    return None


@cache
def _digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@cache
def _small(path: Path, _changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)


def _compress(response: Response) -> Response:
    view = request.view_args or {}
    path = _file(request.endpoint, view.get("filename") or view.get("name") or "")
    if path is not None and request.args.get("v") == _digest(path, path.stat().st_mtime_ns):
        response.headers["Cache-Control"] = FOR_EVER
    if response.status_code != 200 or not _KINDS.match(response.content_type or ""):
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"] or response.content_encoding:
        return response
    if path is not None:
        _send(response, _small(path, path.stat().st_mtime_ns))
    elif request.method == "GET" and not request.query_string and not response.is_streamed:
        content = response.get_data()
        if len(content) >= SHORTEST:
            _send(response, gzip.compress(content, 6, mtime=0))
    return response


def _send(response: Response, content: bytes) -> None:
    response.direct_passthrough = False
    etag = response.get_etag()[0]
    response.set_data(content)
    response.content_encoding = "gzip"
    if etag is not None:
        response.set_etag(f"{etag}-gzip")
