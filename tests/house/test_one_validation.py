"""One style of judging input: schemas judge its shape, services what it means. Forms hold no validators."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2] / "itm_admin"


def test_no_form_has_validators_of_its_own() -> None:
    files = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}
    calls = [(name, node) for name, tree in files.items() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [name for name, call in calls if any(word.arg == "validators" for word in call.keywords)]
    judged = [
        f"{name}: {node.name}"
        for name, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("validate_") and name.endswith("forms.py")
    ]
    assert (given, judged) == ([], [])
