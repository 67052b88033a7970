"""Scenes that travel and series that are read, at the command line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app import cli
from edge_app.node import init_home
from field_data import clock
from field_data.types import Field, Instant, Trust
from sat_ingest.archive import ARCHIVE, Archive
from tests.sat_data import SAT
from tests.sat_fields import GRID, square_field, window_of

FIELDS = [
    square_field(f"f{n}", replace(GRID, left=GRID.left + 200 * n), inset_m=2) for n in range(4)
]


def ghalla(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def said(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def feature(field: Field) -> dict[str, Any]:
    shape = {"type": "Polygon", "coordinates": [field.boundary]}
    return {"type": "Feature", "id": field.id, "properties": {"crop": "TRZAX"}, "geometry": shape}


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A home that has pulled: four fields, the first of which was cut at the end."""
    with Archive(tmp_path / "hub" / ARCHIVE) as archive, archive.transaction():
        for n, field in enumerate(FIELDS):
            grid = replace(GRID, left=GRID.left + 200 * n)
            for i in range(10):
                ndvi = 0.3 if n == 0 and i == 9 else 0.65
                archive.put(window_of(field.id, 20_000 + 5 * i, ndvi=ndvi, grid=grid))
    collection = {"type": "FeatureCollection", "features": [feature(each) for each in FIELDS]}
    (tmp_path / "fields.geojson").write_text(json.dumps(collection))
    return tmp_path / "hub"


