"""Writes down what each role may do, from the areas' rows, in rights.txt; the difference is read in review.

``.venv/bin/python -m tests.house.rights``
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from itm_admin import areas  # noqa: F401  the rows of all areas
from itm_admin.foundation.roles import EVERYBODY, ROLES

FILE = Path(__file__).with_name("rights.txt")
EVERYBODYS = "everybody, to their own"


def table() -> str:
    """A line for each subject and act with the roles that may do it, and a star in each role's place."""
    names = list(ROLES)
    lines = [f"{'| ' * place}{name}" for place, name in enumerate(names)]
    lines += [f"{' '.join('*' if role in who else '.' for role in names)}  {said}" for said, who in _rows()]
    lines += ["", *(f"{EVERYBODYS}: {subject} {' '.join(sorted(acts))}" for subject, acts in sorted(EVERYBODY.items()))]
    return "\n".join(lines) + "\n"


def _rows() -> Iterator[tuple[str, set[str]]]:
    every = {(subject, act) for role in ROLES.values() for subject, acts in role.may.items() for act in acts}
    for subject, act in sorted(every):
        yield f"{subject} {act}", {name for name, role in ROLES.items() if act in role.may.get(subject, ())}


if __name__ == "__main__":
    FILE.write_text(table(), "utf-8")
    print(FILE)
