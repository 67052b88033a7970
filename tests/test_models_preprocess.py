"""Bytes to pixels: what is read, what is refused, and how fast a bomb is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from field_data.errors import PersonError
from models import preprocess
from tests.builders import encoded, leaf_jpeg, leaf_pixels


def refusal(data: bytes) -> str:
    with pytest.raises(PersonError) as caught:
        preprocess.decode(data)
    return caught.value.code


def code_of(data: bytes) -> str | None:
    """The refusal's code, None for a photo that could be read."""
    try:
        preprocess.decode(data)
    except PersonError as error:
        return error.code
    return None


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises that size and whose pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    body = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_an_image"),
        (b"\xff", "not_an_image"),
        (b"%PDF-1.7 renamed to .jpg", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\xff\xd8\xff\xe0", "photo_damaged"),
        (b"\x89PNG\r\n\x1a\n", "photo_damaged"),
        (b"GIF89a", "photo_damaged"),
        (b"RIFF\0\0\0\0WEBPVP8X", "photo_damaged"),
        (png_of(0, 10), "photo_damaged"),
        (png_of(640, 480), "photo_damaged"),
        (png_of(20000, 20000), "photo_too_big"),
    ],
)
def test_what_is_no_photo_is_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.995])
def test_truncated_photos_are_refused(kept: float) -> None:
    whole = leaf_jpeg()
    assert refusal(whole[: int(len(whole) * kept)]) == "photo_damaged"


def test_a_bomb_is_refused_from_its_header() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20000, 20000)).save(bomb, "PNG")
    data = bomb.getvalue()
    started = time.perf_counter()
    assert refusal(data) == "photo_too_big"
    assert time.perf_counter() - started < 0.1  # the promise: before anything is decoded


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_of(width: int, height: int, marker: int = 0xC0, in_scan: int = 3, scans: int = 1) -> bytes:
    """The markers of a JPEG of that size, without tables or pixels."""
    frame = segment(marker, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))
    return b"\xff\xd8" + frame + segment(0xDA, bytes([in_scan]) + bytes(9)) * scans + bytes(20)


def size_of(data: bytes) -> tuple[int, int]:
    header = preprocess.read_header(data)
    return header.width, header.height


def test_what_costs_memory_for_every_pixel_gets_less_room() -> None:
    assert size_of(jpeg_of(9000, 12000)) == (9000, 12000)
    for costly in (jpeg_of(9000, 12000, 0xC2), jpeg_of(9000, 12000, in_scan=1)):
        with pytest.raises(PersonError, match="9000 x 12000"):
            preprocess.read_header(costly)
    assert size_of(jpeg_of(4000, 3000, 0xC2)) == (4000, 3000)


def test_a_size_cannot_be_hidden_from_the_header_check() -> None:
    decoy = jpeg_of(64, 64)[2:]
    for hidden in (b"\xff\x00" + struct.pack(">H", 40), b"\xff\xd8", b"\xff\x02\0\4"):
        assert code_of(b"\xff\xd8" + hidden + decoy) == "photo_damaged"
    two_frames = jpeg_of(64, 64)[:21] + jpeg_of(30000, 3000)[2:]
    assert code_of(two_frames) == "photo_damaged"


def test_scans_without_end_and_ribbons_are_refused() -> None:
    assert code_of(jpeg_of(4000, 3000, 0xC2, scans=33)) == "photo_damaged"
    assert code_of(jpeg_of(30000, 700)) == "photo_too_big"
    assert code_of(encoded(leaf_pixels(3000, 2700), "GIF")) == "photo_too_big"