@pytest.mark.parametrize(
    "words", ["series", "scenes pack", "scenes import", "scenes status", "keys new"]
)
def test_every_verb_has_help_and_json(words: str) -> None:
    result = ghalla(*words.split(), "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_a_pack_goes_from_hub_to_node_and_gives_the_same_series(hub: Path, tmp_path: Path) -> None:
    fields, out, node = tmp_path / "fields.geojson", tmp_path / "p.ghw", tmp_path / "node"
    ghalla("keys", "new", "--out", tmp_path / "key")
    options = ("--home", hub, "--fields", fields, "--out", out, "--key", tmp_path / "key")
    made = said(ghalla("scenes", "pack", *options, "--json"))
    assert (made["windows"], made["signed"]) == (40, True)
    assert made["bytes"] == out.stat().st_size
    take = ("scenes", "import", out, "--home", node, "--fields", fields, "--json")
    refused = ghalla(*take)
    assert refused.exit_code == 4
    assert json.loads(refused.stdout)["error"] == "bundle_untrusted"
    (node / "trust").mkdir(parents=True)
    (node / "trust" / "hub.pub").write_bytes((tmp_path / "key.pub").read_bytes())
    assert said(ghalla(*take))["taken"] == 40
    again = said(ghalla(*take))
    assert (again["taken"], again["fields"]) == (0, 4)
    status = said(ghalla("scenes", "status", "--home", node, "--json"))
    assert (status["windows"], status["figures"]) == (40, 40)
    assert (status["oldest"], status["newest"]) == ("2024-10-04", "2024-11-18")
    read = ("series", "f0", "--fields", fields, "--until", "2024-11-19", "--json", "--home")
    direct, packed = said(ghalla(*read, hub)), said(ghalla(*read, node))
    assert direct["alert"]["raised"]
    assert direct["alert"]["compared"] == 3
    assert direct["alert"]["change"] == pytest.approx(-0.35, abs=0.01)
    for one, other in zip(direct["observations"], packed["observations"], strict=True):
        assert (one["day"], one["valid"], one["sight"]) == (
            other["day"],
            other["valid"],
            other["sight"],
        )
        assert one["value"] == pytest.approx(other["value"], abs=0.005)
    assert packed["alert"]["verdict"] == direct["alert"]["verdict"]


def test_an_import_that_was_stopped_goes_on(hub: Path, tmp_path: Path) -> None:
    fields, out, node = tmp_path / "fields.geojson", tmp_path / "p.ghw", tmp_path / "node"
    ghalla("scenes", "pack", "--home", hub, "--fields", fields, "--out", out)
    with Archive(node / ARCHIVE) as archive:
        for i in range(10):
            archive.put(window_of("f1", 20_000 + 5 * i, grid=replace(GRID, left=GRID.left + 200)))
    take = ("scenes", "import", out, "--home", node, "--fields", fields, "--json", "--unsigned")
    assert said(ghalla(*take))["taken"] == 30
    assert ghalla(*take[:-1]).exit_code == 4


def test_fields_that_a_node_does_not_know_stay_out(hub: Path, tmp_path: Path) -> None:
    fields, out = tmp_path / "fields.geojson", tmp_path / "p.ghw"
    ghalla("scenes", "pack", "--home", hub, "--fields", fields, "--out", out)
    moved = replace(square_field("f1", replace(GRID, left=GRID.left + 240), inset_m=2))
    few = {"type": "FeatureCollection", "features": [feature(FIELDS[0]), feature(moved)]}
    mine = tmp_path / "mine.geojson"
    mine.write_text(json.dumps(few))
    node = tmp_path / "node"
    counts = said(
        ghalla("scenes", "import", out, "--home", node, "--fields", mine, "--json", "--unsigned")
    )
    assert counts == {
        "windows": 40,
        "taken": 10,
        "fields": 1,
        "unknown_fields": 2,
        "other_boundary": 1,
    }
    with Archive(node / ARCHIVE) as archive:
        assert archive.fields() == ["f0"]


def test_an_older_pack_is_refused_unless_asked_for(hub: Path, tmp_path: Path) -> None:
    fields, node = tmp_path / "fields.geojson", tmp_path / "node"
    ghalla("keys", "new", "--out", tmp_path / "key")
    (node / "trust").mkdir(parents=True)
    (node / "trust" / "hub.pub").write_bytes((tmp_path / "key.pub").read_bytes())
    for version in ("2", "1"):
        words = ("--name", "north", "--version", version, "--key", tmp_path / "key")
        out = tmp_path / f"{version}.ghw"
        ghalla("scenes", "pack", "--home", hub, "--fields", fields, "--out", out, *words)
    take = ("--home", node, "--fields", fields)
    assert ghalla("scenes", "import", tmp_path / "2.ghw", *take).exit_code == 0
    assert ghalla("scenes", "import", tmp_path / "1.ghw", *take).exit_code == 1
    assert ghalla("scenes", "import", tmp_path / "1.ghw", *take, "--older").exit_code == 0


def test_a_node_without_a_clock_judges_by_the_last_day_it_has(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: Instant(0.0, Trust.UNKNOWN))
    words = ("series", "f0", "--home", hub, "--fields", tmp_path / "fields.geojson", "--json")
    assert said(ghalla(*words))["alert"]["raised"]


@pytest.mark.data
def test_a_catalogue_becomes_a_pack_and_the_same_series(tmp_path: Path) -> None:
    lon, lat = -4.8745, 41.7725
    ring = [(lon, lat), (lon + 0.002, lat), (lon + 0.002, lat + 0.0015), (lon, lat + 0.0015)]
    field = Field("wheat", "", (*ring, ring[0]))
    fields, out = tmp_path / "f.geojson", tmp_path / "season.ghw"
    fields.write_text(json.dumps(feature(field)))
    for home in ("hub", "node"):
        init_home(tmp_path / home)
    span = ("--since", "2019-03-01", "--until", "2019-06-30")
    where = ("--home", tmp_path / "hub", "--catalog", SAT / "stac" / "catalog.json")
    made = said(ghalla("scenes", "pack", *where, *span, "--fields", fields, "--out", out, "--json"))
    assert made["windows"] > 8
    take = ("scenes", "import", out, "--home", tmp_path / "node", "--fields", fields, "--unsigned")
    assert ghalla(*take).exit_code == 0
    read = ("series", "wheat", "--fields", fields, "--until", "2019-06-30", "--json", "--home")
    direct, packed = (said(ghalla(*read, tmp_path / home)) for home in ("hub", "node"))
    for one, other in zip(direct["observations"], packed["observations"], strict=True):
        assert one["day"] == other["day"]
        assert one["value"] == pytest.approx(other["value"], abs=0.002)
    assert max(each["value"] for each in direct["observations"]) > 0.6


def test_csv_and_words_say_the_same(hub: Path, tmp_path: Path) -> None:
    words = ("series", "f0", "--home", hub, "--fields", tmp_path / "fields.geojson")
    table = ghalla(*words, "--until", "2024-11-19", "--since", "2024-11-01", "--csv")
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert {row["kind"] for row in rows} == {"observed", "curve"}
    assert min(row["day"] for row in rows) >= "2024-11-01"
    told = ghalla(*words, "--until", "2024-11-19").stdout
    assert "ALERT (loss): -0.35 from 2024-11-13 to 2024-11-18; 3 neighbours 0.00" in told
    assert "against own seasons: no_archive" in told


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("series", "f9"), "unknown_field", 1),
        (("series", "f0", "--home", "/no-such-home"), "no_scenes", 1),
        (("scenes", "status", "--home", "/no-such-home"), "no_home", 3),
        (("scenes", "import", "no-such-pack"), "no_pack", 1),
        (("keys", "new", "--out", "fields.geojson"), "key_exists", 1),
    ],
)
def test_mistakes_have_names(
    hub: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: str,
    exit_code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    with_fields = () if words[0] == "keys" or "status" in words else ("--fields", "fields.geojson")
    home = () if "--home" in words or words[0] == "keys" else ("--home", str(hub))
    result = ghalla(*words, *with_fields, *home, "--json")
    assert result.exit_code == exit_code
    assert json.loads(result.stdout)["error"] == code
