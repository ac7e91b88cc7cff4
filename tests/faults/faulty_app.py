"""The panel with routes that fail as no route should, with what was asked for in the exception's text."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response, request
from sqlalchemy import text

from app import create_app as create_panel
from itm_admin.foundation.access import Access
from itm_admin.foundation.database import db

ROUTES = ("view", "database", "after", "teardown", "stream")


def create_app() -> Flask:
    app = create_panel()
    for name in ROUTES:
        app.extensions["itm_access"][f"faulty_{name}"] = Access("Files", "show", public=True, quiet=True)
        app.add_url_rule(f"/faulty/{name}", f"faulty_{name}", globals()[f"_{name}"], methods=["GET", "POST"])
    app.after_request(_fails_after)
    app.teardown_request(_fails_at_the_end)
    return app


def _typed() -> str:
    return request.values.get("q", "")


def _view() -> str:
    raise ValueError(_typed())


def _database() -> str:
    return str(db.session.execute(text("select cast(:typed as uuid)"), {"typed": _typed()}).scalar())


def _after() -> str:
    return "well"


def _teardown() -> str:
    return "well"


def _stream() -> Response:
    def parts() -> Iterator[str]:
        yield "well"
        raise ValueError(typed)

    typed = _typed()
    return Response(parts())


def _fails_after(response: Response) -> Response:
    if request.endpoint == "faulty_after":
        raise ValueError(_typed())
    return response


def _fails_at_the_end(_error: BaseException | None) -> None:
    if request.endpoint == "faulty_teardown":
        raise ValueError(_typed())
