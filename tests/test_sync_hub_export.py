"""Exports of the hub: read back by the tools that people use, and by `ghalla model eval`."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sqlite3
import subprocess
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from edge_app.cli import main
from models.labelled import check_photos, read_rows
from sync.hub.app import Hub, create_hub, hub_of
from sync.hub.export import FORMATS, chunks
from sync.hub.export_query import What, Wish
from sync.hub.people_grants import EVERYTHING, Role
from sync.hub.photos import Photos, Upload, blob_name
from sync.hub.tables import PHOTOS
from tests.hub_records import MAY_S, Records, client_of, everything
from tests.hubs import settings_in


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    made = create_hub(settings_in(tmp_path))
    yield made
    hub_of(made).database.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app, everything())


@pytest.fixture
def records(app: Flask) -> Records:
    return Records(hub_of(app))


def written(hub: Hub, wish: Wish, name: str, out: Path) -> Path:
    file = out / f"{wish.what}.{FORMATS[name].ending}"
    file.write_bytes(b"".join(chunks(hub, wish, EVERYTHING, FORMATS[name])))
    return file


def filled(records: Records) -> list[str]:
    node = records.node("Coop", "Gharb", name="عقدة ١")
    ids = [records.scouting(node, lon=-7.5 + n / 10, lat=33 + n / 10) for n in range(3)]
    ids.append(records.scouting(node, lon=-7.495, lat=33.505, coarse=True))
    ids.append(records.harvest(node))
    records.erase(records.scouting(node))
    return ids


@pytest.mark.parametrize("pieces", [2, 5000])
def test_geoparquet_is_read_by_duckdb_and_geopandas(
    any_hub: Hub, tmp_path: Path, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.hub.export_tables.AT_ONCE", pieces)
    ids = filled(Records(any_hub))
    file = written(any_hub, Wish(What.OBSERVATIONS), "geoparquet", tmp_path)
    assert pq.ParquetFile(file).num_row_groups == -(-5 // pieces)
    metadata = pq.read_metadata(file).metadata
    geo = json.loads(metadata[b"geo"])
    assert (geo["version"], geo["columns"]["geometry"]["geometry_types"]) == ("1.1.0", ["Point"])
    assert geo["columns"]["geometry"]["bbox"] == [-7.5, 33.0, -7.3, 33.505]
    about = json.loads(metadata[b"ghalla"])
    assert "ask them" in about["licence"]
    assert "place_precision_m" in [each["column"] for each in about["columns"]]
    frame = gpd.read_parquet(file)
    assert list(frame["id"]) == ids
    assert (frame.geometry.iloc[0].x, frame.geometry.iloc[0].y) == (-7.5, 33.0)
    assert list(frame["place_precision_m"].fillna(-1)) == [8, 8, 8, 1000, -1]
    assert frame.geometry.iloc[4] is None
    asked = f"select node_name, count(*), max(at_utc) from '{file}' where crop = 'LYPES' group by 1"
    [(name, count, at)] = duckdb.execute(asked).fetchall()
    assert (name, count, at.timestamp()) == ("عقدة ١", 4, MAY_S + 4 * 3600)


def test_an_empty_export_is_a_whole_file(any_hub: Hub, tmp_path: Path) -> None:
    for what in What:
        for name, kind in FORMATS.items():
            if kind.fits(what) and name != "coco":
                file = written(any_hub, Wish(what), name, tmp_path)
                assert file.stat().st_size > 0
        assert len(gpd.read_parquet(tmp_path / f"{what}.parquet")) == 0
        found = json.loads((tmp_path / f"{what}.geojson").read_bytes())
        assert found["features"] == []


def test_geopackage_is_read_by_gdal_with_its_dictionary(any_hub: Hub, tmp_path: Path) -> None:
    records = Records(any_hub)
    filled(records)
    records.field(records.node("Coop", "Souss"))
    file = written(any_hub, Wish(What.OBSERVATIONS), "gpkg", tmp_path)
    said = subprocess.run(["ogrinfo", "-al", str(file)], capture_output=True, text=True, check=True)
    assert "Feature Count: 5" in said.stdout
    assert "POINT (-7.5 33.0)" in said.stdout
    assert said.stderr == ""
    with sqlite3.connect(file) as database:
        words = dict(database.execute('select "column", about from data_dictionary'))
        about = dict(database.execute("select key, text from about"))
    database.close()
    assert words["coarse"].startswith("Whether the place")
    assert "must be deleted" in about["consent"]
    fields = gpd.read_file(written(any_hub, Wish(What.FIELDS), "gpkg", tmp_path), layer="fields")
    assert fields.geometry.iloc[0].geom_type == "Polygon"


def test_csv_runs_no_formula_and_says_what_was_said(records: Records, client: FlaskClient) -> None:
    node = records.node("=cmd|' /C calc'!A1", "+Gharb", name="@node")
    values = {"crop": "LYPES", "condition": "PHYTIN", "incidence": -3.5, "plants": 20,
              "remarks": "=HYPERLINK(\"http://x\")\r\nسطر, \"ثان\"", "pattern": ["not", "a text"],
              "severity": "much"}  # fmt: skip
    body = {"form": "scouting", "version": 1, "values": values, "place": None, "unchecked": "x"}
    records.put(records.row(node, "observation", body, at_s=1e300))
    answer = client.get("/export/observations.csv?form=scouting")
    assert answer.mimetype == "text/csv"
    [row] = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert row["remarks"] == "'" + values["remarks"]  # type: ignore[operator]
    assert (row["organisation"], row["region"], row["node_name"]) == \
        ("'=cmd|' /C calc'!A1", "'+Gharb", "'@node")  # fmt: skip
    assert (row["incidence_pct"], row["severity_pct"], row["at_utc"]) == ("-3.5", "", "")
    link = answer.headers["Link"].split(">")[0][1:]
    meaning = {each["column"]: each for each in client.get(link).get_json()["columns"]}
    assert [*meaning] == [*row]
    assert meaning["incidence_pct"]["unit"] == "%"
    assert meaning["incidence_pct"]["label_ar"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/export/observations.xlsx", 404), ("/export/secrets.csv", 404),
        ("/export/observations.zip", 404), ("/export/observations.csv?since=x", 400),
        ("/export/observations.csv?since=2026-02-02&until=2026-02-01", 400),
        ("/export/observations.csv?form=' OR 1=1 --", 400), ("/pull/observations?after=zz", 400),
        ("/export/reviews.parquet?form=scouting", 400),
    ],
)  # fmt: skip
def test_bad_wishes_are_refused_with_a_reason(client: FlaskClient, url: str, status: int) -> None:
    answer = client.get(url)
    assert answer.status_code == status
    assert answer.get_json()["description"]


@pytest.mark.parametrize("name", ["csv", "geojson", "geoparquet"])
def test_memory_does_not_grow_with_the_rows(
    any_hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.hub.export_tables.AT_ONCE", 250)
    records = Records(any_hub)
    node = records.node("Coop", "Gharb")
    row = records.row(node, "observation", {"form": "scouting", "values": {"crop": "LYPES"}})
    records.put(*({**row, "seq": n, "arrival": n} for n in range(1, 5001)))

    def peak(limit: int) -> int:
        tracemalloc.start()
        wish = Wish(What.OBSERVATIONS, limit=limit)
        assert sum(1 for _ in chunks(any_hub, wish, EVERYTHING, FORMATS[name])) >= limit // 250
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(250)  # what is loaded once
    assert peak(5000) < 1.5 * peak(500)


# --- labelled photos ------------------------------------------------------------------------


def labelled(records: Records) -> dict[str, str]:
    """Photos with a label by a visit, by reviews, twice, in dispute, and without one."""
    node = records.node("Coop", "Gharb")
    shots = [records.photo(node, seed) for seed in range(6)]
    records.scouting(node, photos=shots[:1])
    for author in ("a", "b"):
        records.review(node, "plant-1", author, "ALTESO", photos=shots[1:2])
        records.review(node, "plant-2", author, {"a": "ALTESO", "b": "PHYTIN"}[author],
                       photos=shots[2:3])  # fmt: skip
    records.scouting(node, photos=shots[3:4])
    records.scouting(node, condition="ALTESO", photos=shots[3:4])
    records.erase(records.scouting(node, photos=shots[4:5]))
    records.scouting(node, photos=["f" * 64])  # still on its node
    records.scouting(node, photos=shots[5:])
    spoilt = records.rendition_of(shots[5])
    records.hub.blobs.put(blob_name(node, spoilt), b"no photo at all")
    return {shots[0]: "PHYTIN", shots[1]: "ALTESO"}


def test_the_loop_closes(records: Records, client: FlaskClient, tmp_path: Path, app: Flask) -> None:
    truth = labelled(records)
    out = tmp_path / "set"
    database, blobs = hub_of(app).settings.database, hub_of(app).settings.blobs
    where = ["--database", database, "--blobs", blobs]
    words = ["hub", "export", *where, "--what", "photos", "--format", "coco", "-o", str(out)]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["rows"] == 2
    rows = read_rows(out, {"Solanum lycopersicum": "LYPES"})
    check_photos(out, rows)
    assert {row.source_file.removesuffix(".jpg"): row.condition for row in rows} == truth
    assert len({row.series for row in rows}) == 2
    assert len(json.loads((out / "about.json").read_bytes())["left_out"]) == 1
    coco = json.loads((out / "annotations.json").read_bytes())
    names = {each["id"]: each["name"] for each in coco["categories"]}
    files = {each["id"]: each for each in coco["images"]}
    said = {files[a["image_id"]]["file_name"]: names[a["category_id"]]
            for a in coco["annotations"]}  # fmt: skip
    assert said == {row.file: f"{row.crop}|{row.condition}" for row in rows}
    assert all((each["width"], each["height"]) == (128, 96) for each in coco["images"])
    words = ["model", "eval", "leaf_health", "--data", str(out), "--split", "reviewed", "--json"]
    judged = CliRunner().invoke(main, words)
    assert judged.exit_code == 0, judged.output
    figures = json.loads(judged.output.splitlines()[-1])
    assert "accuracy" in judged.output
    assert figures["split"] == "reviewed"
    again = CliRunner().invoke(main, ["hub", "export", *where, "--what", "photos", "--format",
                                      "coco", "-o", str(out)])  # fmt: skip
    assert again.exit_code == 1  # never over another set
    archive = zipfile.ZipFile(io.BytesIO(client.get("/export/photos.zip").data))
    assert archive.testzip() is None
    assert archive.read("classification.csv") == (out / "classification.csv").read_bytes()


def test_a_photo_that_comes_after_its_record_is_pulled(
    client: FlaskClient, records: Records, app: Flask
) -> None:
    node = records.node("Coop", "Gharb")
    photo, data = "a" * 64, b"the bytes of a rendition"
    sha = hashlib.sha256(data).hexdigest()
    id = records.scouting(node, photos=[photo])
    records.scouting(node)
    first = client.get("/pull/photos").get_json()
    assert [each["properties"]["rendition"] for each in first["records"]] == [None]
    uploads = Photos(hub_of(app))
    uploads.begin(Upload(node, sha, photo, "view", len(data)))
    uploads.append(node, sha, 0, data[:5])
    again = f"/pull/photos?after={first['cursor']}"
    assert client.get(again).get_json()["records"] == []
    uploads.append(node, sha, 5, data[5:])
    [come] = client.get(again).get_json()["records"]
    assert (come["id"], come["properties"]["rendition"]) == (f"{id}.{photo}", sha)


def test_the_best_that_is_here_of_a_photo_is_given(records: Records, client: FlaskClient) -> None:
    """A stick brings the kept photo itself, after which no middle size is sent any more."""
    node = records.node("Coop", "Gharb")
    photo = records.photo(node, 1, "original")
    original = records.rendition_of(photo)
    records.scouting(node, photos=[photo])
    row = {"node": node, "sha256": "a" * 64, "photo": photo, "rendition": "thumb", "length": 9,
           "offset": 9, "whole_s": 1.0}  # fmt: skip
    with records.hub.database.writing() as db:
        db.execute(insert(PHOTOS), [row])
    (told,) = client.get("/export/photos.geojson").get_json()["features"]
    assert told["properties"]["rendition"] == original


def test_photos_need_an_agronomist(app: Flask, records: Records) -> None:
    labelled(records)
    reader = client_of(app, everything(Role.READER), name="Reader")
    assert reader.get("/export/photos.zip").status_code == 403
    assert reader.get("/ogc/collections/photos/items").get_json(force=True)["features"] == []


# --- from the command line ------------------------------------------------------------------


def test_a_cursor_file_brings_only_what_changed(
    records: Records, app: Flask, tmp_path: Path
) -> None:
    ids = filled(records)
    hub = hub_of(app)
    where = ["--database", hub.settings.database, "--blobs", hub.settings.blobs]

    def pulled() -> list[dict[str, Any]]:
        words = ["--what", "observations", "-o", str(tmp_path / "x.csv"), "--cursor-file",
                 str(tmp_path / "cursor")]  # fmt: skip
        done = CliRunner().invoke(main, ["hub", "export", *where, *words])
        assert done.exit_code == 0, done.output
        return list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text("utf-8"))))

    first = pulled()
    assert [row["id"] for row in first if row["deleted"] == "0"] == ids
    assert pulled() == []
    records.erase(ids[1])
    new = records.scouting(ids[0].split(".")[0])
    assert [(row["id"], row["deleted"], row["crop"]) for row in pulled()] == \
        [(ids[1], "1", ""), (new, "0", "LYPES")]  # fmt: skip
    (tmp_path / "cursor").write_text("nonsense", encoding="utf-8")
    words = ["--what", "observations", "-o", str(tmp_path / "x.csv")]
    bad = CliRunner().invoke(
        main, ["hub", "export", *where, *words, "--cursor-file", str(tmp_path / "cursor")]
    )
    assert bad.exit_code == 1
    assert "no cursor" in bad.output


def test_the_command_line_writes_a_dictionary_beside(
    records: Records, app: Flask, tmp_path: Path
) -> None:
    filled(records)
    hub = hub_of(app)
    where = ["--database", hub.settings.database, "--blobs", hub.settings.blobs]
    for name in ("csv", "geojson", "gpkg", "geoparquet"):
        out = tmp_path / f"yields.{name}"
        words = ["--what", "yields", "--format", name, "-o", str(out), "--organisation", "Coop"]
        done = CliRunner().invoke(main, ["hub", "export", *where, *words, "--json"])
        assert json.loads(done.output)["rows"] == 1
        beside = json.loads((tmp_path / f"yields.{name}.dictionary.json").read_bytes())
        assert {"licence", "consent", "columns"} <= beside.keys()
    file = str(tmp_path / "y")
    for words in (["--what", "yields"], ["--what", "yields", "--format", "coco", "-o", file],
                  ["--what", "reviews", "--form", "scouting", "-o", file]):  # fmt: skip
        done = CliRunner().invoke(main, ["hub", "export", *where, *words])
        assert done.exit_code in (1, 2), done.output


def test_slow_readers_leave_the_nodes_their_connections(
    records: Records, client: FlaskClient
) -> None:
    filled(records)
    slow = [client.get("/export/observations.csv", buffered=False) for _ in range(3)]
    assert [each.status_code for each in slow] == [200] * 3
    refused = client.get("/export/observations.csv")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert client.get("/export/observations.csv?form=' OR 1=1 --").status_code == 400
    for each in slow:
        each.close()
    assert client.get("/export/observations.csv").status_code == 200
