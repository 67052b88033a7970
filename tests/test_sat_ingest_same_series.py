"""Whichever way pixels come, the series is the same: direct COGs, window packs, Dask.

On made-up scenes behind a real range server, and on the real Belgian ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from rasterio.warp import transform

from field_data.types import Field
from sat_ingest.archive import Archive, outline_key
from sat_ingest.figures import INDICES, STATISTICS, Figures, draw, read
from sat_ingest.indices import index_named
from sat_ingest.pull import Puller, Wish
from sat_ingest.scale import Job, run
from sat_ingest.scale_tables import results
from sat_ingest.series import observed, read_series
from sat_ingest.window_packs import PackSource, write_pack
from sat_ingest.windows import BANDS
from tests.range_server import RangeServer
from tests.sat_catalogues import SAT_SET, bands_of, field_at, write_catalogue, write_scene

EPOCH = date(1970, 1, 1).toordinal()
DAYS = ("01-05", "01-15", "01-25", "02-04", "02-14")


def number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - EPOCH


@dataclass
class Ways:
    """The same fields brought in three ways into ``folder``."""

    wish: Wish
    fields: Sequence[Field]
    folder: Path

    def direct(self) -> dict[str, Figures]:
        """From the catalogue, through the sparse block store where it is on the web."""
        with Archive(self.folder / "direct.db") as archive:
            report = Puller(self.folder / "scenes", archive, 0.0).pull(self.wish, self.fields)
            assert report.stopped == ""
            return self._drawn(archive)

    def packed(self, quantum: int) -> dict[str, Figures]:
        """From `direct` through a window pack."""
        path = self.folder / f"p{quantum}.ghw"
        with Archive(self.folder / "direct.db") as archive:
            write_pack(path, archive, self.fields, quantum)
        with Archive(self.folder / f"packed{quantum}.db") as archive, path.open("rb") as file:
            return self._unpacked(archive, PackSource(file))

    def clustered(self) -> tuple[dict[str, Figures], dict[str, dict[str, list[object]]]]:
        """By Dask on two worker processes: its packs unpacked, and the rows of its tables."""
        job = Job(self.wish, self.folder / "out", packs=1)
        done = run(job, self.fields, workers=2, size=2)
        found: dict[str, Figures] = {}
        for each in done:
            path = job.pack_of(each.group)
            if path.is_file():
                with Archive(self.folder / f"{each.group}.db") as archive, path.open("rb") as file:
                    found |= self._unpacked(archive, PackSource(file))
        return found, results(job.out).set_index("field").to_dict("index")

    def _unpacked(self, archive: Archive, source: PackSource) -> dict[str, Figures]:
        outlines = {each.id: outline_key(each.boundary) for each in self.fields}
        for packed in source.matching(self.fields):
            for window in source.all_of(packed):
                archive.put(window)
            for day in packed.hidden:
                archive.hide(packed.id, outlines[packed.id], day)
        mine = {packed.id for packed in source.fields}
        return {name: each for name, each in self._drawn(archive).items() if name in mine}

    def _drawn(self, archive: Archive) -> dict[str, Figures]:
        for field in self.fields:
            draw(archive, field)
        return {field.id: read(archive, field) for field in self.fields}


def same(one: Figures, other: Figures, within: float = 0.0) -> None:
    """Same days, same figures, and so the same curve and seasons."""
    assert one.days.tolist() == other.days.tolist()
    for name in ("usable", "snow", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.table, other.table, rtol=0, atol=within, equal_nan=True)
    if not within:
        read_one, read_other = (read_series(observed("f", each, "ndvi")) for each in (one, other))
        assert read_one.seasons == read_other.seasons
        assert (read_one.curve is None) == (read_other.curve is None)
        if read_one.curve and read_other.curve:
            np.testing.assert_array_equal(read_one.curve.values, read_other.curve.values)


def same_row(figures: Figures, row: dict[str, list[object]], bands: Sequence[str]) -> None:
    """A row of the country's table says what the node's figures say."""
    assert [day.toordinal() - EPOCH for day in row["days"]] == figures.days.tolist()  # type: ignore[attr-defined]
    for i, name in enumerate(INDICES):
        if set(index_named(name).needs) <= set(bands):
            for j, statistic in enumerate(STATISTICS):
                told = np.array(row[f"{name}_{statistic}"], np.float32)
                np.testing.assert_array_equal(told, figures.table[:, i, j])


def all_the_same(ways: Ways) -> dict[str, Figures]:
    direct = ways.direct()
    packed, coarse = ways.packed(1), ways.packed(10)
    clustered, rows = ways.clustered()
    assert set(rows) == set(direct)
    for name, figures in direct.items():
        same_row(figures, rows[name], ways.wish.bands)
        if np.isfinite(figures.table).any():
            same(figures, packed[name])
            same(figures, clustered[name])
            same(figures, coarse[name], within=0.02)
    return direct


def test_direct_packed_and_clustered_series_are_equal(tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    for seed, day in enumerate(DAYS):
        bands = bands_of(128, seed=seed)
        bands["scl"][:20, :20] = 9  # a cloud that stays over the first field
        bands["scl"][40:64, : 8 * seed] = 8  # and one that moves
        write_scene(remote, f"s{day}", f"2022-{day}T11:10:00", bands, block=128)
    write_catalogue(remote, *(f"s{day}" for day in DAYS))
    places = [(0, 0), (24, 0), (90, 10), (90, 60), (110, 110)]
    fields = [field_at(f"f{n}", row, column) for n, (row, column) in enumerate(places)]
    with RangeServer(remote) as server:
        span = number("2022-01-01"), number("2022-02-28")
        wish = Wish(server.url("catalog.json"), *span, ("red", "nir"))
        found = all_the_same(Ways(wish, fields, tmp_path))
    assert not np.isfinite(found["f0"].table).any()
    clear = np.isfinite(found["f2"].table[:, 0, 0])
    assert 0 < clear.sum() < len(clear) == len(DAYS)
    assert np.isfinite(found["f4"].table[:, 0, 0]).all()


@pytest.mark.data
def test_real_fields_have_the_same_series_in_every_way(tmp_path: Path) -> None:
    def square(name: str, west: int, north: int) -> Field:
        xs = [west, west + 270, west + 270, west, west]
        ys = [north, north, north - 270, north - 270, north]
        lons, lats = transform("EPSG:32631", "EPSG:4326", xs, ys)[:2]
        return Field(name, "farm", tuple(zip(lons, lats, strict=True)), "ZEAMX")

    corners = [(501380, 5629660), (501690, 5629660), (501380, 5629350), (501690, 5629350)]
    fields = [square(f"f{n}", *corner) for n, corner in enumerate(corners)]
    span = number("2018-03-01"), number("2018-11-30")
    wish = Wish(str(SAT_SET / "stac" / "catalog.json"), *span, BANDS)
    found = all_the_same(Ways(wish, fields, tmp_path))
    for figures in found.values():
        clear = np.isfinite(figures.table[:, 0, 0])
        assert 20 < clear.sum() < len(clear)
