"""Kept photos: by content, durable, and nothing in them but the picture."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy
import pytest
from PIL import Image

from field_data.photos import PhotoStore, photo_of, refuse_metadata
from field_data.types import Photo


@pytest.fixture
def photos(tmp_path: Path) -> PhotoStore:
    return PhotoStore(tmp_path / "photos")


def picture(shade: int = 0, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 48), 50 + shade).convert("RGB").save(file, "JPEG", **options)
    return file.getvalue()


def test_a_photo_is_named_by_its_bytes(photos: PhotoStore) -> None:
    jpeg = picture()
    sha256 = hashlib.sha256(jpeg).hexdigest()
    assert photos.put(jpeg) == Photo(sha256, len(jpeg))
    assert photos.get(sha256) == jpeg
    assert photos.has(sha256)
    assert (photos.folder / sha256[:2] / f"{sha256}.jpg").read_bytes() == jpeg


def test_the_same_bytes_are_kept_once(photos: PhotoStore) -> None:
    jpegs = [picture(1), picture(2)]
    for jpeg in [*jpegs, *jpegs]:
        photos.put(jpeg)
    assert photos.total_bytes() == sum(map(len, jpegs))
    assert set(photos.names()) == {hashlib.sha256(jpeg).hexdigest() for jpeg in jpegs}


def test_a_photo_is_durable_for_one_file_and_one_name(
    photos: PhotoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = picture()
    sha256 = photo_of(jpeg).sha256
    synced: list[Path] = []
    fsync = os.fsync

    def watch(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    photos.put(jpeg)
    shard = photos.folder / sha256[:2]
    file, name = synced
    assert (file.parent, name) == (shard, shard)
    # Another thread may have written the file without having synced its name yet.
    photos.put(jpeg)
    assert synced == [file, shard, shard]


def test_a_removed_photo_is_gone(photos: PhotoStore) -> None:
    sha256 = photos.put(picture()).sha256
    photos.remove(sha256)
    photos.remove(sha256)
    assert photos.get(sha256) is None
    assert not photos.has(sha256)
    assert photos.total_bytes() == 0
    assert photos.put(picture()).bytes > 0


@pytest.mark.parametrize(
    "name", ["", "../secret", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "/" + "a" * 63]
)
def test_a_name_that_is_no_hash_is_refused(photos: PhotoStore, name: str) -> None:
    for ask in (photos.get, photos.has, photos.remove):
        with pytest.raises(ValueError, match="not a sha256"):
            ask(name)


def test_half_written_photos_are_tidied(photos: PhotoStore) -> None:
    sha256 = photos.put(picture()).sha256
    half = photos.folder / sha256[:2] / ".abcdef.tmp"
    half.write_bytes(b"half")
    assert list(photos.names()) == [sha256]
    photos.tidy()
    assert not half.exists()
    assert photos.has(sha256)


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"quality": 30, "optimize": True}, {"restart_marker_rows": 1}],
)
def test_pictures_pass(options: dict[str, Any]) -> None:
    jpeg = picture(**options)
    refuse_metadata(jpeg)
    assert photo_of(jpeg).bytes == len(jpeg)


def test_a_picture_from_opencv_passes() -> None:
    pixels = numpy.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype="uint8")
    ok, jpeg = cv2.imencode(".jpg", pixels)
    assert ok
    refuse_metadata(jpeg.tobytes())


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0110] = "phone"
    return tags


@pytest.mark.parametrize(
    ("options", "segment"),
    [({"exif": exif()}, "FFE1"), ({"xmp": b"<x:xmpmeta/>"}, "FFE1"), ({"comment": b"me"}, "FFFE")],
)
def test_words_about_the_picture_are_refused(
    photos: PhotoStore, options: dict[str, Any], segment: str
) -> None:
    with pytest.raises(ValueError, match=segment):
        photos.put(picture(**options))
    assert list(photos.names()) == []


def test_words_after_the_first_scan_are_refused() -> None:
    jpeg = picture(progressive=True)
    at = jpeg.rindex(b"\xff\xda")
    with pytest.raises(ValueError, match="FFE1"):
        refuse_metadata(jpeg[:at] + b"\xff\xe1\x00\x08Exif\0\0" + jpeg[at:])


@pytest.mark.parametrize(
    ("jpeg", "why"),
    [
        (b"", "not a JPEG"),
        (b"%PDF-1.7", "not a JPEG"),
        (b"\xff\xd8", "damaged"),
        (b"\xff\xd8\x00\x00", "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x00", "damaged"),
        (picture()[:-2], "truncated"),
        (picture() + b"\0", "something follows"),
        (picture() + picture(exif=exif()), "something follows"),
    ],
)
def test_what_is_not_one_whole_picture_is_refused(jpeg: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        refuse_metadata(jpeg)
