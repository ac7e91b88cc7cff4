"""pymerkle's times: inclusion proofs of its SqliteTree in a file, and the root over entries in memory."""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pymerkle import InmemoryTree, SqliteTree


def main() -> None:
    asked = json.load(sys.stdin)
    chance, seconds = random.Random(1), []
    with tempfile.TemporaryDirectory() as folder:
        tree = SqliteTree(str(Path(folder) / "tree.db"), algorithm="sha256")
        tree.append_entries([chance.randbytes(32) for _ in range(asked["leaves"])])
        for _ in range(asked["proofs"]):
            index = chance.randrange(asked["leaves"]) + 1
            begun = time.perf_counter()
            tree.prove_inclusion(index, asked["leaves"])
            seconds.append(time.perf_counter() - begun)
    entries = [chance.randbytes(250) for _ in range(asked["leaves"])]
    begun = time.perf_counter()
    root = InmemoryTree(algorithm="sha256")
    for entry in entries:
        root.append_entry(entry)
    root.get_state()
    rate = len(entries) / (time.perf_counter() - begun)
    print(json.dumps({"milliseconds": statistics.median(seconds) * 1000, "entries_per_second": rate}))


if __name__ == "__main__":
    main()
