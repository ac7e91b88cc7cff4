"""No file and no function is longer than what one reads at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE, FUNCTION = 350, 45
TABLES: dict[str, str] = {}
"""Longer files that are tables of data."""


def _files() -> Iterator[Path]:
    yield ROOT / "app.py"
    for folder in ("audit", "itm_admin", "migrations"):
        yield from (ROOT / folder).rglob("*.py")


def test_no_file_is_longer_than_350_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in _files()}
    assert not {name: length for name, length in lengths.items() if length > FILE}


def test_no_function_is_longer_than_45_lines() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in _files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION
    ]
    assert not found
