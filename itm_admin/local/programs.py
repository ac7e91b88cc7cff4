"""The system's processes: the user of each, and the settings and files that it gets.

An ordinary user runs them all. If this runs as root, each drops to its own system user before its program begins, for
good, and gets only the settings it needs. Root reaches folders that such a user may not, such as a clone below /root:
the process gets a descriptor of the folder and enters through it, so that nothing is copied and late imports work. No
other user gets in that way, and no folder above can be read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from itm_admin.foundation.config import Refusal, SettingError, Settings
from itm_admin.foundation.settings_table import SETTINGS
from itm_admin.local import processes
from itm_admin.local.binaries import SYSTEM_USER
from itm_admin.local.processes import SystemAccount
from itm_admin.local.system_users import system_group, system_user

ROOT = Path(__file__).parents[2]
ERASERS = "itm-erasures"
"""The group of the processes that write the list of erasures."""


@dataclass(frozen=True)
class ProcessKind:
    """One kind of process: its user, its settings, and its additional groups."""

    user: str
    variables: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


WEB = ProcessKind(
    "itm-web",
    (
        *("ITM_HOME", "ITM_DATABASE_URL", "ITM_DATABASE_DIRECT_URL", "ITM_SECRET_KEY", "ITM_ERASURES"),
        *("ITM_MASTER_KEY_FILE", "ITM_MASTER_KEY_SHARE_FILE", "ITM_MASTER_KEY_COMMAND"),
        *("ITM_HOST", "ITM_PORT", "ITM_WEB_WORKERS", "ITM_WEB_THREADS"),
        *("ITM_WEB_CONNECTIONS", "ITM_WEB_CONNECTIONS_PER_ADDRESS", "ITM_WEB_REQUEST_SECONDS"),
        *("ITM_TRUSTED_HOSTS", "ITM_TRUSTED_PROXIES", "ITM_HTTPS"),
        "ITM_IDENTITY_PROVIDERS_FILE",
        *("ITM_SMTP_URL", "ITM_SMTP_FROM"),  # the pages say if links go by e-mail
        *("ITM_WITNESSES", "ITM_WITNESS_QUORUM"),  # their places: the pages say what *witnessed* means
    ),
    (SYSTEM_USER, ERASERS),  # SYSTEM_USER's group: the folder of the database's socket
)
SCHEDULER = ProcessKind(  # neither the application's role nor a key of the data or of sessions
    "itm-scheduler",
    (
        *("ITM_HOME", "ITM_ERASURES", "ITM_DATABASE_SIGNER_URL", "ITM_SIGNING_KEY_FILE", "ITM_CHECKPOINTS"),
        *("ITM_SINKS", "ITM_SINK_SECRET_FILE"),  # the scheduler measures the sinks' backlog and sends nothing
        *("ITM_WITNESSES", "ITM_WITNESS_QUORUM", "ITM_TIMESTAMP_URL", "ITM_TIMESTAMP_CERTIFICATES"),
        "ITM_FULL_SECONDS",
        *("ITM_SMTP_URL", "ITM_SMTP_FROM"),  # waiting mails are a fault only if mail is configured
    ),
    (SYSTEM_USER, ERASERS),
)
SINKS = ProcessKind(
    "itm-sinks",
    ("ITM_HOME", "ITM_DATABASE_SIGNER_URL", "ITM_SINKS", "ITM_SINK_SECRET_FILE", "ITM_SINK_AUTHORITIES"),
    (SYSTEM_USER,),
)
MAIL = ProcessKind(  # talks to another machine, so it holds no key
    "itm-mail",
    (
        *("ITM_HOME", "ITM_DATABASE_SIGNER_URL", "ITM_SMTP_URL", "ITM_SMTP_FROM", "ITM_SMTP_PASSWORD_FILE"),
        *("ITM_SMTP_AUTHORITIES", "ITM_TRUSTED_HOSTS", "ITM_TRUSTED_PROXIES", "ITM_PORT", "ITM_HTTPS"),
    ),
    (SYSTEM_USER,),
)
WITNESS = ProcessKind("itm-witness")

_FOLDERS = ("ITM_HOME", "ITM_CHECKPOINTS", "ITM_ERASURES")
_FILES = (
    *(
        "ITM_MASTER_KEY_FILE",
        "ITM_MASTER_KEY_SHARE_FILE",
        "ITM_SINK_SECRET_FILE",
        "ITM_SINK_AUTHORITIES",
        "ITM_TIMESTAMP_CERTIFICATES",
        "ITM_IDENTITY_PROVIDERS_FILE",
    ),
    *("ITM_SMTP_PASSWORD_FILE", "ITM_SMTP_AUTHORITIES"),
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def account(kind: ProcessKind) -> SystemAccount | None:
    """The kind's system user, made if needed; None if this is not root."""
    if os.geteuid():
        return None
    user = system_user(kind.user)
    groups = [system_user(name).pw_gid if name == SYSTEM_USER else system_group(name) for name in kind.groups]
    return SystemAccount(user.pw_name, user.pw_uid, user.pw_gid, tuple(groups))


