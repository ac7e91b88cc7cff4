"""`itm demo story`, played whole on an installation of its own: by what it claims, its exit code and what it leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from itm_admin.demonstration import logins, seeding
from itm_admin.demonstration.story.altering import FILE, Altering
from itm_admin.demonstration.story.browser import PageAnswer
from itm_admin.demonstration.story.play import _play, language_of
from itm_admin.demonstration.story.scenes import NOSY, NotAsTold, Scenes
from itm_admin.demonstration.story.words import WORDS, words
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.database import migration
from itm_admin.local import installation
from tests.runtime.running import ROOT, environment, free_port, itm, system

VOLUME = 12
_TRIGGERS = (
    "select tgrelid::regclass::text, tgname, tgenabled::text from pg_trigger where not tgisinternal order by 1, 2"
)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A small demonstration on an embedded server, whose mark says that it is whole."""
    folder = Path(tempfile.mkdtemp(prefix="itm-story-"))
    folder.chmod(0o711)
    settings = Settings.from_environment({"ITM_HOME": str(folder / "home")})
    with installation.running(settings) as running:
        migration.upgrade(str(running.owner_url))
        seeding.seed(running, lambda _done, _total: None, volume=VOLUME)
    (folder / "home" / "demonstration-made").touch()
    yield folder / "home"
    shutil.rmtree(folder)


def played(home: Path, port: int, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "itm_admin.commands.main", "demo", "story", "--pause", "0", *options],
        cwd=ROOT, env=environment(home, ITM_PORT=str(port)), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@contextmanager
def asking(home: Path) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """As the superuser, while nothing else runs on this data folder."""
    settings = Settings.from_environment({"ITM_HOME": str(home)})
    with installation.running(settings), psycopg.connect(installation.of(settings).url("superuser")) as connection:
        connection.autocommit = True
        yield lambda statement: connection.execute(statement.encode()).fetchall()


@pytest.mark.wide  # two minutes; tests/journeys/test_story.py and test_tampering.py do the same on the panel
def test_the_story_is_played_whole_after_one_that_was_interrupted_and_leaves_nothing_altered(home: Path) -> None:
    settings = Settings.from_environment({"ITM_HOME": str(home)})
    with asking(home) as asked:
        triggers = asked(_TRIGGERS)
        [(case, province)] = asked(
            "select c.id::text, c.province from case_file c join institution i on i.id = c.institution_id"
            " where i.code = 'EGM' and c.province <> 'TR-55' limit 1"
        )
        Altering(installation.of(settings).url("superuser"), home).alter(str(case), "TR-55")

    story = played(home, free_port(), "--language", "en")

    assert story.returncode == 0, story.stdout + story.stderr
    scenes = [name for name in WORDS if f"{name}.say" in WORDS]
    told = [story.stdout.index(words(name, "en")) for name in scenes]
    assert told == sorted(told)
    assert words("undone", "en") in story.stdout
    assert story.stdout.count("http://127.0.0.1:") == len(scenes)
    assert not (home / FILE).exists()
    assert itm(home, "ledger", "verify").returncode == 0
    raised = "select acknowledged_at is not null from alert where kind = 'ledger.tampered' and subject = 'JGK'"
    with asking(home) as asked:
        assert asked(f"select province from case_file where id = '{case}'") == [(province,)]
        assert asked(_TRIGGERS) == triggers
        assert asked(raised) == [(True,)]


def test_a_step_that_does_not_do_what_it_claims_ends_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(Scenes):
        def nosy(self) -> None:
            raise NotAsTold(NOSY.username)

        def all(self) -> tuple[Callable[[], None], ...]:
            return self.nosy, self.hotline

    class Nothing:
        def undo(self) -> bool:
            return False

    with pytest.raises(Refusal, match=f"nosy: {NOSY.username}"):
        _play(Failing("", {}, Nothing(), lambda _file: 0, Path(), print), "tr", 0)  # type: ignore[arg-type]
    assert words("end", "tr") not in capsys.readouterr().out


@pytest.mark.wide  # as above, with a panel that runs
def test_a_step_that_does_not_do_what_it_claims_ends_the_story_with_another_exit_code(home: Path) -> None:
    file = home / logins.FILE
    kept = file.read_text("utf-8")
    changed = json.loads(kept)
    for login in changed:
        if login["username"] == NOSY.username:
            login["password"] = "sentetik-yanlis"
    with system(home, demo=True) as running:
        file.write_text(json.dumps(changed), "utf-8")
        story = played(home, running.port, "--language", "tr")
        file.write_text(kept, "utf-8")
    assert story.returncode == 2
    assert f"nosy: {NOSY.username}" in story.stderr
    assert words("nosy", "tr") not in story.stdout


def test_a_refused_form_is_told_with_what_its_page_says() -> None:
    page = '<p class="error-summary"></p><ul><li><a href="#x">Birim: Se&ccedil;in.</a></li></ul><ul><li>no</li></ul>'
    assert PageAnswer(422, page.encode(), "").reasons == ": Birim: Seçin."
    assert PageAnswer(404, b"<p>Not found</p>", "").reasons == ""


@pytest.mark.parametrize("altered", [True, False])
def test_a_story_that_is_stopped_takes_its_alteration_back_and_says_so(
    altered: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    class Kept:
        taken = 0

        def undo(self) -> bool:
            self.taken += 1
            return altered and self.taken == 2

    class Stopped(Scenes):
        def hotline(self) -> None:
            raise KeyboardInterrupt

    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        _play(Stopped("", {}, kept, lambda _file: 0, Path(), print), "en", 0)  # type: ignore[arg-type]
    assert kept.taken == 2, "before the first scene, and at the end"
    assert (words("taken_back", "en") in capsys.readouterr().out) is altered


def test_every_scene_has_words_in_both_languages() -> None:
    scenes = {name for name in WORDS if f"{name}.say" in WORDS}
    nobody = Scenes("", {}, None, lambda _file: 0, Path(), print)  # type: ignore[arg-type]
    assert len(scenes) == len(nobody.all())
    assert all(turkish and english and turkish != english for turkish, english in WORDS.values())


@pytest.mark.parametrize(
    ("lang", "language"), [("en_GB.UTF-8", "en"), ("tr_TR.UTF-8", "tr"), ("C", "tr"), (None, "tr")]
)
def test_the_language_is_that_of_lang(lang: str | None, language: str) -> None:
    assert language_of(lang) == language
