"""A class name stands for one thing in the whole product, so that a reader need not look up which one is meant."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]

EXCEPTIONS = {
    "Actor": "foundation's is the signed-in account; the record's is that account inside its institution",
    "Place": "encryption's is the place of a ciphertext; the drafts' is the page that a draft belongs to",
    "Step": "a step of the new case's pages and a step of a case's timeline; neither module imports the other",
}


def _classes() -> dict[str, set[str]]:
    """The files of each class by its name; a class inside a class is told apart by its outer class."""
    files: dict[str, set[str]] = defaultdict(set)
    for path in (*ROOT.glob("audit/**/*.py"), *ROOT.glob("itm_admin/**/*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                files[node.name].add(str(path.relative_to(ROOT)))
    return files


def test_no_class_name_stands_for_two_things() -> None:
    classes = _classes()
    assert len(classes) > 200
    shared = {name: sorted(files) for name, files in classes.items() if len(files) > 1 and name not in EXCEPTIONS}
    assert not shared, shared
