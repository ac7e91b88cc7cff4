"""Pictures: what is drawn stands in the table too, and its shapes say how much."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from itm_admin.foundation import charts, vocabulary
from itm_admin.foundation.charts import Count, Picture, Shape
from itm_admin.oversight.provinces import PLACES
from tests.conftest import Database
from tests.panel.assurance_panel import PanelWorld

HEAD = ("what", "how many")


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> PanelWorld:
    home: Path = tmp_path_factory.mktemp("home")
    return PanelWorld(shared_database, home)


@pytest.fixture
def turkish(panel: PanelWorld) -> Iterator[None]:
    with panel.app.test_request_context():
        yield


def _drawn(picture: Picture, css: str) -> list[Shape]:
    return [shape for shape in picture.shapes if css in shape.css.split()]


def test_every_province_has_one_square_of_its_own() -> None:
    assert set(PLACES) == set(vocabulary.codes("province"))
    assert len(set(PLACES.values())) == 81
    assert PLACES["TR-22"] < PLACES["TR-34"] < PLACES["TR-06"] < PLACES["TR-76"]  # Edirne to Iğdır, from the west


@pytest.mark.usefixtures("turkish")
def test_bars_and_columns_are_as_long_as_their_numbers_and_repeat_them_in_the_table() -> None:
    counts = [Count("Zorla çalıştırma", 40, "/forced"), Count("Dilencilik", 10), Count("Hiç", 0)]
    for picture in (charts.bars("n", "t", counts, HEAD), charts.columns("n", "t", counts, HEAD)):
        sides = [max(shape.width, 0) if picture.height < 140 else shape.height for shape in _drawn(picture, "bar-fill")]
        assert sides[0] == pytest.approx(4 * sides[1])
        assert sides[2] == 0
        assert [row.cells for row in picture.rows] == [("Zorla çalıştırma", "40"), ("Dilencilik", "10"), ("Hiç", "0")]
        assert picture.rows[0].url == "/forced"
        assert [shape.text for shape in _drawn(picture, "value")] == ["40", "10", "0"]
        assert "50" in picture.said
        assert "Zorla çalıştırma" in picture.said


@pytest.mark.usefixtures("turkish")
def test_a_line_behind_columns_goes_through_the_published_values_on_the_same_scale() -> None:
    counts = [Count("2022", 0), Count("2023", 0), Count("2024", 100)]
    picture = charts.columns("n", "t", counts, HEAD, {"2022": 400, "2023": 200})
    high, half = [shape.y for shape in _drawn(picture, "behind") if shape.kind == "rect"]
    column = _drawn(picture, "bar-fill")
    assert [shape.height for shape in column] == [pytest.approx((half - high) / 2)]
    assert [shape.kind for shape in _drawn(picture, "behind")].count("line") == 1
    assert [shape.text for shape in _drawn(picture, "value-behind")] == ["400", "200"]


@pytest.mark.usefixtures("turkish")
def test_a_square_is_darker_where_there_is_more_and_says_how_much() -> None:
    counts = {"TR-34": Count("İstanbul", 1_200), "TR-06": Count("Ankara", 1)}
    picture = charts.tiles("n", "t", PLACES, counts, HEAD, lambda code: code[-2:])
    squares = dict(zip(PLACES, _drawn(picture, "tile"), strict=True))
    assert "step-4" in squares["TR-34"].css
    assert "step-1" in squares["TR-06"].css
    assert "step-0" in squares["TR-01"].css
    assert sorted(shape.text for shape in _drawn(picture, "value")) == ["1", "1.200"]
    assert [row.cells for row in picture.rows] == [("İstanbul", "1.200"), ("Ankara", "1")]


@pytest.mark.usefixtures("turkish")
def test_nothing_to_count_is_said_in_words() -> None:
    assert charts.bars("n", "t", [], HEAD).said == "Gösterilecek kayıt yok."


def test_the_auditors_first_page_tells_what_the_last_day_found(panel: PanelWorld) -> None:
    auditor = panel.browser(panel.make.auditor())
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    insert = text(
        "INSERT INTO audit.verification (ledger_id, origin, level, started, seconds, first_seq, checked, next_seq,"
        " size, head, verdict, assurance, recorded_at)"
        " VALUES (:id, 'x', 'full', now(), 1, 0, 0, 0, 0, '', :verdict, 'unsigned', :at)"
    )
    with panel.make.superuser() as connection:
        for verdict, hours in (("intact", 0), ("intact", 1), ("tampered", 1), ("cannot tell", 2), ("tampered", 30)):
            values = {"id": uuid.uuid4(), "verdict": verdict, "at": now - timedelta(hours=hours)}
            connection.execute(insert, values)
    page = auditor.get("/").get_data(as_text=True)
    picture = page[page.index("picture-last-day") : page.index("</figure>")]
    assert re.findall(r'class="sign middle tone-(\w+)"', picture)[:24][-3:] == ["warn", "bad", "good"]
    assert "1 check found tampering" in auditor.words("/")


def test_the_presidencys_numbers_are_a_picture_and_a_table(panel: PanelWorld) -> None:
    supervisor = panel.browser(panel.make.supervisor())
    case = panel.make.case(panel.make.focal_point())
    page = supervisor.get("/").get_data(as_text=True)
    assert page.count('<svg role="img"') >= 2
    assert "picture-provinces" in page
    assert f"/oversight/cases/?province={case.province}" in page
