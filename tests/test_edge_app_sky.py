"""Fields from above: map tiles, a field's season, and what agents are told of it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image

from edge_app.cli import main
from edge_app.sky import View, nearest
from field_data.errors import PersonError
from field_data.people import Role
from field_data.types import Field
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.grid import field_grid
from sat_ingest.mercator import Tile, tiles_over
from sat_ingest.tile_cache import CACHE
from tests.people import Staff
from tests.skies import DAY, five_fields, seen, spring


@pytest.fixture
def staff(tmp_path: Path) -> Iterator[Staff]:
    with Staff(tmp_path) as opened:
        yield opened


@pytest.fixture
def fields(staff: Staff) -> list[Field]:
    return five_fields(staff)


@pytest.fixture
def season(staff: Staff, fields: list[Field]) -> list[Field]:
    spring(staff, fields)
    return fields


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def test_before_the_first_scene_the_map_says_so(staff: Staff, fields: list[Field]) -> None:
    agent = staff.client(Role.AGENT)
    page = agent.get("/en/staff/map").get_data(as_text=True)
    assert "No satellite picture has arrived yet" in page
    assert "field 3" in page
    one = agent.get(f"/en/staff/field/{fields[0].id}")
    assert (
        one.status_code,
        "No satellite picture of this field" in one.get_data(as_text=True),
    ) == (
        200,
        True,
    )
    assert agent.get("/sky/tiles/ndvi/2025-03-01/14/7939/6537.png").status_code == 204


def test_the_map_knows_its_days_and_fields(staff: Staff, season: list[Field]) -> None:
    agent = staff.client(Role.AGENT)
    page = agent.get("/fr/staff/map").get_data(as_text=True)
    told = json.loads(
        re.search(r'data-told="([^"]+)"', page).group(1).replace("&#34;", '"')  # type: ignore[union-attr]
    )
    assert told["days"][0] == "2025-03-01"
    assert told["day"] == told["days"][-1] == "2025-05-05"
    outlines = agent.get(told["fields"]).get_json()
    assert [each["properties"]["name"] for each in outlines["features"]] == [
        f"field {n}" for n in range(5)
    ]
    assert outlines["features"][0]["geometry"]["coordinates"][0] == [
        list(point) for point in season[0].boundary
    ]


def picture(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGBA"))


def test_a_tile_is_drawn_once_and_again_when_a_scene_comes(
    staff: Staff, season: list[Field]
) -> None:
    agent = staff.client(Role.AGENT)
    tile = next(tiles_over(field_grid(season[1].boundary), 16))
    address = f"/sky/tiles/ndvi/2025-05-05/16/{tile.x}/{tile.y}.png"
    first = agent.get(address)
    assert (first.status_code, first.mimetype) == (200, "image/png")
    assert agent.get(address).data == first.data
    with Archive(staff.home / ARCHIVE) as archive:
        archive.put(replace(seen(season[1], DAY + 65, 0.9), scene="S2B_the_same_day"))
    later = agent.get(address)
    assert later.status_code == 200
    assert (picture(later.data) != picture(first.data)).any()


def test_a_cache_that_cannot_be_opened_stops_no_page(staff: Staff, season: list[Field]) -> None:
    (staff.home / CACHE).mkdir(parents=True)
    agent = staff.client(Role.AGENT)
    tile = next(tiles_over(field_grid(season[1].boundary), 16))
    tile_address = f"/sky/tiles/ndvi/2025-05-05/16/{tile.x}/{tile.y}.png"
    for address in (tile_address, "/en/staff/map", f"/en/staff/field/{season[1].id}"):
        assert agent.get(address).status_code == 200


def test_clouds_are_grey_and_the_change_has_colours_of_its_own(
    staff: Staff, season: list[Field]
) -> None:
    agent = staff.client(Role.AGENT)
    hidden = agent.get(f"/en/staff/field/{season[1].id}/ndvi/2025-05-05.png")
    colours = {tuple(pixel) for pixel in picture(hidden.data).reshape(-1, 4)}
    assert {pixel for pixel in colours if pixel[3]} == {(150, 150, 150, 170)}
    lost = agent.get(f"/en/staff/field/{season[0].id}/ndvi/2025-04-20..2025-04-30.png")
    middle = picture(lost.data)[10, 10]
    assert middle[0] > middle[2]  # brown
    assert agent.get(f"/en/staff/field/{season[0].id}/ndvi/2024-01-01.png").status_code == 404


def test_a_loss_that_neighbours_did_not_have_is_told_with_its_numbers(
    staff: Staff, season: list[Field], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_app.sky.today", lambda: DAY + 61)
    agent = staff.client(Role.AGENT)
    page = text(agent.get(f"/en/staff/field/{season[0].id}").get_data(as_text=True))
    assert "It lost 0.40 between 20/04/2025 and 30/04/2025" in page
    assert "Its 4 neighbours changed by +0.02: go and look." in page
    assert "Only one picture says so." in page
    other = text(agent.get(f"/en/staff/field/{season[2].id}").get_data(as_text=True))
    assert "No sudden loss" in other
    assert "go and look" not in other


@pytest.mark.parametrize("lang", ["ar", "fr", "zgh", "en"])
def test_the_pages_are_whole_in_every_language(
    staff: Staff, season: list[Field], lang: str
) -> None:
    agent = staff.client(Role.AGENT)
    for path in (
        "map",
        "map?index=ndmi",
        f"field/{season[0].id}",
        f"field/{season[0].id}?index=ndre",
    ):
        answer = agent.get(f"/{lang}/staff/{path}")
        assert answer.status_code == 200, path
        assert 'class="chart"' in answer.get_data(as_text=True) or "ndre" in path or "map" in path


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sky/tiles/nonsense/2025-03-01/14/0/0.png", 400),
        ("/sky/tiles/ndvi/yesterday/14/0/0.png", 400),
        ("/sky/tiles/ndvi/2025-03-01..2025-02-01/14/0/0.png", 400),
        ("/sky/tiles/ndvi/2025-03-01/99/0/0.png", 404),
        ("/sky/boundaries/..%2Fstore.geojson", 404),
        ("/en/staff/field/nobody", 404),
        ("/en/staff/map?index=nonsense", 400),
        ("/en/staff/map?day=soon", 400),
    ],
)
def test_what_does_not_exist_is_refused(
    staff: Staff, season: list[Field], path: str, status: int
) -> None:
    assert staff.client(Role.AGENT).get(path).status_code == status


def test_outlines_of_the_deployer_are_shown_if_they_are_sound(
    staff: Staff, season: list[Field]
) -> None:
    folder = staff.home / "boundaries"
    folder.mkdir()
    (folder / "commune.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (folder / "broken.geojson").write_text("{")
    (folder / "deep.geojson").write_text("[" * 100_000)
    agent = staff.client(Role.AGENT)
    page = agent.get("/en/staff/map").get_data(as_text=True)
    assert "commune.geojson" in page
    assert "broken" not in page
    assert "deep" not in page
    assert agent.get("/sky/boundaries/commune.geojson").get_json()["features"] == []
    assert agent.get("/sky/boundaries/broken.geojson").status_code == 404


def test_where_fields_lie_is_not_for_everybody(staff: Staff, season: list[Field]) -> None:
    tile = next(tiles_over(field_grid(season[0].boundary), 14))
    for client, refused in ((staff.stranger(), 303), (staff.client(Role.FARMER), 403)):
        for path in ("/sky/fields.geojson", f"/sky/tiles/ndvi/2025-04-30/14/{tile.x}/{tile.y}.png"):
            assert client.get(path).status_code == refused


def test_a_view_has_one_name() -> None:
    assert View.named("ndvi", "2025-03-01").name == "ndvi/2025-03-01"
    change = View.named("ndvi", "2025-02-01..2025-03-01")
    assert (change.before, change.day) == (DAY - 28, DAY)
    assert View.named(*change.name.split("/")) == change
    with pytest.raises(PersonError):
        View.named("ndvi", "2025-01-01..2025-02-01..2025-03-01")


def test_the_day_shown_is_the_last_one_before() -> None:
    assert nearest([3, 7, 9], 8) == 7
    assert nearest([3, 7, 9], 1) == 3
    assert nearest([], 1) is None


def test_tiles_have_a_place() -> None:
    assert Tile(0, 0, 0).bounds == pytest.approx(
        (-20037508.34, -20037508.34, 20037508.34, 20037508.34)
    )


def said(*words: str) -> dict[str, object]:
    answer = CliRunner().invoke(main, ["scenes", *words, "--json"])
    return {"exit": answer.exit_code, **json.loads(answer.output.splitlines()[0])}


def test_the_verbs_say_what_is_kept_and_let_it_out(
    staff: Staff, season: list[Field], tmp_path: Path
) -> None:
    home, out = str(staff.home), tmp_path / "out.mbtiles"
    told = said("status", "--home", home)
    assert (told["exit"], told["fields"], told["windows"]) == (0, 5, 61)
    assert (told["oldest"], told["newest"]) == ("2025-03-01", "2025-05-05")
    words = ("tiles", "--home", home, "--day", "2025-04-30", "--zoom", "12-14", "--out", str(out))
    told = said(*words)
    assert told["exit"] == 0
    assert int(str(told["tiles"])) >= 3
    with rasterio.open(out) as opened:
        assert opened.crs.to_epsg() == 3857
    assert said(*words)["error"] == "file_exists"
    assert said("tiles", "--home", home, "--day", "x", "--out", "y")["error"] == "bad_dates"
    wrong = said("tiles", "--home", home, "--day", "2025-04-30", "--zoom", "3-99", "--out", "y")
    assert (wrong["exit"], wrong["error"]) == (1, "bad_zoom")
    assert said("status", "--home", str(tmp_path / "nowhere"))["exit"] == 3
