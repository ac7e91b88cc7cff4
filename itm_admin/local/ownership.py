"""Owners of the data folder's files if this runs as root. An ordinary user owns them all.

Promise: repeating it changes nothing, and the next run completes a stopped one. Root follows no link that a process
could have made: it gives away only files that are still root's, and only within the process's own folders.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from audit import durable
from itm_admin.foundation import secret_files
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.foundation.sink_address import SinkAddress
from itm_admin.local import embedded, programs
from itm_admin.local.processes import SystemAccount
from itm_admin.local.system_users import system_group

LOGS = "log"
_SHARED = 0o2770


def arrange(settings: Settings) -> None:
    """Gives each process its files. Raises SettingError if one cannot be given."""
    home = settings.home
    embedded.prepare_home(home)
    _move_old_log(home)
    durable.make_folder(home / LOGS)
    web, scheduler = programs.account(programs.WEB), programs.account(programs.SCHEDULER)
    if web is None or scheduler is None:
        return
    if settings.embedded:
        _arrange_secrets(home, web, scheduler)
    _give("ITM_HOME", home / LOGS, web)
    _give("ITM_CHECKPOINTS", settings.checkpoints or home / "checkpoints", scheduler)
    _share("ITM_ERASURES", settings.erasures or home / "erasures", system_group(programs.ERASERS))
    if settings.signing_key_file is not None:
        give_key(settings.signing_key_file)
    for sink in map(SinkAddress.parse, settings.sinks):
        receiver = programs.account(programs.SINKS)
        if sink.scheme == "file" and receiver:
            _give("ITM_SINKS", Path(sink.path), receiver, 0o750)
            if not programs.can(receiver, "-x", Path(sink.path)):
                raise SettingError(
                    "ITM_SINKS", f"{sink.path}: the system user {receiver.name} cannot enter it: choose another folder"
                )


def give_witness(folder: Path) -> None:
    """Gives away the witness's key and memory, which are made before it runs."""
    witness = programs.account(programs.WITNESS)
    if witness is not None:
        _give("ITM_HOME", folder, witness)


def give_key(file: Path) -> None:
    """Gives a signing key and its successor to the scheduler, whose folder can be entered."""
    scheduler = programs.account(programs.SCHEDULER)
    if scheduler is None:
        return
    for path in (file, file.with_name(f"{file.name}.next")):
        try:
            _take(path, scheduler)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SettingError("ITM_SIGNING_KEY_FILE", f"{path}: {error.strerror}") from None
    folder = file.parent
    if folder.is_dir() and folder.stat().st_uid == 0:
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)


def _arrange_secrets(home: Path, web: SystemAccount, scheduler: SystemAccount) -> None:
    """The web server may read in its folder, not write; the scheduler makes keys in its own."""
    (home / "secrets").chmod(0o711)
    folders = secret_files.folders(home)
    os.chown(folders[secret_files.WEB], 0, web.gid, follow_symlinks=False)
    folders[secret_files.WEB].chmod(0o710)
    for file in folders[secret_files.WEB].iterdir():
        _take(file, web)
    _give("ITM_HOME", folders[secret_files.SCHEDULER], scheduler)


def _give(name: str, folder: Path, to: SystemAccount, mode: int = 0o700) -> None:
    """Gives away a folder and the files in it that are still root's."""
    try:
        durable.make_folder(folder, mode)
        for _place, folders, files, descriptor in os.fwalk(folder):
            if os.fstat(descriptor).st_uid == 0:
                os.fchown(descriptor, to.uid, to.gid)
            for each in (*folders, *files):
                found = os.stat(each, dir_fd=descriptor, follow_symlinks=False)
                if found.st_uid == 0 and (stat.S_ISDIR(found.st_mode) or _is_plain(found)):
                    os.chown(each, to.uid, to.gid, dir_fd=descriptor, follow_symlinks=False)
    except OSError as error:
        raise SettingError(name, f"{folder} cannot be given to the system user {to.name}: {error.strerror}") from None


def _share(name: str, folder: Path, group: int) -> None:
    """A folder that several processes write to; each reads the others' files."""
    try:
        durable.make_folder(folder)
        os.chown(folder, 0, group, follow_symlinks=False)
        folder.chmod(_SHARED)
        for path in folder.iterdir():
            found = path.lstat()
            if _is_plain(found) and (found.st_gid, stat.S_IMODE(found.st_mode)) != (group, 0o640):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    os.fchown(descriptor, -1, group)
                    os.fchmod(descriptor, 0o640)
                finally:
                    os.close(descriptor)
    except OSError as error:
        raise SettingError(
            name, f"{folder} cannot be shared by the group {programs.ERASERS}: {error.strerror}"
        ) from None


def _take(path: Path, to: SystemAccount) -> None:
    found = path.lstat()
    if _is_plain(found) and found.st_uid == 0:
        os.chown(path, to.uid, to.gid, follow_symlinks=False)


def _is_plain(found: os.stat_result) -> bool:
    """True for a file with one name: a process could have made another name for a file of somebody else."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _move_old_log(home: Path) -> None:
    """An earlier version had the log beside the folders."""
    old, new = home / "access.log", home / LOGS / "access.log"
    if old.is_file() and not new.exists():
        durable.make_folder(new.parent)
        old.rename(new)
