"""Other people's packages, in an environment of their own: `make bench` installs it, the product never needs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.place import Place

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("BENCH_PEERS", ROOT / "build" / "peers" / "bin" / "python"))
ORMS = {
    "django-auditlog": "django_packages",
    "django-simple-history": "django_packages",
    "SQLAlchemy-Continuum": "continuum",
}


def installed() -> bool:
    return PYTHON.exists()


def ratios(place: Place, updates: int, turns: int) -> Mapping[str, float]:
    """Audited over unaudited update with each of the packages, on the same server; empty where they are missing."""
    if not installed():
        return {}
    found = {}
    for package, program in ORMS.items():
        database = place.empty()
        address = database.url("superuser")
        answer = ask(program, {"package": package, "address": address, "updates": updates, "turns": turns})
        found[package] = float(answer["ratio"])
        place.drop(database)
    return found


def ask(program: str, question: Mapping[str, object]) -> Any:
    """Runs tests/benchmarks/peers/<program>.py there; question and answer are JSON."""
    done = subprocess.run(
        [PYTHON, "-m", f"tests.benchmarks.peers.{program}"],
        input=json.dumps(question), capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])
