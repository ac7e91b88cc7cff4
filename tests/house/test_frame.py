"""Pages and the frame around them."""

from __future__ import annotations

import ast
from pathlib import Path

import app as composition
import itm_admin


def test_no_page_overwrites_what_the_frame_around_it_needs() -> None:
    """A page's own `links` once took the language switch, the search box and the way to sign out away."""
    source = ast.parse(Path(composition.__file__).read_text())
    values = next(one for one in ast.walk(source) if getattr(one, "name", "") == "_page_values")
    frame = {
        key.value
        for one in ast.walk(values)
        if isinstance(one, ast.Dict)
        for key in one.keys
        if isinstance(key, ast.Constant)
    }
    assert {"links", "navigation", "alerts"} <= frame
    for path in Path(itm_admin.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in (
                "render",
                "render_template",
            ):
                taken = frame & {keyword.arg for keyword in call.keywords}
                assert not taken, f"{path}:{call.lineno} gives the page {taken}"
