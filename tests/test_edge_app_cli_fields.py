"""``ghalla fields`` and ``ghalla farms`` as a keeper runs them, also beside a running node."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app import cli
from edge_app.cli_fields import AUTHOR, SAID
from edge_app.home import open_ground
from edge_app.node import init_home
from field_data import boundary_files, geometry, land, registry, tracks
from field_data.boundary_files import read_boundaries, shapefile_zip
from field_data.geometry import Plane
from field_data.ids import new_id
from tests.land import HERE, box
from tests.serving import ServedNode


def ghalla(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def said(*words: str | Path) -> Any:
    lines = [json.loads(line) for line in ghalla(*words, "--json").stdout.splitlines()]
    return lines[0] if "import" in words else lines


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init_home(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two fields, of which one overlaps the other by half, and one that is drawn wrong."""
    half = box(place=Plane(*HERE).degrees([(50, 0)])[0])
    rings = {"حقل": box(), "Sud": half, "wrong": [(lat, lon) for lon, lat in box()]}
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for name, ring in rings.items()
    ]
    path = tmp_path / "fields.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize("words", ["fields import", "fields list", "farms list"])
def test_every_verb_has_help_and_json(words: str) -> None:
    assert "--json" in ghalla(*words.split(), "--help").stdout


def test_a_file_becomes_fields_of_a_new_farm(home: Path, file: Path) -> None:
    result = said("fields", "import", file, "--home", home, "--new-farm", "Ferme Saïs")
    assert [(each["name"], each["area_ha"]) for each in result["taken"]] == [
        ("حقل", pytest.approx(1, rel=1e-3)),
        ("Sud", pytest.approx(1, rel=1e-3)),
    ]
    [overlap] = result["taken"][1]["notes"]
    assert (overlap["code"], overlap["field"]) == ("overlap", result["taken"][0]["field"])
    assert [(each["feature"], each["error"]) for each in result["refused"]] == [(3, "axes_swapped")]
    [farm] = said("farms", "list", "--home", home)
    assert farm == {"farm": result["farm"], "name": "Ferme Saïs", "commune": "", "fields": 2}
    listed = said("fields", "list", "--home", home, "--farm", farm["farm"])
    assert [each["field"] for each in listed] == [each["field"] for each in result["taken"]]
    with open_ground(home) as ground:
        assert {event.author for event in ground.events.since(0)} == {AUTHOR}


def test_some_refused_is_told_in_words_and_by_the_exit_code(home: Path, file: Path) -> None:
    result = ghalla("fields", "import", file, "--home", home, "--new-farm", "x")
    assert result.exit_code == 1
    assert "Sud: 1.00 ha; shares 0.5 ha with field" in result.stdout
    assert "3  not taken: wrong: longitude and latitude are swapped" in result.stdout
    assert "Taken: 2.  Not taken: 1." in result.stdout
    listed = ghalla("fields", "list", "--home", home)
    assert "1.00 ha" in listed.stdout
    assert "2 fields" in ghalla("farms", "list", "--home", home).stdout


def test_a_dry_run_says_the_same_and_keeps_nothing(home: Path, file: Path) -> None:
    words = ("fields", "import", file, "--home", home, "--new-farm", "x")
    dry = said(*words, "--dry-run")
    assert said("farms", "list", "--home", home) == []
    with open_ground(home) as ground:
        assert ground.events.last_seq() == 0
    wet = said(*words)
    plain = [(each["name"], each["area_ha"]) for each in dry["taken"]]
    assert plain == [(each["name"], each["area_ha"]) for each in wet["taken"]]
    assert (dry["refused"], dry["farm"]) == (wet["refused"], None)


def test_the_export_comes_back_in(home: Path, file: Path) -> None:
    ghalla("fields", "import", file, "--home", home, "--new-farm", "x")
    exported = ghalla("fields", "list", "--home", home, "--geojson").stdout.encode()
    with open_ground(home) as ground:
        known = ground.registry.fields()
    again = read_boundaries(exported).parts
    assert [(p.name, p.outline.ring) for p in again] == [(f.name, f.boundary) for f in known]


def test_it_works_beside_a_running_node(home: Path, file: Path) -> None:
    with ServedNode(home):
        result = said("fields", "import", file, "--home", home, "--new-farm", "x")
        assert len(said("fields", "list", "--home", home)) == len(result["taken"]) == 2


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["--farm", new_id()], 1, "unknown_farm"),
        (["--new-farm", " "], 1, "bad_text"),
        (["--new-farm", "x", "--home", "nowhere"], 3, "no_home"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    words: list[str], exit_code: int, code: str, home: Path, file: Path
) -> None:
    result = ghalla("fields", "import", file, "--home", home, *words, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (exit_code, code)
    assert said("farms", "list", "--home", home) == []


def test_an_unreadable_or_huge_file_is_refused(home: Path, tmp_path: Path) -> None:
    huge = tmp_path / "huge.geojson"
    with huge.open("wb") as handle:
        handle.truncate(1_000_000_000)
    for file, code in ((tmp_path / "absent", "unreadable_file"), (huge, "file_too_large")):
        said_ = said("fields", "import", file, "--home", home, "--new-farm", "x")
        assert said_["error"] == code
    usage = ghalla("fields", "import", huge, "--home", home)
    assert usage.exit_code == 2


def test_every_note_has_words_here_and_in_the_document() -> None:
    sources = (geometry, tracks, land, registry, boundary_files, shapefile_zip)
    pattern = re.compile(r'(?:Note|_counted)\(\s*"(\w+)"')
    written = {code for module in sources for code in pattern.findall(inspect.getsource(module))}
    assert written == set(SAID)
    document = (Path(__file__).parents[1] / "docs" / "registry.md").read_text()
    assert [code for code in SAID if f"`{code}`" not in document] == []
