"""The base of every page: Flask-AppBuilder's view, with a declared subject and scope.

A page belongs to one subject of the roles' table and serves named scopes. Views are singletons, shared by
all threads: they keep no state of a request.
"""

from __future__ import annotations

from typing import Any, ClassVar

from flask import render_template
from flask_appbuilder import BaseView

from itm_admin.foundation.access import route

__all__ = ["Page", "route"]


class Page(BaseView):  # type: ignore[misc]
    """A set of pages about one subject. Without a subject its routes stay shut."""

    subject: ClassVar[str | None] = None
    scopes: ClassVar[tuple[str, ...]] = ()
    is_api: ClassVar[bool] = False

    def __init__(self) -> None:
        self.class_permission_name = self.subject
        super().__init__()

    def render(self, template: str, **values: Any) -> str:
        """A page of `itm_admin/templates`. What it shows is queued with `looked_at` beforehand."""
        return render_template(template, **values)
