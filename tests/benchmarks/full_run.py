"""One full verification of a database's ledgers in a process of its own, whose time and memory are looked at.

python -m tests.benchmarks.full_run ADDRESS [alone|frames|roots]    (as itm_signer) → {"seconds": …, "verdict": …}

`frames` reads frames, links and commitments alone, `roots` the tree as well; nothing is judged by them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine

from audit import store
from audit.fast_check import Task
from audit.store import Ledger
from audit.store.reader_pool import reading_together
from itm_admin.foundation.database import engine_options

CHUNK = 16_384


def main(address: str, what: str = "") -> None:
    engine = create_engine(address, **engine_options())
    with engine.connect() as connection:
        ledgers = [ledger for ledger in store.ledgers(connection) if ledger.code == "JGK"]
    begun = time.perf_counter()
    if what in ("frames", "roots"):
        read = _read(engine, ledgers[0], tree=what == "roots")
        print(json.dumps({"seconds": time.perf_counter() - begun, "verdict": "intact", "entries": read}))
        return
    found = store.verify_all(engine, ledgers, "full", None, processes=1 if what == "alone" else None)
    seconds = time.perf_counter() - begun
    told = {"seconds": seconds, "verdict": found[0].verdict.verdict, "entries": found[0].checked}
    print(json.dumps(told))


def _read(engine: Engine, ledger: Ledger, tree: bool) -> int:
    """The number of entries that the fast check accepts: all of them, in an intact ledger."""
    starts = range(0, ledger.size, CHUNK)
    tasks = [
        Task(ledger.id, ledger.origin, ledger.holder, start, min(start + CHUNK, ledger.size), columns=False, tree=tree)
        for start in starts
    ]
    with store.reading(engine) as connection, reading_together(connection, ledger.size) as read:
        return sum(task.stop - task.start for task, chunk in read(tasks) if chunk is not None)


def run(address: str, what: str = "") -> Mapping[str, Any]:
    """The same in a child; with ``megabytes``, the most private memory that it and its own children had at once."""
    command = [sys.executable, "-m", "tests.benchmarks.full_run", address, *([what] if what else [])]
    most = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        while True:
            most = max(most, _memory(child.pid))
            try:
                child.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        answer = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise RuntimeError("the verification failed")
    return {**json.loads(answer.splitlines()[-1]), "megabytes": most / 1e6}


def _memory(pid: int) -> int:
    """Shared pages are counted once: in the parent, which has the whole of its own."""
    try:
        parent = psutil.Process(pid)
        return int(parent.memory_info().rss) + sum(
            int(each.memory_full_info().uss) for each in parent.children(recursive=True)
        )
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