@dataclass(frozen=True)
class Call:
    """A process's start: the interpreter's arguments, environment, user, and descriptors."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    user: SystemAccount | None = None
    descriptors: tuple[int, ...] = ()
    folder: Path = ROOT


def call(kind: ProcessKind, settings: Settings) -> Call:
    """Prepares a start. Raises SettingError or Refusal, with the remedy, if the user cannot reach a file."""
    user = account(kind)
    if user is None:
        return Call((sys.executable,), settings.environment(*kind.variables))
    way = _Way(user)
    told = way.settings(settings, kind.variables).environment(*kind.variables)
    words, program = _program(way)
    kept = {name: value for name, value in told.items() if name != "HOME"}
    return Call(words, {**kept, "PATH": _PATH, **program}, user, tuple(sorted(way.descriptors)), Path("/"))


def start(
    kind: ProcessKind,
    words: Sequence[str],
    settings: Settings,
    *,
    on_parents_death: signal.Signals = signal.SIGKILL,
    pass_fds: Sequence[int] = (),
    output: int | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `python WORDS…` as a process of this kind."""
    how = call(kind, settings)
    return processes.start(
        [*how.words, *words],
        environment=how.environment,
        folder=how.folder,
        on_parents_death=on_parents_death,
        user=how.user,
        output=output,
        pass_fds=[*pass_fds, *how.descriptors],
    )


def attend(kind: ProcessKind, words: Sequence[str], settings: Settings) -> int:
    """Runs it to its end, passes signals on to it, and gives its exit code."""
    child = start(kind, words, settings, on_parents_death=signal.SIGTERM)

    def hand_on(number: int, _frame: object) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def become(kind: ProcessKind, words: Sequence[str], settings: Settings, pass_fds: Sequence[int] = ()) -> NoReturn:
    """Replaces this process by `python WORDS…`."""
    how = call(kind, settings)
    kept = {0, 1, 2, *pass_fds, *how.descriptors}
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208 (numbers)
        with contextlib.suppress(OSError):  # the listing's own descriptor is closed already
            os.set_inheritable(descriptor, descriptor in kept)
    os.chdir(how.folder)
    os.umask(0o077)
    if how.user is not None:
        processes.drop(how.user)
    os.execve(how.words[0], [*how.words, *words], dict(how.environment))  # noqa: S606 (our own words)


def can(user: SystemAccount, how: str, path: Path, descriptor: int | None = None) -> bool:
    """Runs test(1) with these words as the user itself."""
    passed = [] if descriptor is None else [descriptor]
    return processes.run(["test", how, path], folder=Path("/"), user=user, pass_fds=passed).returncode == 0


