"""A season under a budget: what is chosen, what is left, and that nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_app import cli
from field_data.clock import BUILT_UTC_S
from field_data.errors import KeeperError
from field_data.types import Field
from sat_ingest.archive import Archive, outline_key
from sat_ingest.block_store import BlockStore
from sat_ingest.grid import field_grid
from sat_ingest.pull import Allowance, Judged, Keeps, Puller, Report, Wish
from sat_ingest.ranges import Patience, Ranges
from sat_ingest.windows import Window
from tests.range_server import Fault, NginxServer, RangeServer
from tests.sat_catalogues import SAT_SET, bands_of, field_at, write_catalogue, write_scene

DAYS = ("01-05", "01-10", "01-15", "01-20", "01-25")
CLOUDY = {"01-15"}
FAST = Patience(attempts=2, base_s=0.001, read_s=2.0)
FIELDS = [field_at("f", 40, 60), field_at("g", 200, 220)]


def number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()


WISH: dict[str, Any] = {
    "since": number("2022-01-01"),
    "until": number("2022-01-31"),
    "bands": ("red", "nir"),
}


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    for seed, day in enumerate(DAYS):
        bands = bands_of(seed=seed, scl=9 if day in CLOUDY else 4)
        said = {"eo:cloud_cover": 90.0 if day in CLOUDY else 10.0}
        write_scene(folder, f"s{day}", f"2022-{day}T11:10:00", bands, properties=said, block=128)
    write_catalogue(folder, *(f"s{day}" for day in DAYS))
    return folder


@pytest.fixture
def server(remote: Path) -> Iterator[RangeServer]:
    with RangeServer(remote) as running:
        yield running


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "archive.db") as opened:
        yield opened


def pull(
    home: Path, archive: Keeps, catalog: str, max_bytes: int | None = None, weekly: int = 0,
    now_s: float = BUILT_UTC_S,
) -> Report:  # fmt: skip
    puller = Puller(home, archive, now_s, weekly, patience=FAST)
    wish = Wish(catalog, max_bytes=max_bytes, **WISH)
    return puller.pull(wish, FIELDS)


def test_a_season_is_pulled_once(server: RangeServer, archive: Archive, tmp_path: Path) -> None:
    report = pull(tmp_path / "s", archive, server.url("catalog.json"))
    assert (report.stopped, report.left) == ("", [])
    assert report.used[0].scene == "s01-25"  # the newest first
    assert sorted(used.scene for used in report.used) == [f"s{d}" for d in DAYS if d not in CLOUDY]
    assert [(skip.scene, skip.reason, skip.fields) for skip in report.skipped] == [
        ("s01-15", "cloudy", 2)
    ]
    assert report.requests == len(server.asked)
    assert server.sent < report.bytes < server.sent + 500 * report.requests
    assert archive.days("f") == [number(f"2022-{day}") for day in DAYS if day not in CLOUDY]
    for field in FIELDS:
        assert archive.hidden(field.id, outline_key(field.boundary)) == [number("2022-01-15")]
    server.asked.clear()
    again = pull(tmp_path / "s", archive, server.url("catalog.json"))
    assert [each.path for each in server.asked] == ["/catalog.json"]
    assert (again.used, again.windows, again.skipped) == ([], 0, [])


def test_under_a_budget_it_stops_and_goes_on(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    whole = pull(tmp_path / "once", _Nowhere(), server.url("catalog.json"))
    budget, spent, order = whole.bytes // 4, 0, list[str]()
    for _ in range(12):
        report = pull(tmp_path / "s", archive, server.url("catalog.json"), budget)
        assert report.bytes <= budget
        spent += report.bytes
        order += [used.scene for used in report.used]
        if not report.stopped:
            break
        assert report.stopped == "sat_budget_spent"
        assert report.left
    assert report.stopped == ""
    assert order[0] == "s01-25"
    assert sorted(set(order)) == [f"s{d}" for d in DAYS if d not in CLOUDY]
    # Going on costs the catalogue again and nothing else.
    assert spent < whole.bytes * 1.25


def test_a_corrected_boundary_is_pulled_anew(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    catalogue, scenes = server.url("catalog.json"), tmp_path / "s"
    pull(scenes, archive, catalogue)
    moved = replace(FIELDS[0], boundary=field_at("x", 70, 70).boundary)
    wish = Wish(catalogue, **WISH)
    report = Puller(scenes, archive, BUILT_UTC_S, patience=FAST).pull(wish, [moved, FIELDS[1]])
    assert report.windows == len(archive.days(moved.id)) > 0
    assert archive.grid(moved.id) == field_grid(moved.boundary)
    assert archive.hidden(moved.id, outline_key(moved.boundary)) != []
    assert archive.hidden(FIELDS[1].id, outline_key(FIELDS[1].boundary)) != []


class _Nowhere(Keeps):
    """An archive that keeps nothing."""

    def put_all(self, windows: Sequence[Window]) -> int:
        return len(windows)

    def has(self, field: str, scene: str) -> bool:
        return False

    def days(self, field: str) -> list[int]:
        return []

    def fit(self, field: str, grid: object) -> None:
        pass

    def hide(self, field: str, outline: str, day: int) -> None:
        pass


def test_the_week_has_one_allowance(server: RangeServer, archive: Archive, tmp_path: Path) -> None:
    first = pull(tmp_path / "s", archive, server.url("catalog.json"), weekly=60_000)
    assert first.stopped == "sat_budget_spent"
    assert first.bytes > 40_000
    second = pull(tmp_path / "s", archive, server.url("catalog.json"), weekly=60_000)
    assert first.bytes + second.bytes <= 60_000
    later = BUILT_UTC_S + 7 * 86400
    third = pull(tmp_path / "s", archive, server.url("catalog.json"), weekly=60_000, now_s=later)
    assert third.bytes > 30_000
    # A clock that woke up in 1970 has a week of its own and breaks nothing.
    assert Allowance(tmp_path / "s" / "spent.json", 60_000, 0.0).limit(None) == 60_000
    assert Allowance(tmp_path / "s" / "spent.json", 0, 0.0).limit(5) == 5


def test_a_failed_link_is_reported_with_what_came_before(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    server.faults.extend([Fault("status", path="/s01-20/B04.tif") for _ in range(2)])
    server.faults.extend([Fault("status", path="/s01-10/B04.tif") for _ in range(2)])
    report = pull(tmp_path / "s", archive, server.url("catalog.json"))
    while server.faults and not report.stopped:  # the order of days is the plan's
        report = pull(tmp_path / "s", archive, server.url("catalog.json"))
    server.faults.clear()
    assert report.stopped == "link_failed"
    assert report.left
    again = pull(tmp_path / "s", archive, server.url("catalog.json"))
    assert again.stopped == ""
    assert len(archive.days("f")) == 4


def test_a_quota_that_is_full_amid_a_scene_stops_and_keeps_what_is_whole(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    wish = Wish(server.url("catalog.json"), **WISH)
    small = Puller(tmp_path / "s", archive, 0.0, patience=FAST, cache_bytes=40_000)
    report = small.pull(wish, FIELDS)
    assert report.stopped == "sat_quota_full"
    assert number("2022-01-25") in report.left
    enough = Puller(tmp_path / "s", archive, 0.0, patience=FAST)
    assert enough.pull(wish, FIELDS).stopped == ""
    assert len(archive.days("f")) == 4


def test_a_day_that_was_begun_is_finished_first(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    early = Wish(server.url("catalog.json"), WISH["since"], number("2022-01-12"), ("red", "nir"))
    first = Puller(tmp_path / "s", archive, 0.0, patience=FAST)
    whole = Puller(tmp_path / "t", _Nowhere(), 0.0, patience=FAST).pull(early, FIELDS)
    cut = Wish(early.catalog, early.since, early.until, early.bands, whole.bytes // 3)
    assert first.pull(cut, FIELDS).stopped == "sat_budget_spent"
    report = pull(tmp_path / "s", archive, server.url("catalog.json"))
    assert report.used[0].scene == "s01-10"
    assert report.used[1].scene == "s01-25"


def test_one_file_that_never_comes_holds_no_other_day_back(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    server.broken = {"/s01-25/B04.tif", "/s01-20/SCL.tif", "/s01-10/SCL.tif"}
    for _ in range(5):  # a stop a day that fails, at most
        report = pull(tmp_path / "s", archive, server.url("catalog.json"))
        assert report.stopped == "link_failed"
    assert archive.days("f") == [number("2022-01-05")]
    assert report.left == [number(f"2022-{day}") for day in ("01-10", "01-20", "01-25")]
    server.broken = set()
    assert pull(tmp_path / "s", archive, server.url("catalog.json")).left == []
    assert len(archive.days("f")) == 4


def test_torn_notes_about_clouds_are_only_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    Judged(path).add([("f", "s1", "cloudy"), ("g", "s1", "cloudy")])
    path.write_bytes(path.read_bytes()[:-9])
    judged = Judged(path)
    assert judged.has("f", "s1")
    assert not judged.has("g", "s1")
    judged.add([("g", "s2", "no_data")])
    assert Judged(path).has("g", "s2")


@pytest.mark.parametrize("name", ["spent.json", "begun.json", "judged.jsonl"])
@pytest.mark.parametrize("noted", [b"", b"{", b"{}", b"[]", b"5", b"null", b"\0\0", b"\xff"])
def test_damaged_notes_are_as_good_as_none(
    server: RangeServer, archive: Archive, tmp_path: Path, name: str, noted: bytes
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_bytes(noted)
    assert pull(tmp_path / "s", archive, server.url("catalog.json"), 60_000).stopped
    left = Allowance(tmp_path / "s" / "spent.json", 60_000, BUILT_UTC_S).limit(None)
    assert left is not None
    assert left < 60_000


def test_a_field_outside_every_scene_is_told(
    server: RangeServer, archive: Archive, tmp_path: Path
) -> None:
    away = Field("away", "farm", ((-5, 33), (-4.99, 33), (-4.99, 33.01), (-5, 33)))
    wish = Wish(server.url("catalog.json"), **WISH)
    report = Puller(tmp_path / "s", archive, 0.0, patience=FAST).pull(wish, [*FIELDS, away])
    assert [(skip.reason, skip.detail) for skip in report.skipped if skip.reason == "outside"] == [
        ("outside", "away")
    ]
    assert len(report.used) == 4


# -- the command line -----------------------------------------------------------------------------


def ghalla(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def geojson(path: Path) -> Path:
    features = [
        {"type": "Feature", "id": each.id, "properties": None,
         "geometry": {"type": "Polygon", "coordinates": [each.boundary]}}
        for each in FIELDS
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_the_verb_says_what_was_used_and_what_was_left(server: RangeServer, tmp_path: Path) -> None:
    words = ["scenes", "pull", "--home", tmp_path / "home", "--catalog", server.url("catalog.json"),
             "--since", "2022-01-01", "--until", "2022-01-31", "--bands", "red,nir",
             "--fields", geojson(tmp_path / "f.json")]  # fmt: skip
    result = ghalla(*words, "--max-bytes", "60000", "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert said["stopped"] == "sat_budget_spent"
    assert said["bytes"] <= 60_000
    assert said["used"][0] == {"scene": "s01-25", "day": "2022-01-25", "fields": 2}
    assert "2022-01-05" in said["left"]
    result = ghalla(*words)
    assert result.exit_code == 0
    assert "used     2022-01-05  s01-05  2 fields" in result.stdout
    assert "left for next time" not in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (["--bands", "purple"], "unknown_band", 1),
        (["--catalog", "/nowhere"], "no_catalogue", 1),
        (["--catalog", "http://["], "no_catalogue", 1),
        (["--fields", "/nowhere"], "bad_geojson", 1),
        ([], "no_home", 3),
    ],
)
def test_the_verb_names_what_is_wrong(
    tmp_path: Path, words: list[str], code: str, exit_code: int
) -> None:
    given = ["--since", "2022-01-01", "--until", "2022-01-31"]
    if code not in {"no_home", "bad_geojson"}:
        given += ["--fields", str(geojson(tmp_path / "f.json"))]
    result = ghalla("scenes", "pull", "--home", tmp_path / "h", *given, *words, "--json")
    assert result.exit_code == exit_code
    assert json.loads(result.stdout.splitlines()[0])["error"] == code


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"type":"FeatureCollection","features":[3]}', "[" * 99_999,
     '{"geometry":{"type":"Point","coordinates":[1,2]}}',
     '{"geometry":{"type":"Polygon","coordinates":[[[1,2],[1,3],[1,2]]]}}',
     '{"geometry":{"type":"Polygon","coordinates":[[[500,2],[1,3],[5,5],[500,2]]]}}'],
)  # fmt: skip
def test_what_is_no_list_of_fields_is_named(tmp_path: Path, document: str) -> None:
    (tmp_path / "f.json").write_text(document)
    result = ghalla("scenes", "pull", "--home", tmp_path, "--since", "2022-01-01",
                    "--fields", tmp_path / "f.json", "--until", "2022-01-31")  # fmt: skip
    assert result.exit_code == 1
    assert "not a list of polygons" in result.stderr


def test_the_fields_that_the_node_knows_are_pulled(tmp_path: Path, server: RangeServer) -> None:
    assert ghalla("init", "--home", tmp_path / "h").exit_code == 0
    words = ["scenes", "pull", "--home", tmp_path / "h", "--catalog", server.url("catalog.json"),
             "--since", "2022-01-01", "--until", "2022-01-31", "--json"]  # fmt: skip
    result = ghalla(*words)
    assert json.loads(result.stdout)["error"] == "no_fields"


# -- real scenes ----------------------------------------------------------------------------------


@pytest.mark.data
def test_a_real_season_under_two_megabytes_a_week(tmp_path: Path) -> None:
    """Belgian scenes behind nginx, a small allowance a week; prints what was chosen."""
    ring = ((3.0215, 50.8145), (3.0255, 50.8145), (3.0255, 50.8175), (3.0215, 50.8175))
    field = Field("be", "farm", (*ring, ring[0]))
    since, until = number("2018-03-01"), number("2018-08-31")
    # Blocks of these small files are a fortieth of a full scene's, the catalogue is no smaller.
    weekly, chosen, said = 2_000_000 // 10, [], []
    with NginxServer(SAT_SET / "stac") as server, Archive(tmp_path / "a.db") as archive:
        for week in range(20):
            puller = Puller(tmp_path / "s", archive, BUILT_UTC_S + week * 604_800, weekly)
            wish = Wish(server.url("catalog.json"), since, until, ("red", "nir"))
            before = server.sent
            report = puller.pull(wish, [field])
            assert server.sent - before <= report.bytes <= weekly
            chosen.append([used.day for used in report.used])
            said.append(f"week {week}: {report.bytes} B, {len(report.used)} dates, "
                        f"{len(report.left)} left, {report.stopped or 'done'}")  # fmt: skip
            if not report.stopped:
                break
        print("\n".join(said))
        whole = list(archive.windows("be", since, until))
    assert chosen[-1] or report.left == []
    assert report.stopped == ""
    gaps = np.diff(sorted(window.day for window in whole))
    assert len(whole) >= 20
    assert gaps.max() <= 25


def test_a_second_pull_into_the_same_home_is_told_so(tmp_path: Path, archive: Archive) -> None:
    with BlockStore(tmp_path / "s", Ranges()), pytest.raises(KeeperError) as caught:
        pull(tmp_path / "s", archive, "/nowhere")
    assert caught.value.code == "home_in_use"
