"""`make fuzz`: libFuzzer, through atheris, on each target for a while; figures, and the input of what fails.

`python -m tests.fuzz [SECONDS [TARGET …]]`. Not part of `make test`, whose parsers are fuzzed by hypothesis.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path(__file__).parents[1] / "artifacts" / "fuzz"
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_COVERED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


def fuzz(name: str, arguments: list[str]) -> None:
    """In a process of its own: libFuzzer ends it."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["audit"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name].check)
    atheris.Fuzz()


def run(name: str, seconds: int, seeds: list[bytes]) -> bool:
    """True if nothing was found."""
    FOUND.mkdir(parents=True, exist_ok=True)
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=20", "-rss_limit_mb=2048", "-seed=1"]
        found = FOUND / f"{name.replace(' ', '-')}-"
        command = [sys.executable, "-m", "tests.fuzz", "--target", name, *options, f"-artifact_prefix={found}"]
        done = subprocess.run([*command, str(corpus)], capture_output=True, text=True, errors="replace", check=False)
    finally:
        shutil.rmtree(corpus)
    runs, covered = _DONE.search(done.stderr), _COVERED.findall(done.stderr)
    if done.returncode or not runs:
        print(f"{name}: FOUND, see {found}*\n{done.stdout[-4000:]}{done.stderr[-2000:]}", flush=True)
        return False
    print(
        f"{name:<16}{int(runs[1]):>12,} inputs in {runs[2]} s, {covered[-1][0] if covered else '?'} edges", flush=True
    )
    return True


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--target"]:
        fuzz(arguments[1], arguments[2:])
    from tests.fuzz.targets import TARGETS

    seconds = int(arguments[0]) if arguments else 60
    results = [run(name, seconds, list(TARGETS[name].seeds)) for name in arguments[1:] or TARGETS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