@dataclass
class _Way:
    """A user's access to files that root can reach."""

    user: SystemAccount
    descriptors: set[int] = field(default_factory=set)

    def settings(self, settings: Settings, variables: Sequence[str]) -> Settings:
        """The settings with paths that the user can use."""
        changed: dict[str, object] = {}
        for setting in SETTINGS:
            path = getattr(settings, setting.attribute)
            if setting.name not in variables or not isinstance(path, Path):
                continue
            if setting.name in _FOLDERS:
                changed[setting.attribute] = self.folder(setting.name, path)
            elif setting.name in _FILES:
                changed[setting.attribute] = self.file(setting.name, path)
            else:
                changed[setting.attribute] = self.folder(setting.name, path.parent) / path.name
        return replace(settings, **changed)  # type: ignore[arg-type]

    def folder(self, name: str, path: Path) -> Path:
        if can(self.user, "-x", path):
            return path
        descriptor = _opened(path)
        way = Path(f"/proc/self/fd/{descriptor}")
        if descriptor is None or not can(self.user, "-x", way, descriptor):
            raise SettingError(name, f"{path}: the system user {self.user.name} cannot enter it: chmod a+x {path}")
        self.descriptors.add(descriptor)
        return way

    def file(self, name: str, path: Path) -> Path:
        """The file itself, or a copy in memory for the user alone."""
        if can(self.user, "-r", path):
            return path
        try:
            descriptor = _copied(path, self.user)
        except OSError as error:
            raise SettingError(name, f"{path}: {error.strerror}") from None
        self.descriptors.add(descriptor)
        return Path(f"/proc/self/fd/{descriptor}")


_folders: dict[tuple[int, int], int] = {}
_files: dict[tuple[Path, int, bytes], int] = {}


def _opened(path: Path) -> int | None:
    """A descriptor to start a path from; nothing can be read through it. One for each folder, kept open."""
    try:
        found = path.stat()
        key = (found.st_dev, found.st_ino)
        if key not in _folders:
            _folders[key] = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    return _folders[key]


def _copied(path: Path, user: SystemAccount) -> int:
    content = path.read_bytes()
    key = (path, user.uid, content)
    if key not in _files:
        descriptor = os.memfd_create(path.name, os.MFD_CLOEXEC)
        os.write(descriptor, content)
        os.fchmod(descriptor, 0o400)
        os.fchown(descriptor, user.uid, user.gid)
        _files[key] = descriptor
    return _files[key]


def _program(way: _Way) -> tuple[tuple[str, ...], dict[str, str]]:
    """The interpreter and its module folders: without the user's own packages and the present folder."""
    libraries = dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    _refuse_unreadable(list(libraries))
    places = [way.folder("ITM_HOME", path) for path in (ROOT, *libraries)]
    environment = {"PYTHONPATH": ":".join(map(str, places)), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    begin: list[str | Path] = [interpreter, "-I", "-S", "-c", "import ssl"]
    with contextlib.suppress(PermissionError):
        if processes.run(begin, folder=Path("/"), user=way.user).returncode == 0:
            return (str(interpreter), "-P", "-S"), environment
    base = Path(sys.base_prefix).resolve()
    if not interpreter.is_relative_to(base):
        raise Refusal(f"{interpreter}: the system user {way.user.name} cannot run it: use a Python that all may run")
    python = way.folder("ITM_HOME", base)
    environment |= {"PYTHONHOME": str(python), "LD_LIBRARY_PATH": f"{python}/lib"}
    return (str(python / interpreter.relative_to(base)), "-P", "-S"), environment


def _refuse_unreadable(libraries: Sequence[Path]) -> None:
    """Raises Refusal if only root may read the program, as after a clone with umask 077."""
    ours = [ROOT, ROOT / "app.py", *libraries]
    for folder in ("itm_admin", "audit", "migrations"):
        for place, folders, names in os.walk(ROOT / folder):
            folders[:] = [each for each in folders if each != "__pycache__"]
            ours += [Path(place), *(Path(place) / name for name in names)]
    for library in libraries:
        ours += [Path(entry.path) for entry in os.scandir(library) if entry.name != "__pycache__"]
    for path in ours:
        needed = 0o005 if path.is_dir() else 0o004
        if path.stat().st_mode & needed != needed:
            whole = next((library for library in libraries if path.is_relative_to(library)), ROOT)
            raise Refusal(f"{path}: the system users that the processes run as may not read it: chmod -R a+rX {whole}")
