"""Plays the story on a running panel, or starts one for it: exit code 0 only if each step succeeded."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from itm_admin.demonstration import logins
from itm_admin.demonstration.clock import HERE
from itm_admin.demonstration.staff import StaffMember
from itm_admin.demonstration.story.altering import Altering
from itm_admin.demonstration.story.scenes import NotAsTold, Scenes
from itm_admin.demonstration.story.words import LANGUAGES, words
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.local import installation

ROOT = Path(__file__).parents[3]
FOLDER = "demo-story"
PATIENCE = 60


def language_of(environment: str | None) -> str:
    """The language of a LANG: Turkish unless it says English."""
    return LANGUAGES[1] if (environment or "").lower().startswith("en") else LANGUAGES[0]


class Narrator:
    """Tells each scene, and leaves time to look."""

    def __init__(self, address: str, language: str, pause: float, total: int) -> None:
        self._address, self._language, self._pause, self._total = address, language, pause, total
        self._told = 0

    def line(self, key: str, **filled: object) -> None:
        click.echo(words(key, self._language, **filled))

    def scene(self, key: str, page: str, person: StaffMember, **filled: object) -> None:
        self._told += 1
        click.echo("")
        click.secho(f"[{self._told}/{self._total}] {words(key, self._language)}", bold=True)
        click.echo(f"      {words(f'{key}.say', self._language, **filled)}")
        click.echo(f"      {words('look', self._language, url=self._address + page, user=person.username)}")
        if self._told < self._total:
            time.sleep(self._pause)


def play(settings: Settings, language: str, pause: float) -> None:
    """Raises Refusal if there is no demonstration, or a step failed."""
    if not settings.embedded:
        raise Refusal("ITM_DATABASE_URL: the story alters a row as the superuser, whom only an embedded server has")
    with _panel(settings, language) as address, installation.running(settings) as running:
        told = logins.kept(running)
        if told is None:
            raise Refusal(f"ITM_HOME: there is no demonstration in {running.home}: `itm run --demo` makes it")
        folder = running.home / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        altering = Altering(installation.of(settings).url("superuser"), running.home)
        passwords = {login["username"]: login["password"] for login in told}
        _play(Scenes(address, passwords, altering, Judging(settings), folder, lambda *_, **__: None), language, pause)


def _play(scenes: Scenes, language: str, pause: float) -> None:
    steps = scenes.all()
    narrator = Narrator(scenes.address, language, pause, len(steps))
    scenes.say = narrator.scene
    narrator.line("title")
    narrator.line("clock", now=f"{datetime.now(HERE):%d.%m.%Y %H.%M}")
    narrator.line("logins")
    if scenes.altering.undo():
        narrator.line("undone")
    try:
        for step in steps:
            try:
                step()
            except (NotAsTold, LookupError, OSError) as fault:
                raise Refusal(f"demo story: {step.__name__}: {fault}") from None
    finally:
        ended = scenes.altering.undo()  # a story that ends before its last scene
        if ended:
            narrator.line("taken_back")
    click.echo("")
    narrator.line("end")


class Judging:
    """The offline verifier in a process of its own, with the keys that `itm ledger key` prints."""

    def __init__(self, settings: Settings) -> None:
        self._environment = {**os.environ, "ITM_HOME": str(settings.home)}

    def __call__(self, file: Path) -> int:
        keys = self._run("itm_admin.commands.main", "ledger", "key").stdout.splitlines()
        named = [word for line in keys for word in ("--key", line.split()[0])]
        return self._run("audit.verify", str(file), *named).returncode

    def _run(self, module: str, *told: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *told],
            cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip


@contextmanager
def _panel(settings: Settings, language: str) -> Iterator[str]:
    """The address of the panel that runs, or of one that runs until the story ends."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 (compared)
    address = f"http://{host}:{settings.port}"
    if _answers(host, settings.port):
        yield address
        return
    click.echo(words("starting", language))
    running = subprocess.Popen(
        [sys.executable, "-m", "itm_admin.commands.main", "run", "--demo"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert running.stdout is not None  # noqa: S101 (asked for)
        if not any(line.startswith("Ready:") for line in running.stdout):
            raise Refusal("demo story: the panel could not be started: its reason is above")
        yield address
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate()


def _answers(host: str, port: int) -> bool:
    asking = http.client.HTTPConnection(host, port, timeout=PATIENCE)  # a busy machine is slow, and not down
    try:
        asking.request("GET", "/healthz")
        return asking.getresponse().status in (200, 503)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()
