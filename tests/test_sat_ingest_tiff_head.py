"""Headers of TIFFs: where GDAL sees the blocks, and no crash on what is no TIFF."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.errors import PublisherError
from sat_ingest.tiff_head import TiffHead, read_head
from tests.sat_catalogues import land, write_cog


def head_of(data: bytes) -> TiffHead:
    def read(start: int, stop: int) -> bytes:
        if stop > len(data):
            raise PublisherError("cog_truncated")
        return data[start:stop]

    return read_head(read)


def plain_tiff(path: Path, **options: Any) -> Path:
    profile = {"driver": "GTiff", "height": 130, "width": 90, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile | options) as dataset:
        for band in range(1, dataset.count + 1):
            dataset.write(land(130, 90).astype(dataset.dtypes[0]), band)
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"blockysize": 7},
        {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "deflate"},
        {"tiled": True, "blockxsize": 16, "blockysize": 16, "BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG", "compress": "lzw"},
        {"count": 3, "interleave": "pixel", "dtype": "uint8"},
        {"count": 2, "interleave": "band"},
    ],
    ids=str,
)
def test_blocks_are_where_gdal_sees_them(tmp_path: Path, options: dict[str, Any]) -> None:
    path = plain_tiff(tmp_path / "t.tif", **options)
    head = head_of(path.read_bytes())
    with rasterio.open(path) as dataset:
        assert (head.width, head.height) == (dataset.width, dataset.height)
        assert (head.block_height, head.block_width) == dataset.block_shapes[0]
        for down in range(head.down):
            for across in range(head.across):
                start, stop = head.span(down * head.across + across)
                names = (f"BLOCK_OFFSET_{across}_{down}", f"BLOCK_SIZE_{across}_{down}")
                said = [dataset.get_tag_item(name, "TIFF", bidx=1) for name in names]
                assert [str(start), str(stop - start)] == said
        samples = dataset.count if options.get("interleave") == "pixel" else 1
        size = np.dtype(dataset.dtypes[0]).itemsize
        assert head.row_bytes == head.block_width * samples * size


def test_the_header_of_a_cog_ends_early(tmp_path: Path) -> None:
    reached = 0
    data = write_cog(tmp_path / "c.tif", land(600, 600), block=64, overviews="AUTO").read_bytes()

    def read(start: int, stop: int) -> bytes:
        nonlocal reached
        reached = max(reached, stop)
        return data[start:stop]

    assert read_head(read).ghost > 0
    assert reached < 3000


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10" + bytes(7)):
        with pytest.raises(PublisherError):
            head_of(start + data)


@given(st.integers(0, 250), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_gives_a_head_or_a_named_error(at: int, value: int) -> None:
    data = bytearray(_SOUND)
    data[at] = value
    try:
        head = head_of(bytes(data))
    except PublisherError:
        return
    assert head.row_bytes * head.block_height <= 64 * 1024**2
    assert len(head.offsets.values) == len(head.counts.values)


def _sound() -> bytes:
    with io.BytesIO() as buffer:
        profile = {"driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "uint16"}
        with rasterio.open(
            buffer, "w", **profile, tiled=True, blockxsize=16, blockysize=16, crs="EPSG:32629",
            transform=rasterio.Affine(10, 0, 0, 0, -10, 0),
        ) as dataset:  # fmt: skip
            dataset.write(land(64, 64), 1)
        return buffer.getvalue()


_SOUND = _sound()
