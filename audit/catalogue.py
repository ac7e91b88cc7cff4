"""Compares the database's catalogue with the migrations' result: triggers, functions, owners, grants, policies.

The expected catalogue is a file beside the code, out of the database's reach. Knows no database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.verification import Finding

Objects = Mapping[str, str]
"""Each object's kind and name → its definition."""
CHANGED = "catalogue.changed"


class Unknown(Exception):
    """The manifest has no entry for this version of PostgreSQL."""


@dataclass(frozen=True)
class CatalogueManifest:
    """The catalogue of a fresh schema. Its text is the same on each of these major versions of PostgreSQL."""

    schemas: Sequence[str]
    versions: Sequence[int]
    objects: Objects

    @classmethod
    def load(cls, text: str) -> CatalogueManifest:
        said: Any = json.loads(text)
        return cls(said["schemas"], said["postgresql"], said["objects"])

    def dump(self) -> str:
        said = {"schemas": list(self.schemas), "postgresql": sorted(self.versions)}
        return json.dumps({**said, "objects": dict(sorted(self.objects.items()))}, ensure_ascii=False, indent=1) + "\n"

    def compare(self, version: int, found: Objects) -> Iterator[Finding]:
        """Yields the differences. Raises Unknown for a major version that the manifest does not cover."""
        if version not in self.versions:
            raise Unknown(f"nobody has seen what PostgreSQL {version} says of a fresh schema")
        yield from differences(self.objects, found)


def differences(expected: Objects, found: Objects) -> Iterator[Finding]:
    """One finding, by name, for each object that is missing, added or changed."""
    for name in sorted({*expected, *found}):
        if name not in found:
            yield Finding(None, CHANGED, f"{name}: is not there", id=name)
        elif name not in expected:
            yield Finding(None, CHANGED, f"{name}: was added: {found[name]}"[:1000], id=name)
        elif expected[name] != found[name]:
            detail = f"{name}: is {found[name]}, the migrations made it {expected[name]}"
            yield Finding(None, CHANGED, detail[:1000], id=name)
