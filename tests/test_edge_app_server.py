"""The served node: how bodies come in, and that memory stays where it is."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.builders import leaf_jpeg, phone_jpeg
from tests.serving import ServedNode

QUERY = "crop=LYPES&lang=en"
TARGET = f"/api/v1/diagnose?{QUERY}"
MIB = 1024 * 1024


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ServedNode]:
    with ServedNode(tmp_path / "home") as served:
        yield served


def chunked(node: ServedNode, photo: bytes) -> tuple[int, dict[str, object]]:
    """Post a photo whose length is not said beforehand."""
    line = http.client.HTTPConnection(node.address.removeprefix("http://"), timeout=60)
    pieces = (photo[at : at + 50_000] for at in range(0, len(photo), 50_000))
    line.request("POST", TARGET, pieces, {"Content-Type": "image/jpeg"}, encode_chunked=True)
    answer = line.getresponse()
    said = json.loads(answer.read())
    line.close()
    return answer.status, said


@pytest.mark.parametrize("width", [320, 4800], ids=["in memory", "in a file"])
def test_a_photo_arrives_whole_with_or_without_a_length(node: ServedNode, width: int) -> None:
    photo = leaf_jpeg(width, width * 3 // 4)
    assert (len(photo) > MIB) is (width == 4800)
    status, by_pieces = chunked(node, photo)
    at_once = node.diagnose(photo)
    assert status == at_once["http"] == 200
    assert by_pieces["status"] == at_once["status"]
    assert by_pieces["candidates"] == at_once["candidates"]
    assert list((node.home / "uploads").iterdir()) == []


def test_memory_does_not_grow_with_photos(node: ServedNode) -> None:
    """Large photos, kept and not, one and six of them: what the first ones needed is enough."""
    large, process = phone_jpeg(), psutil.Process(node.pid)
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n%s\r\n' % photo
        for photo in [leaf_jpeg(1600, 1200, seed) for seed in range(6)]
    )
    form = {"Content-Type": "multipart/form-data; boundary=x"}

    def some(times: int) -> int:
        for _ in range(times):
            assert node.diagnose(large)["http"] == 200
            assert node.diagnose(large, f"{QUERY}&keep=1")["http"] == 200
            assert node.request("POST", f"{TARGET}&keep=1", parts + b"--x--\r\n", **form)[0] == 200
        return int(process.memory_info().rss)

    # What one round leaves behind wavers; a leak lifts even the least of the last rounds.
    before = max(some(1) for _ in range(8))
    later = [some(1) for _ in range(12)]
    assert min(later[-5:]) - before < 4 * MIB
    assert max(later) < 220 * MIB
