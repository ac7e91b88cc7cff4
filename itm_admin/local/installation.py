"""One installation's data folder: its secrets, its lock and its database.

Secrets are made once, for a new installation, and never again: a database whose keys are missing is left alone, since
new keys could not read the stored data. With an external server nothing is made.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL

from itm_admin.foundation import secret_files
from itm_admin.foundation.config import Refusal, SettingError, Settings, private
from itm_admin.foundation.database import roles
from itm_admin.local import embedded, ownership

NEEDED_EXTERNALLY = (
    "ITM_DATABASE_URL",
    "ITM_DATABASE_OWNER_URL",
    "ITM_DATABASE_SIGNER_URL",
    "ITM_SECRET_KEY",
    "ITM_MASTER_KEY_FILE",
)

_MADE_ONCE = {  # secret's file: the setting that the refusal names if it is missing
    "session_key": "ITM_SECRET_KEY",
    "master_key": "ITM_MASTER_KEY_FILE",
    "database_superuser": "ITM_HOME",
    "database_owner": "ITM_HOME",
    "database_app": "ITM_HOME",
    "database_signer": "ITM_HOME",
    "database_purger": "ITM_HOME",
}


@dataclass
class Installation:
    """The settings with every address and secret filled in, and the server if it is the embedded one."""

    settings: Settings
    server: embedded.EmbeddedServer | None = field(default=None)

    def start(self) -> None:
        """Starts the embedded server and prepares its roles and its database. Does nothing for an external one."""
        if self.server is None:
            return
        self.server.start()
        passwords = {short: _read(self.settings.home, f"database_{short}") for short in roles.ROLES}
        with psycopg.connect(_plain(self.server.url()), autocommit=True) as connection:
            roles.ensure(connection, passwords)
            roles.make_database(connection)
        with psycopg.connect(_plain(self.server.url(database=roles.DATABASE)), autocommit=True) as connection:
            roles.prepare_database(connection)

    def with_addresses(self) -> Settings:
        """The settings with the present addresses: the socket's folder can change at its first start."""
        return self.settings if self.server is None else with_addresses(self.settings, self.server)

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def url(self, role: str) -> str:
        """For other programs: the postgresql:// URL of app, owner, signer, purger or (embedded only) superuser."""
        if role == "superuser":
            if self.server is None:
                raise SettingError(
                    "ITM_DATABASE_URL", "is set, and the superuser is known for the embedded server only"
                )
            return _plain(self.server.url(database=roles.DATABASE))
        address = {"app": "database_url", "owner": "owner_url", "signer": "signer_url", "purger": "purger_url"}[role]
        names = {
            "database_url": "ITM_DATABASE_URL",
            "owner_url": "ITM_DATABASE_OWNER_URL",
            "purger_url": "ITM_DATABASE_PURGER_URL",
        }
        self.settings.require(names.get(address, "ITM_DATABASE_SIGNER_URL"))
        return str(getattr(self.settings, address)).replace("postgresql+psycopg://", "postgresql://", 1)


def of(settings: Settings) -> Installation:
    """The installation of these settings; makes the secrets of a new one. Starts nothing."""
    if not settings.embedded:
        return Installation(settings)
    embedded.prepare_home(settings.home)
    embedded.refuse_other_major(settings.home)
    _make_secrets(settings)
    filled = replace(
        settings,
        secret_key=settings.secret_key or _read(settings.home, "session_key"),
        master_key_file=settings.master_key_file
        or (None if settings.master_key_command else secret_files.path(settings.home, "master_key")),
        signing_key_file=settings.signing_key_file or secret_files.path(settings.home, secret_files.SIGNING_KEY),
        witnesses=settings.witnesses or _witness_here(settings.home),
    )
    server = embedded.EmbeddedServer(settings.home, _read(settings.home, "database_superuser"))
    return Installation(with_addresses(filled, server), server)


def arranged(settings: Settings) -> Installation:
    """The same for the process that holds the data folder: places the secrets and sets the files' owners."""
    if settings.embedded:
        embedded.prepare_home(settings.home)
        secret_files.arrange(settings.home)
    found = of(settings)
    ownership.arrange(found.settings)
    return found


def _witness_here(home: Path) -> tuple[str, ...]:
    """The demonstration's witness: `itm ledger` must use the same one as the scheduler."""
    file = home / "witness" / "address"
    return (file.read_text("ascii").strip(),) if file.exists() else ()


def with_addresses(settings: Settings, server: embedded.EmbeddedServer) -> Settings:
    """The roles' URLs on the embedded server. The socket's folder can change at its first start."""
    urls = {
        short: server.url(role, _read(settings.home, f"database_{short}"), roles.DATABASE)
        for short, role in roles.ROLES.items()
    }
    return replace(
        settings,
        database_url=_full(urls["app"]),
        owner_url=_full(urls["owner"]),
        signer_url=_full(urls["signer"]),
        purger_url=_full(urls["purger"]),
    )


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Holds the data folder. Raises SettingError if it is held: two servers on one folder would destroy it."""
    with _lock(settings.home) as holder:
        if holder is not None:
            raise SettingError("ITM_HOME", f"{settings.home} is in use by another itm (process {holder})")
        yield


@contextmanager
def running(settings: Settings, *needed: str) -> Iterator[Settings]:
    """The settings of an installation with a running database; starts the embedded server if it does not run.

    `needed`: the variables without which the command cannot work on an external server.
    """
    if not settings.embedded:
        yield settings.require(*needed)
        return
    embedded.prepare_home(settings.home)
    with _lock(settings.home) as holder:
        installation = of(settings)
        if installation.server is None or holder is not None:
            _wait_for(installation)
            yield installation.settings
            return
        installation = arranged(settings)
        try:
            installation.start()
            yield installation.with_addresses()
        finally:
            installation.stop()


@contextmanager
def _lock(home: Path) -> Iterator[str | None]:
    """Yields None while this process holds the folder, else the holder's process id."""
    descriptor = os.open(home / "itm.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield os.pread(descriptor, 20, 0).decode("ascii").strip() or "unknown"
            return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield None
    finally:
        os.close(descriptor)


def _wait_for(installation: Installation, seconds: float = 60) -> None:
    """Waits until the server that another process is starting answers to the application's role."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while True:
        try:
            psycopg.connect(installation.url("app"), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise Refusal("ITM_HOME: the embedded database does not answer") from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)


def _make_secrets(settings: Settings) -> None:
    exists = (settings.home / "postgres").exists()
    told = {"session_key": settings.secret_key, "master_key": settings.master_key_file or settings.master_key_command}
    secret_files.make_folders(settings.home)
    for name, setting in _MADE_ONCE.items():
        path = secret_files.path(settings.home, name)
        if told.get(name) or path.exists():
            continue
        if exists:
            raise SettingError(setting, f"{path} is missing, and the database needs it: put it back")
        value = secrets.token_bytes(32)
        text = base64.b64encode(value).decode() if name == "master_key" else value.hex()
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, f"{text}\n".encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.rename(path)


def _read(home: Path, name: str) -> str:
    path = secret_files.path(home, name)
    private(_MADE_ONCE[name], path)
    return path.read_text("ascii").strip()


def _full(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _plain(url: URL) -> str:
    return _full(url.set(drivername="postgresql"))
