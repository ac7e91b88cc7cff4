"""Compares accounts with the directories that vouch for them: who is closed there is suspended here, within the hour.

The scheduler calls for it; it is done beside the web server, which has the directories' settings and the key of claims.
Promise: a directory that does not answer, or that suddenly knows many people no more, suspends nobody: the job fails,
with its alert.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from itm_admin.accounts.directory import DirectoryPerson, Unreachable, look_up
from itm_admin.accounts.directory_calls import Places
from itm_admin.foundation import claims, identity_providers
from itm_admin.foundation.config import Settings
from itm_admin.foundation.directories import Directory
from itm_admin.ledger import called_work
from itm_admin.ledger.called_work import CalledWork
from itm_admin.ledger.job_runs import Halt, Scalar

log = logging.getLogger("itm.directories")
BATCH = 25
FEW = 3
"""So many people may be gone at once, or a quarter of all: more is a changed base, or less that is shown."""
_SECONDS = 60
_PROVIDER = text("select itm.provider_of('ldap', :issuer)")
_PEOPLE = text("select itm.directory_people(:provider, :at, :mac)")
_CLOSE = text("select itm.directory_closes(:provider, :subject, :reason, :at, :mac)")
_ANY = text("select itm.has_directories()")
GONE = "directory_gone"


@dataclass
class DirectoryCheck:
    """Counts of one run. `kept`: the last of a kind, whose sessions ended. `doubtful`: gone at once, left alone."""

    people: int = 0
    suspended: int = 0
    kept: int = 0
    doubtful: int = 0
    silent: int = 0
    """Directories that gave no answer."""


def run(settings: Settings, halt: Halt = lambda: False) -> DirectoryCheck:
    """Goes through every directory of the settings' file."""
    checked, places = DirectoryCheck(), Places(1)
    if settings.database_url is None or settings.secret_key is None:
        return checked
    key = claims.key_from(settings.secret_key)
    engine = create_engine(settings.database_url, poolclass=NullPool, hide_parameters=True)
    try:
        for provider in identity_providers.read(settings.identity_providers_file):
            if provider.kind == "ldap" and not halt():
                _Comparison(engine, key, provider.own, places, checked).run(halt)
    finally:
        engine.dispose()
    return checked


class _Comparison:
    """Of one directory."""

    def __init__(
        self, engine: Engine, key: bytes, directory: Directory, places: Places, checked: DirectoryCheck
    ) -> None:
        self.engine, self.key, self.places, self.checked = engine, key, places, checked
        self.directory = replace(directory, seconds=_SECONDS)

    def run(self, halt: Halt) -> None:
        provider, known = self._known()
        gone: list[str] = []
        try:
            for batch in _batches(known):
                if halt():
                    return
                found = self._asked(batch)
                gone += [subject for subject, person in found.items() if person is None]
                for subject, person in found.items():
                    if person is not None and person.closed is not None:
                        self._close(provider, subject, person.closed)
        except Unreachable as fault:
            log.warning("the directory %s did not answer: %s", self.directory.issuer, fault)
            self.checked.silent += 1
            return
        self.checked.people += len(known)
        if len(gone) > max(FEW, len(known) // 4):
            log.error("the directory %s knows %d of %d people no more", self.directory.issuer, len(gone), len(known))
            self.checked.doubtful += len(gone)
            return
        for subject in gone:
            self._close(provider, subject, GONE)

    def _known(self) -> tuple[uuid.UUID | None, Sequence[str]]:
        with self.engine.begin() as connection:
            provider = connection.scalar(_PROVIDER, {"issuer": self.directory.issuer})
            if provider is None:
                return None, ()
            claim = claims.made(connection, "directory_people", provider, key=self.key)
            return provider, list(connection.scalars(_PEOPLE, {"provider": provider, **claim}))

    def _asked(self, subjects: Sequence[str]) -> Mapping[str, DirectoryPerson | None]:
        return self.places.ask(self.directory, lambda wire: look_up(self.directory, subjects, wire))

    def _close(self, provider: uuid.UUID | None, subject: str, reason: str) -> None:
        with self.engine.begin() as connection:
            words = ("directory_closes", provider, claims.hex_of(subject), reason)
            claim = claims.made(connection, *words, key=self.key)
            values = {"provider": provider, "subject": subject, "reason": reason, **claim}
            outcome = connection.scalar(_CLOSE, values)
        if outcome == "suspended":
            self.checked.suspended += 1
        elif outcome == "kept":
            self.checked.kept += 1


def _batches(subjects: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(subjects), BATCH):
        yield subjects[start : start + BATCH]


def _do(settings: Settings, halt: Halt) -> Mapping[str, int] | None:
    try:
        checked = run(settings, halt)
    except ValueError as fault:  # the settings' file is another one than at the start
        log.error("%s", fault)
        return None
    return None if checked.silent or checked.doubtful else vars(checked)


DIRECTORIES = CalledWork("itm_directories", 0x49544D06, _do, patience=60.0)


def work(engine: Engine, halt: Halt, patience: float | None = None) -> Mapping[str, Scalar]:
    """As a scheduled job; nothing to do where no directory is declared."""
    with engine.connect() as connection:
        if not connection.scalar(_ANY):
            return {}
    return called_work.call(DIRECTORIES, engine, halt, patience)
