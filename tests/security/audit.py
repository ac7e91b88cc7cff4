"""Asks the database of known vulnerabilities about every package that ships, by its name and exact version.

It needs the network: where there is none, one line says so and the exit code is 2. Known vulnerabilities: 1.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NO_NETWORK = ("ConnectionError", "ServiceError", "Max retries", "NameResolution", "Connection refused", "timed out")


def main(program: str) -> int:
    words = [
        program,
        "--progress-spinner=off",
        "--disable-pip",
        "--require-hashes",
        "-r",
        str(ROOT / "requirements.txt"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(sign in said for sign in _NO_NETWORK):
        print("make audit: the database of vulnerabilities cannot be reached: nothing is known", file=sys.stderr)
        return 2
    unknown = said.count("could not be audited")
    if unknown and not done.returncode:
        print(f"make audit: the registry here tells nothing of {unknown} packages: nothing is known", file=sys.stderr)
        return 2
    print(said.strip())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
