"""The served node: how bodies come in, and that memory stays where it is."""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edge_app.live_app import LOOK_S
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

    def some(times: int) -> list[int]:
        """Bytes after each round, and at the end once the idle node has given back what it can."""
        seen = []
        for _ in range(times):
            assert node.diagnose(large)["http"] == 200
            assert node.diagnose(large, f"{QUERY}&keep=1")["http"] == 200
            assert node.request("POST", f"{TARGET}&keep=1", parts + b"--x--\r\n", **form)[0] == 200
            seen.append(process.memory_info().rss)
        time.sleep(2 * LOOK_S + 0.5)
        return [*seen, process.memory_info().rss]

    # Every thread of the server keeps a third of a MiB from its first request on.
    first = some(math.ceil(process.num_threads() / 3))
    later = some(12)
    assert later[-1] - first[-1] < 4 * MIB
    assert max(first + later) < 220 * MIB


def refused_soon(host: str) -> bool:
    """Whether a new connection is refused within three seconds."""
    for _ in range(30):
        line = http.client.HTTPConnection(host, timeout=5)
        try:
            line.request("GET", "/en/")
            line.getresponse().read()
        except OSError:
            return True
        finally:
            line.close()
        time.sleep(0.1)
    return False


def test_a_stop_lets_an_upload_come_to_its_answer(node: ServedNode) -> None:
    photo = leaf_jpeg(640, 480)
    host = node.address.removeprefix("http://")
    idle, line = (http.client.HTTPConnection(host, timeout=60) for _ in range(2))
    idle.request("GET", "/en/")
    idle.getresponse().read()
    line.putrequest("POST", TARGET)
    line.putheader("Content-Type", "image/jpeg")
    line.putheader("Content-Length", str(len(photo)))
    line.endheaders()
    line.send(photo[: len(photo) // 2])
    time.sleep(0.5)
    psutil.Process(node.pid).terminate()
    assert refused_soon(host), "nobody new is let in"
    line.send(photo[len(photo) // 2 :])
    answer = line.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["status"]
    assert node.stop() == 0, "and then it ends, whoever only listens"
    idle.close()
    line.close()