def test_the_decoder_has_a_bound_of_its_own() -> None:
    """Even a file that shows the decoder another size than us cannot fill the memory."""
    script = (
        "import models.preprocess as p, numpy as np, cv2\n"
        "from PIL import Image; import io\n"
        "f = io.BytesIO(); Image.new('L', (6000, 5000)).save(f, 'PNG')\n"
        "try: out = cv2.imdecode(np.frombuffer(f.getvalue(), np.uint8), cv2.IMREAD_COLOR)\n"
        "except cv2.error: out = None\n"
        "raise SystemExit(out is not None)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_header_and_decode_agree_on_size(kind: str) -> None:
    data = encoded(leaf_pixels(96, 64), kind)
    header = preprocess.read_header(data)
    assert (header.width, header.height) == (96, 64)
    assert preprocess.decode(data).shape == (64, 96, 3)


def test_lossless_and_extended_webp_headers() -> None:
    pixels = leaf_pixels(90, 70)
    for options in ({"lossless": True}, {"exif": Image.Exif().tobytes() or b"Exif\0\0II*\0"}):
        header = preprocess.read_header(encoded(pixels, "WEBP", **options))
        assert (header.width, header.height) == (90, 70)


def odd_images() -> list[tuple[str, bytes]]:
    base = Image.fromarray(leaf_pixels(320, 240))
    deep = np.asarray(base.convert("L")).astype(np.uint16) * 257

    def save(image: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return [
        ("cmyk", save(base.convert("CMYK"), "JPEG")),
        ("grey", save(base.convert("L"), "JPEG")),
        ("alpha", save(base.convert("RGBA"), "PNG")),
        ("palette", save(base.convert("P"), "PNG")),
        ("sixteen bit", save(Image.fromarray(deep), "PNG")),
        ("animated gif", save(base, "GIF", save_all=True, append_images=[base.rotate(90)])),
        ("animated webp", save(base, "WEBP", save_all=True, append_images=[base.rotate(90)])),
        ("progressive", save(base, "JPEG", progressive=True)),
    ]


@pytest.mark.parametrize(("name", "data"), odd_images(), ids=lambda value: str(value)[:14])
def test_odd_photos_become_upright_eight_bit_colour(name: str, data: bytes) -> None:
    image = preprocess.decode(data)
    assert image.dtype == np.uint8
    assert image.shape == (240, 320, 3)
    wanted = np.asarray(Image.fromarray(leaf_pixels(320, 240)).convert("L")).mean()
    assert abs(float(image.mean()) - float(wanted)) < 15, name


@pytest.mark.parametrize("short_side", [60, 320])
def test_exif_turns_the_photo_upright_at_any_scale(short_side: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # camera held upright: rotate 90 degrees clockwise to see it
    pixels = leaf_pixels(640, 480)
    pixels[:, :320] = 0
    image = preprocess.decode(encoded(pixels, "JPEG", exif=exif), short_side)
    height, width = image.shape[:2]
    assert height * 3 == width * 4
    assert image[: height // 3].mean() < 10 < image[-height // 3 :].mean()


def test_large_photos_are_decoded_at_reduced_scale() -> None:
    header = preprocess.Header("jpeg", 4000, 3000)
    assert preprocess.reduction(header, preprocess.WORK_PX) == 8
    assert preprocess.reduction(header, preprocess.KEPT_SHORT_PX) == 4
    assert preprocess.reduction(preprocess.Header("png", 4000, 3000), 320) == 1
    assert preprocess.reduction(preprocess.Header("jpeg", 300, 200), 320) == 1
    assert preprocess.decode(leaf_jpeg(2600, 2600), 320).shape == (325, 325, 3)


def test_model_input_is_rgb_and_square() -> None:
    blue = np.zeros((40, 60, 3), np.uint8)
    blue[..., 0] = 255
    square = preprocess.model_input(blue, 32)
    assert square.shape == (32, 32, 3)
    assert square[0, 0].tolist() == [0, 0, 255]


def test_kept_photo_has_no_metadata_and_bounded_size() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Phone maker"
    exif.get_ifd(0x8825)[1] = "N"
    data = encoded(leaf_pixels(1600, 1200), "JPEG", exif=exif)
    assert b"Phone maker" in data
    kept = preprocess.kept_jpeg(preprocess.decode(data, preprocess.KEPT_SHORT_PX))
    assert b"Exif" not in kept
    assert b"Phone maker" not in kept
    assert max(Image.open(io.BytesIO(kept)).size) == preprocess.KEPT_PX


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"]),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_politely_or_read(tail: bytes, magic: bytes) -> None:
    codes = {None, "heic", "not_an_image", "photo_damaged", "photo_too_big"}
    assert code_of(magic + tail) in codes


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_never_crashes(place: int, value: int) -> None:
    data = bytearray(leaf_jpeg(64, 48))
    data[place % len(data)] = value
    codes = {None, "not_an_image", "photo_damaged", "photo_too_big"}
    assert code_of(bytes(data)) in codes


def test_a_rendition_becomes_a_jpeg_of_its_size() -> None:
    canvas = np.full((60, 90, 3), (30, 120, 40), np.uint8)
    avif = cv2.imencode(".avif", canvas)[1].tobytes()
    jpeg, width, height = preprocess.jpeg_of(avif)
    assert (width, height) == (90, 60)
    assert preprocess.read_header(jpeg) == preprocess.Header("jpeg", 90, 60)
    assert preprocess.jpeg_of(jpeg) == (jpeg, 90, 60)
    at = avif.index(b"ispe") + 8
    bomb = avif[:at] + struct.pack(">II", 60_000, 60_000) + avif[at + 8 :]
    for bad in (bomb, avif[:200], avif[:40], b"", b"GIF89a", b"\xff\xd8\xff"):
        with pytest.raises(PersonError):
            preprocess.jpeg_of(bad)
