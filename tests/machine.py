"""The programs that the tests need beside Python's packages: found, installed, or named before any test runs.

`make test` runs this first. As root it installs with the system's package manager; an ordinary user gets a browser into
the folder `build/`. Standard library alone: nothing is installed when it begins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
BROWSERS = ROOT / "build" / "browsers"
UNPACKED = ROOT / "build"
_GO_MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
_NPM = ROOT / "tests" / "audit" / "npm"


def chromium() -> Path | None:
    """The Chromium that tests start: the one that was named, the system's, or the one that was downloaded."""
    if named := os.environ.get("ITM_TEST_CHROMIUM"):
        return Path(named) if _runs(Path(named)) else None
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [Path(path) for name in names if (path := shutil.which(name))]
    found += sorted(BROWSERS.glob("chromium-*/chrome-linux*/chrome"), reverse=True)
    return next((path for path in found if _runs(path)), None)


def openssl() -> Path | None:
    found = shutil.which("openssl")
    return Path(found) if found else None


def nginx() -> Path | None:
    """For `make wide` alone."""
    return _server("nginx", "-v")


def pgbouncer() -> Path | None:
    """For `make wide` alone."""
    return _server("pgbouncer", "--version")


def slapd() -> Path | None:
    """A directory of the tests."""
    return _server("slapd", "-VV")


def environment_of(program: Path) -> dict[str, str]:
    """The environment in which an unpacked program finds its libraries."""
    folder = next((each for each in program.parents if each.parent == UNPACKED), None)
    libraries = [] if folder is None else [*folder.glob("usr/lib/*-linux-gnu"), *folder.glob("lib/*-linux-gnu")]
    found = {"LD_LIBRARY_PATH": ":".join(map(str, libraries))} if libraries else {}
    return {**os.environ, **found}


def _server(name: str, *words: str) -> Path | None:
    """The one out of Debian's package that lies in `build/`, or the system's."""
    places = (UNPACKED / name / "usr/sbin" / name, shutil.which(name), f"/usr/sbin/{name}")
    return next((Path(path) for path in places if path and _runs(Path(path), *words)), None)


def _runs(program: Path, *words: str) -> bool:
    """A program can be there without its libraries."""
    try:
        return (
            subprocess.run(
                [program, *(words or ("--version",))],
                capture_output=True,
                timeout=60,
                check=False,
                env=environment_of(program),
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _install(*packages: str) -> bool:
    """As root, with Debian's package manager. False where that is not to be had, or fails."""
    if os.geteuid() or not shutil.which("apt-get"):
        return False
    print(f"Installing {' '.join(packages)} …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    steps = (["update"], ["install", "-y", "--no-install-recommends", *packages])
    return all(_quietly(["apt-get", "-qq", *step], environment) for step in steps)


def _download_chromium() -> bool:
    """Into the project's own folder, with the packages that the tests bring."""
    print(f"Downloading Chromium into {BROWSERS} …", flush=True)
    make = [os.environ.get("MAKE", "make"), "--no-print-directory", ".venv"]
    if subprocess.run(make, cwd=ROOT, check=False).returncode:
        return False
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(BROWSERS)}
    command = [str(ROOT / ".venv" / "bin" / "playwright"), "install", "--no-shell", "chromium"]
    return _quietly(command, environment)


def _unpack(package: str) -> bool:
    """Debian's package, with those that it needs and this machine lacks: installing it would start a server here."""
    folder = UNPACKED / package
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Unpacking {package} into {folder} …", flush=True)
    if not _fetch(package, folder) and not os.geteuid():
        _quietly(["apt-get", "-qq", "update"], dict(os.environ))
        _fetch(package, folder)
    done = [_quietly(["dpkg", "-x", str(each), str(folder)], dict(os.environ)) for each in folder.glob("*.deb")]
    return all(done)


def _fetch(package: str, folder: Path) -> bool:
    words = ["apt-get", "-s", "install", "--no-install-recommends", package]
    try:
        told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    wanted = [line.split()[1] for line in told.splitlines() if line.startswith("Inst ")]
    return _quietly(["apt-get", "-qq", "download", *(wanted or [package])], dict(os.environ), folder)


def _quietly(command: list[str], environment: dict[str, str], folder: Path = ROOT) -> bool:
    try:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _see_to(name: str, find: Callable[[], Path | None], install: Callable[[], bool], advice: str) -> bool:
    """True if the program is here, after an installation if needed; otherwise prints one line."""
    if find() is not None or (install() and find() is not None):
        return True
    print(f"make test: {name} is missing and could not be installed: {advice}", file=sys.stderr)
    return False


def _see_to_chromium() -> bool:
    if named := os.environ.get("ITM_TEST_CHROMIUM"):
        return _see_to(
            f"Chromium at {named}", chromium, lambda: False, "ITM_TEST_CHROMIUM names no Chromium that starts"
        )
    install = _download_chromium if os.geteuid() else lambda: _install("chromium")
    advice = "install it (Debian: apt-get install chromium), or name one in ITM_TEST_CHROMIUM"
    return _see_to("Chromium", chromium, install, advice)


def _ask_others_again() -> None:
    """Optional: Go and npm's package, whose answers are kept. With them the tests compare fresh answers too."""
    if not (shutil.which("go") and _GO_MODULES.is_dir()) and not _install("golang-go", "golang-golang-x-mod-dev"):
        print("Go or its x/mod is not here: its kept answers are compared, and it is not asked again")
    shutil.rmtree(_NPM / "node_modules", ignore_errors=True)
    words = "npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000 --loglevel=error"
    command = ["timeout", "180", *words.split(), "--prefix", str(_NPM)]
    if not shutil.which("npm") or not _quietly(command, dict(os.environ)):
        shutil.rmtree(_NPM / "node_modules", ignore_errors=True)
        print("npm or its package is not to be had: its kept answers are compared, and it is not asked again")


def main() -> int:
    advice = "install it (Debian: apt-get install openssl)"
    if not (_see_to("OpenSSL", openssl, lambda: _install("openssl"), advice) and _see_to_chromium()):
        return 1
    servers = [("slapd", slapd)]
    if sys.argv[1:] == ["wide"]:
        servers += [("nginx", nginx), ("pgbouncer", pgbouncer)]
    for name, find in servers:
        if not _see_to(name, find, partial(_unpack, name), f"install it (Debian: apt-get install {name})"):
            return 1
    if sys.argv[1:] == ["wide"]:
        _ask_others_again()
    return 0


if __name__ == "__main__":
    sys.exit(main())
