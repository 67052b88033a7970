"""Window packs: the same pixels to the quantum, few bytes, and nothing believed unchecked."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from field_data.errors import PersonError, PublisherError
from sat_ingest import window_packs
from sat_ingest.archive import Archive
from sat_ingest.figures import draw, read
from sat_ingest.window_packs import QUANTUM, PackSource, PackWriter
from sat_ingest.windows import BANDS, Window
from tests.sat_data import BELGIUM, KORTRIJK, worldcereal_windows
from tests.sat_fields import GRID, square_field, window_of

TAIL = struct.Struct("<I16s")


def packed(*fields: list[Window], quantum: int = QUANTUM) -> bytes:
    file = io.BytesIO()
    writer = PackWriter(file, quantum)
    for windows in fields:
        writer.add(windows)
    writer.close()
    return file.getvalue()


def season(name: str = "f1", count: int = 40, **more: Any) -> list[Window]:
    return [window_of(name, 20_000 + 5 * i, **more) for i in range(count)]


def test_a_pack_gives_back_every_pixel_to_the_quantum() -> None:
    mine, other = season(), season("f2", 3, grid=replace(GRID, left=GRID.left + 400))
    lacking = replace(window_of(day=30_000), bands={"nir": window_of().bands["nir"]})
    source = PackSource(io.BytesIO(packed([*reversed(mine), lacking], [], other)))
    assert [each.id for each in source.fields] == ["f1", "f2"]
    found = list(source.all_of(source.fields[0]))
    assert [(w.day, w.scene) for w in found] == [(w.day, w.scene) for w in [*mine, lacking]]
    for given, got in zip([*mine, lacking], found, strict=True):
        assert got.grid == GRID
        assert list(got.bands) == list(given.bands)
        assert np.array_equal(got.scl, given.scl)
        for name, band in given.bands.items():
            assert np.abs(got.bands[name].astype(int) - band).max() <= QUANTUM / 2
    exact = PackSource(io.BytesIO(packed(mine, quantum=1)))
    got = next(exact.all_of(exact.fields[0]))
    assert all(np.array_equal(got.bands[n], mine[0].bands[n]) for n in got.bands)


def test_what_no_node_could_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_packs, "_MOST_INDEX", 400)
    assert len(PackSource(io.BytesIO(packed(season(count=3)))).fields) == 1
    with pytest.raises(PersonError) as error:
        packed(season())
    assert error.value.code == "pack_too_large"
    monkeypatch.undo()
    with pytest.raises(PersonError) as error:
        packed([window_of("f" * 201)])
    assert error.value.code == "pack_too_large"


def test_as_a_source_it_serves_the_fields_that_still_have_its_grid() -> None:
    field = square_field(inset_m=2)
    source = PackSource(io.BytesIO(packed(season())))
    got = list(source.windows([field], 20_010, 20_020, ("red", "nir", "swir22")))
    assert [w.day for w in got] == [20_010, 20_015, 20_020]
    assert list(got[0].bands) == ["red", "nir"]
    moved = square_field(grid=replace(GRID, left=GRID.left + 20), inset_m=2)
    assert list(source.windows([moved], 0, 99_999, BANDS)) == []
    assert list(source.windows([replace(field, id="f9")], 0, 99_999, BANDS)) == []


def test_series_through_a_pack_are_those_of_the_scenes(tmp_path: Path) -> None:
    field = square_field(inset_m=2)
    direct = season(count=12, ndvi=0.63)
    source = PackSource(io.BytesIO(packed(direct)))
    tables = []
    for name, windows in (("direct", direct), ("packed", source.windows([field], 0, 10**5, BANDS))):
        with Archive(tmp_path / f"{name}.db") as archive:
            for window in windows:
                archive.put(window)
            draw(archive, field)
            tables.append(read(archive, field))
    assert np.array_equal(tables[0].days, tables[1].days)
    np.testing.assert_allclose(tables[0].table, tables[1].table, atol=0.01)
    np.testing.assert_array_equal(tables[0].valid, tables[1].valid)


def changed(data: bytes, change: Callable[[Any], None]) -> bytes:
    """The pack with another index."""
    length, mark = TAIL.unpack(data[-TAIL.size :])
    end = len(data) - TAIL.size - length
    index = json.loads(zstandard.decompress(data[end:][:length]))
    change(index)
    text = zstandard.compress(json.dumps(index).encode())
    return data[:end] + text + TAIL.pack(len(text), mark)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.pop("quantum"),
        lambda index: index.update(quantum=0),
        lambda index: index.update(quantum=True),
        lambda index: index.update(fields=3),
        lambda index: index["fields"].append(index["fields"][0]),
        lambda index: index["fields"][0].update(id="a\nb"),
        lambda index: index["fields"][0].update(id=""),
        lambda index: index["fields"][0].update(grid=[32629, 0, 0, 100_000, 100_000]),
        lambda index: index["fields"][0].update(grid=[3857, 0, 0, 24, 20]),
        lambda index: index["fields"][0].update(grid=[32629, 0, 0, -24, -20]),
        lambda index: index["fields"][0].update(grid=[32629, 0, 0, 24]),
        lambda index: index["fields"][0]["stacks"][0].update(bytes=10**12),
        lambda index: index["fields"][0]["stacks"][0].update(bytes=1),
        lambda index: index["fields"][0]["stacks"][0].update(days=[20_000] * 4_000),
        lambda index: index["fields"][0]["stacks"][0].update(days=[]),
        lambda index: index["fields"][0]["stacks"][0]["days"].__setitem__(0, -1),
        lambda index: index["fields"][0]["stacks"][0]["scenes"].__setitem__(0, 10**9),
        lambda index: index["fields"][0]["stacks"][0]["scenes"].pop(),
        lambda index: index.update(scenes=["x" * 10_000] * len(index["scenes"])),
    ],
)
def test_an_index_that_lies_is_refused_when_it_is_opened(change: Callable[[Any], None]) -> None:
    with pytest.raises(PublisherError) as error:
        PackSource(io.BytesIO(changed(packed(season()), change)))
    assert error.value.code == "pack_damaged"


def test_a_grid_of_another_size_is_found_out_when_its_windows_are_read() -> None:
    def widen(index: Any) -> None:
        index["fields"][0]["grid"][4] = 22

    source = PackSource(io.BytesIO(changed(packed(season(count=2)), widen)))
    with pytest.raises(PublisherError) as error:
        list(source.all_of(source.fields[0]))
    assert error.value.code == "window_damaged"


def test_torn_and_foreign_files_are_refused() -> None:
    data = packed(season(count=2))
    bomb = zstandard.compress(bytes(1 << 28))
    torn = [data[:cut] for cut in (0, 10, 100, len(data) - 1)]
    foreign = [b"PK\x03\x04" + data[4:], data[:16] + bomb + TAIL.pack(len(bomb), data[:16])]
    deep = zstandard.compress(b"[" * 200_000)
    foreign.append(data[:16] + deep + TAIL.pack(len(deep), data[:16]))
    for each in (*torn, *foreign, data + b"x"):
        with pytest.raises(PublisherError) as error:
            PackSource(io.BytesIO(each))
        assert error.value.code == "pack_damaged"
    with pytest.raises(PublisherError) as error:
        PackSource(io.BytesIO(data[:15] + b"2" + data[16:]))
    assert error.value.code == "pack_newer"


def test_every_flipped_byte_of_a_stack_is_noticed() -> None:
    data = packed(season(count=2))
    for at in range(16, len(data) - 400, 97):
        harmed = bytearray(data)
        harmed[at] ^= 0x10
        source = PackSource(io.BytesIO(bytes(harmed)))
        with pytest.raises(PublisherError):
            list(source.all_of(source.fields[0]))


@pytest.mark.data
@pytest.mark.parametrize("place", [KORTRIJK, BELGIUM])
def test_five_bands_of_a_real_field_take_less_than_nine_kilobytes(place: str) -> None:
    windows = []
    for window in worldcereal_windows(place, size=48):
        bands = {n: b for n, b in window.bands.items() if n != "green"}
        windows.append(replace(window, bands=bands))
    data = packed(windows)
    assert len(data) / len(windows) < 9_000
    source = PackSource(io.BytesIO(data))
    for given, got in zip(windows, source.all_of(source.fields[0]), strict=True):
        for name, band in given.bands.items():
            gap = np.abs(got.bands[name].astype(int) - band)
            assert gap[band >= QUANTUM / 2].max(initial=0) <= QUANTUM / 2
