"""Docstrings name the thing first: a question word at the beginning makes a riddle of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RIDDLE = re.compile(r"(What|Whether|How|Who|Whom|Whose|Where|Whoever|Whatever|Says)\b")


def _docstrings(path: Path) -> list[str]:
    """Docstrings of the module, its classes and functions, and of the names below which a text stands."""
    tree = ast.parse(path.read_text("utf-8"))
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    return [node.value for node in alone if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_no_docstring_begins_with_a_question_word() -> None:
    files = [path for room in ("audit", "itm_admin", "migrations", "tests") for path in (ROOT / room).rglob("*.py")]
    texts = {str(path.relative_to(ROOT)): _docstrings(path) for path in files}
    assert sum(map(len, texts.values())) > 1000
    riddles = {name: [text for text in found if RIDDLE.match(text)] for name, found in texts.items()}
    assert not {name: found for name, found in riddles.items() if found}
