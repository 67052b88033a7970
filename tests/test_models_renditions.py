"""Small pictures for the link: few bytes, good enough, and nothing in them but the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from field_data.errors import PersonError
from models.preprocess import kept_jpeg
from models.renditions import VIEW_BYTES, rendition, thumb, view
from tests.similarity import ssim

Image = NDArray[np.uint8]


def leafy(width: int, height: int, detail: float, seed: int = 3) -> Image:
    """Soft green patches with noise: ``detail`` 0 is smooth, 1 is hardly to be compressed."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.normal(0, 60, (9, 12, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    rough = rng.normal(0, 60 * detail, (height, width, 3))
    return np.clip(soft + rough + (60, 130, 70), 0, 255).astype(np.uint8)


def pixels(avif: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(avif, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8, copy=False)


def test_a_thumb_and_a_view_keep_the_shape_and_are_avif() -> None:
    photo = kept_jpeg(leafy(1024, 768, 0.05))
    for avif, size in ((thumb(photo), (120, 160)), (view(photo), (768, 1024))):
        assert avif[4:12] == b"ftypavif"
        assert pixels(avif).shape[:2] == size
    assert len(thumb(photo)) < len(view(photo)) <= VIEW_BYTES


def test_a_photo_full_of_detail_becomes_smaller_rather_than_worse() -> None:
    assert max(pixels(view(kept_jpeg(leafy(1024, 768, 0.6)))).shape) == 640


def test_nothing_is_enlarged_and_a_narrow_photo_keeps_a_pixel() -> None:
    assert pixels(view(kept_jpeg(leafy(300, 200, 0.1)))).shape[:2] == (200, 300)
    assert pixels(thumb(kept_jpeg(leafy(100, 80, 0.1)))).shape[:2] == (80, 100)
    assert pixels(thumb(kept_jpeg(leafy(800, 110, 0.1)))).shape[:2] == (22, 160)


def test_what_the_file_said_beside_its_pixels_is_gone() -> None:
    plain = kept_jpeg(leafy(640, 480, 0.05))
    told = b"Exif\0\0MM\0*\0\0\0\x08\0\0 33.8912 N 5.5473 W; taken by Fatima"
    segment = b"\xff\xe1" + (len(told) + 2).to_bytes(2, "big") + told
    for made in (thumb, view):
        avif = made(plain[:2] + segment + plain[2:])
        assert avif == made(plain)
        assert not any(word in avif for word in (b"Exif", b"mime", b"xml", b"Fatima"))


def test_the_same_photo_gives_the_same_bytes() -> None:
    photo = kept_jpeg(leafy(512, 384, 0.2))
    assert view(photo) == view(photo)
    assert thumb(photo) == thumb(photo) == rendition(photo, "thumb")
    with pytest.raises(ValueError, match="original"):
        rendition(photo, "original")


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0", b"GIF89a", b"<svg/>"])
def test_what_is_no_photo_is_refused(data: bytes) -> None:
    with pytest.raises(PersonError):
        view(data)


@pytest.mark.data
def test_real_photos_look_as_good_as_a_jpeg_of_one_and_a_half_times_the_bytes(
    photo_set: Path,
) -> None:
    paths = sorted((photo_set / "detection" / "images").iterdir())[::150]
    avif_bytes = jpeg_bytes = 0
    avif_like, jpeg_like = [], []
    for path in paths:
        source = pixels(path.read_bytes())
        # Made smaller, so that the traces of its own compression are gone.
        photo = cv2.resize(source, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        image = photo.astype(np.uint8, copy=False)
        done, lossless = cv2.imencode(".png", image)
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1].tobytes()
        assert done
        avif = view(lossless.tobytes())
        avif_bytes, jpeg_bytes = avif_bytes + len(avif), jpeg_bytes + len(jpeg)
        avif_like.append(ssim(image, pixels(avif)))
        jpeg_like.append(ssim(image, pixels(jpeg)))
    assert len(paths) > 5
    assert np.mean(avif_like) > np.mean(jpeg_like) - 0.005
    assert 1.5 * avif_bytes < jpeg_bytes
