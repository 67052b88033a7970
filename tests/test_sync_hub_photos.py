"""Photos on their way to the hub, and away from it, with what can go wrong."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import cbor2
import pytest
from sqlalchemy import select

from field_data.errors import HubError
from sync.hub.app import Hub, create_hub, hub_of
from sync.hub.blobs import Blobs
from sync.hub.ingest import ingest
from sync.hub.photos import Photos, Upload, blob_name
from sync.hub.settings import HubSettings
from sync.hub.tables import DOOMED, PHOTO_PARTS, PHOTOS
from sync.types import Refusal
from tests.hub_nodes import PHOTO, Node, Wire, enrolled, erasure, first, record, sha
from tests.hubs import S3, ServedHub, hub_on, served, settings_in


@pytest.fixture(params=["small", "big"])
def any_wire(request: pytest.FixtureRequest) -> tuple[Wire, HubSettings]:
    """An enrolled node before a hub on SQLite and a folder, and one on PostgreSQL and S3."""
    name = "served_hub" if request.param == "small" else "served_big_hub"
    server: ServedHub = request.getfixturevalue(name)
    return enrolled(server), server.settings


def test_records_and_photos_arrive(any_wire: tuple[Wire, HubSettings]) -> None:
    wire, settings = any_wire
    data = os.urandom(30_000)
    seen = record(1, photos=(PHOTO,))
    assert wire.send(wire.node.segment(seen)).photos == ()
    assert wire.photo("HEAD", sha(data))[0] == 404
    status, headers, _ = wire.photo("PATCH", sha(data), data, **first(data))
    assert (status, headers["upload-offset"]) == (204, "30000")
    assert wire.photo("HEAD", sha(data))[1]["upload-length"] == "30000"
    receipt = wire.send(wire.node.segment(seen, record(2)))
    assert (receipt.seq, receipt.photos) == (2, (PHOTO,))
    with hub_on(settings) as hub:
        assert hub.blobs.get(blob_name(wire.node.id, sha(data))) == data
        # The same again is a success, and an erasure takes it all away.
        assert wire.photo("PATCH", sha(data), data, **first(data))[0] == 409
        wire.send(wire.node.segment(erasure(3, [1], [PHOTO])))
        assert hub.blobs.names() == []
    assert wire.photo("PATCH", sha(data), data, **first(data))[0] == 410


def test_an_upload_goes_on_in_another_process(any_wire: tuple[Wire, HubSettings]) -> None:
    wire, settings = any_wire
    data = os.urandom(100_000)
    status, headers, _ = wire.photo("PATCH", sha(data), data[:40_000], **first(data))
    assert (status, headers["upload-offset"]) == (204, "40000")
    with served(settings, workers=1) as other:
        wire.url = other.url
        status, headers, _ = wire.photo("PATCH", sha(data), b"?", Upload_Offset="10")
        assert (status, headers["upload-offset"]) == (409, "40000")
        assert wire.photo("PATCH", sha(data), data[40_000:], Upload_Offset="40000")[0] == 204
    with hub_on(settings) as hub:
        assert hub.blobs.names() == [blob_name(wire.node.id, sha(data))]
        assert hub.blobs.get(blob_name(wire.node.id, sha(data))) == data


def test_bytes_of_a_cut_request_are_not_lost(served_hub: ServedHub) -> None:
    wire, data = enrolled(served_hub), os.urandom(60_000)
    assert wire.photo("PATCH", sha(data), b"", **first(data))[0] == 204
    half_sent(wire, sha(data), data, 25_000)
    end = time.monotonic() + 20
    while (offset := wire.photo("HEAD", sha(data))[1]["upload-offset"]) == "0":
        assert time.monotonic() < end
        time.sleep(0.05)
    rest = data[int(offset) :]
    assert int(offset) > 24_000
    assert wire.photo("PATCH", sha(data), rest, Upload_Offset=offset)[0] == 204


def half_sent(wire: Wire, sha256: str, data: bytes, sent: int) -> None:
    """A PATCH whose link dies."""
    from sync.requests import authorization

    path, now_s = f"/n/1/photos/{sha256}", int(time.time())
    key = authorization(wire.node.key, wire.node.id, wire.hub, "PATCH", path, now_s, "0")
    head = f"PATCH {path} HTTP/1.1\r\nHost: hub\r\nUpload-Offset: 0\r\nAuthorization: {key}\r\n"
    host, port = urlsplit(wire.url).netloc.split(":")
    with socket.create_connection((host, int(port))) as link:
        link.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:sent])
        time.sleep(0.3)


def test_bytes_that_are_not_those_of_the_name_are_thrown_away(
    served_hub: ServedHub,
) -> None:
    wire, data = enrolled(served_hub), os.urandom(5000)
    wrong = data[:-1] + b"?"
    assert wire.photo("PATCH", sha(data), wrong, **first(data))[0] == 460
    assert wire.photo("PATCH", sha(data), wrong[:3000], **first(data))[0] == 204
    assert wire.photo("PATCH", sha(data), wrong[3000:], Upload_Offset="3000")[0] == 460
    assert wire.photo("HEAD", sha(data))[0] == 404
    with hub_on(served_hub.settings) as hub:
        assert hub.blobs.names() == []
    assert wire.photo("PATCH", sha(data), data, **first(data))[0] == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload_Length": str(10 << 30)}, 413),
        ({"Upload_Length": "4"}, 413),
        ({"Upload_Length": "-1"}, 400),
        ({"Upload_Metadata": "photo ../../etc,rendition view"}, 400),
        ({"Upload_Metadata": f"photo {PHOTO},rendition huge"}, 400),
        ({"Upload_Offset": "7"}, 409),
    ],
)
def test_a_hostile_upload_is_refused(
    served_hub: ServedHub,
    headers: dict[str, str],
    status: int,
) -> None:
    wire, data = enrolled(served_hub), b"12345"
    assert wire.photo("PATCH", sha(data), data, **(first(data) | headers))[0] == status
    assert list(Path(served_hub.settings.blobs).rglob("*")) == []
    assert wire.photo("PATCH", "..%2F..%2Fetc", data, **first(data))[0] in (400, 403, 404)


def test_a_node_has_its_part_of_the_hub_and_no_more(sqlite_hub: Hub) -> None:
    hub = replace(sqlite_hub, settings=replace(sqlite_hub.settings, quota_bytes=100))
    node = Node().enrolled(hub)
    photos = Photos(hub)
    photos.begin(Upload(node.id, sha(b"a"), PHOTO, "view", 60))
    with pytest.raises(HubError) as caught:
        photos.begin(Upload(node.id, sha(b"b"), PHOTO, "thumb", 60))
    assert caught.value.code == Refusal.FULL


def test_a_full_disk_is_told_and_passes(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), spare_bytes=1 << 60)
    app = create_hub(settings)
    hub, node, data = hub_of(app), Node(), b"12345"
    node.enrolled(hub)
    photos = Photos(hub)
    photos.begin(Upload(node.id, sha(data), PHOTO, "view", 5))
    with pytest.raises(HubError) as caught:
        photos.append(node.id, sha(data), 0, data)
    assert caught.value.code == Refusal.FULL
    roomy = Photos(replace(hub, blobs=Blobs(settings.blobs)))
    assert roomy.append(node.id, sha(data), 0, data) == 5
    hub.database.close()


def test_a_process_that_died_before_the_whole_is_followed(sqlite_hub: Hub) -> None:
    node, data = Node().enrolled(sqlite_hub), b"12345"
    photos = Photos(sqlite_hub)
    photos.begin(Upload(node.id, sha(data), PHOTO, "view", 5))
    photos.append(node.id, sha(data), 0, data[:3])
    photos._keep_part(node.id, sha(data), 3, data[3:])  # and then the power failed
    assert photos.settled(node.id, sha(data)) == (5, 5)
    assert sqlite_hub.blobs.names() == [blob_name(node.id, sha(data))]


def test_a_photo_stays_while_another_record_names_it(sqlite_hub: Hub) -> None:
    node, data = Node().enrolled(sqlite_hub), b"12345"
    photos = Photos(sqlite_hub)
    ingest(sqlite_hub, node.batch(record(1, photos=(PHOTO,)), record(2, photos=(PHOTO,))))
    photos.begin(Upload(node.id, sha(data), PHOTO, "view", 5))
    photos.append(node.id, sha(data), 0, data)
    ingest(sqlite_hub, node.batch(erasure(3, [1], [PHOTO])))
    assert sqlite_hub.blobs.names() != []
    ingest(sqlite_hub, node.batch(record(2, rev=1), last=3))  # the yes to photos was withdrawn
    assert sqlite_hub.blobs.names() == []
    ingest(sqlite_hub, node.batch(record(2, rev=2, photos=(PHOTO,)), last=3))  # and given again
    assert photos.begin(Upload(node.id, sha(data), PHOTO, "view", 5)) == 0


def test_an_hour_without_the_store_of_photos_loses_nothing(
    served_big_hub: ServedHub,
    s3_server: S3,
) -> None:
    wire, data = enrolled(served_big_hub), os.urandom(50_000)
    assert wire.photo("PATCH", sha(data), data[:20_000], **first(data))[0] == 204
    s3_server.stop()
    try:
        status, headers, body = wire.photo("PATCH", sha(data), data[20_000:], Upload_Offset="20000")
        assert (status, headers["retry-after"]) == (503, "60")
        assert cbor2.loads(body)["reason"] == "unavailable"
        assert wire.send(wire.node.segment(record(1))).seq == 1  # records need no photos
    finally:
        s3_server.start()
    end = time.monotonic() + 60
    while True:
        offset = wire.photo("HEAD", sha(data))[1]["upload-offset"]
        assert offset in ("20000", "50000")
        rest = data[int(offset) :]
        if wire.photo("PATCH", sha(data), rest, Upload_Offset=offset)[0] == 204:
            break
        assert time.monotonic() < end
        time.sleep(1)
    with hub_on(served_big_hub.settings) as hub:
        assert hub.blobs.get(blob_name(wire.node.id, sha(data))) == data


def test_nothing_is_left_over_when_uploads_race(sqlite_hub: Hub) -> None:
    node, data = Node().enrolled(sqlite_hub), b"1234567890"
    photos = Photos(sqlite_hub)
    photos.begin(Upload(node.id, sha(data), PHOTO, "view", 10))
    photos.append(node.id, sha(data), 0, data[:4])
    from sync.hub.photos import OffsetError

    with pytest.raises(OffsetError) as caught:
        photos._keep_part(node.id, sha(data), 0, data[:6])  # read the offset before the other wrote
    assert caught.value.offset == 4
    photos.append(node.id, sha(data), 4, data[4:])
    assert sqlite_hub.blobs.names() == [blob_name(node.id, sha(data))]
    with sqlite_hub.database.reading() as connection:
        assert connection.execute(select(PHOTO_PARTS)).all() == []
        assert connection.execute(select(DOOMED)).all() == []
        assert connection.execute(select(PHOTOS.c.whole_s)).scalar_one() is not None


def test_whoever_is_late_does_not_overwrite_a_whole_photo(
    sqlite_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, data = Node().enrolled(sqlite_hub), b"1234567890"
    photos, faster = Photos(sqlite_hub), Photos(sqlite_hub)
    photos.begin(Upload(node.id, sha(data), PHOTO, "view", 10))
    photos.append(node.id, sha(data), 0, data[:4])
    photos._keep_part(node.id, sha(data), 4, data[4:])
    put = sqlite_hub.blobs.put_pieces

    def late(name: str, pieces: object) -> None:
        monkeypatch.setattr(sqlite_hub.blobs, "put_pieces", put)
        faster.complete(node.id, sha(data))  # and removes the parts
        put(name, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite_hub.blobs, "put_pieces", late)
    photos.complete(node.id, sha(data))
    assert sqlite_hub.blobs.get(blob_name(node.id, sha(data))) == data
    assert sqlite_hub.blobs.names() == [blob_name(node.id, sha(data))]


def test_pieces_that_break_off_leave_what_was_there(sqlite_hub: Hub, s3_server: S3) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise HubError(Refusal.DAMAGED, "no more of it")

    big = Blobs(s3_server.new_bucket())
    for blobs in (sqlite_hub.blobs, big):
        blobs.put_pieces("photos/one", [b"the ", b"whole"])
        with pytest.raises(HubError, match="no more"):
            blobs.put_pieces("photos/one", broken())
        assert blobs.get("photos/one") == b"the whole"
    big.close()
