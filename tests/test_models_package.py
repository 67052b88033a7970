"""A model in one file: what was packed comes out again, and nothing else gets in."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from field_data.errors import PublisherError
from models.package import open_package, pack
from tests.small_models import make_model, raw_manifest, save

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("published") / "model", golden=False)


@pytest.fixture
def members(folder: Path) -> Members:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def zipped(members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], way: int = 8) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def code_of(path: Path, into: Path) -> str | None:
    """The code of the refusal; nothing may then be outside ``into``."""
    into.mkdir(exist_ok=True)
    try:
        with open_package(path) as package:
            package.unpack(into)
    except PublisherError as error:
        return error.code
    return None


def refusal(tmp_path: Path, data: bytes) -> str | None:
    (tmp_path / "x.ghm").write_bytes(data)
    code = code_of(tmp_path / "x.ghm", tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "x.ghm"]
    return code


def test_what_was_packed_comes_out_again(folder: Path, tmp_path: Path) -> None:
    header = pack(folder, tmp_path / "a.ghm")
    assert (header.name, header.version, header.kind) == ("leaf_health", "1.0.0", "leaf_classifier")
    with open_package(tmp_path / "a.ghm") as package:
        assert package.header == header
        assert package.bytes == sum(p.stat().st_size for p in folder.iterdir())
        (tmp_path / "out").mkdir()
        package.unpack(tmp_path / "out")
    for path in folder.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    pack(folder, tmp_path / "b.ghm")
    assert (tmp_path / "a.ghm").read_bytes() == (tmp_path / "b.ghm").read_bytes()


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_are_read(members: Members, tmp_path: Path, way: int) -> None:
    assert refusal(tmp_path, zipped(members.items(), way)) is None


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_not(members: Members, tmp_path: Path, way: int) -> None:
    assert refusal(tmp_path, zipped(members.items(), way)) == "package_bad"


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/b", "model.onnx/", "..", "C:evil", "a\\b", "extra.txt"]
)
def test_members_with_other_names_are_refused(members: Members, tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, zipped([*members.items(), (name, b"x")])) == "package_bad"


@pytest.mark.parametrize("missing", ["model.onnx", "CARD.md", "manifest.json"])
def test_a_missing_member_is_refused(members: Members, tmp_path: Path, missing: str) -> None:
    del members[missing]
    assert refusal(tmp_path, zipped(members.items())) == "package_bad"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_with_one_name_are_refused(members: Members, tmp_path: Path) -> None:
    twice = [*members.items(), ("model.onnx", b"another")]
    assert refusal(tmp_path, zipped(twice)) == "package_bad"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR])
def test_links_and_devices_are_refused(members: Members, tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("model.onnx")
    link.external_attr = (kind | 0o777) << 16
    members.pop("model.onnx")
    assert refusal(tmp_path, zipped([*members.items(), (link, b"/etc/passwd")])) == "package_bad"


def test_a_bomb_is_stopped_at_the_size_of_the_manifest(members: Members, tmp_path: Path) -> None:
    members["model.onnx"] = bytes(80_000_000)
    assert refusal(tmp_path, zipped(members.items())) == "package_bad"
    assert not any((tmp_path / "in").glob("model.onnx"))
    members["manifest.json"] += b" " * 2_000_000
    assert refusal(tmp_path, zipped(members.items())) == "package_bad"


def test_a_member_that_lies_about_its_size_is_stopped(members: Members, tmp_path: Path) -> None:
    size = len(members["model.onnx"])
    members["model.onnx"] = bytes(5_000_000)
    data = zipped(members.items())
    # Both headers claim the size of the manifest; the stream holds more.
    lying = data.replace(struct.pack("<I", 5_000_000), struct.pack("<I", size))
    assert lying != data
    assert refusal(tmp_path, lying) in ("package_bad", "model_corrupt")


def test_a_second_directory_behind_a_zip64_end_is_not_followed(
    members: Members, tmp_path: Path
) -> None:
    data = zipped(members.items())
    count, length, start = struct.unpack("<HII", data[-12:-2])
    # The ordinary end tells of a small directory, which holds the way to the real one.
    end64 = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(data) - 22, 1)
    hidden = end64 + locator
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(hidden), len(data) - 22, 0)
    hostile = data[:-22] + hidden + end
    assert len(zipfile.ZipFile(io.BytesIO(hostile)).infolist()) == count
    assert refusal(tmp_path, hostile) == "package_bad"


def test_other_bytes_than_the_manifests_are_refused(members: Members, tmp_path: Path) -> None:
    model = bytearray(members["model.onnx"])
    model[100] ^= 1
    members["model.onnx"] = bytes(model)
    assert refusal(tmp_path, zipped(members.items())) == "model_corrupt"


def test_damage_on_the_way_is_found(members: Members, tmp_path: Path) -> None:
    data = zipped(members.items(), zipfile.ZIP_STORED)
    at = data.index(members["model.onnx"]) + 50
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert refusal(tmp_path, damaged) == "package_bad"


def test_every_cut_is_refused(members: Members, tmp_path: Path) -> None:
    data = zipped(members.items())
    for cut in (0, 1, 21, 22, 100, len(data) // 2, len(data) - 23, len(data) - 1):
        assert refusal(tmp_path, data[:cut]) == "package_bad"


def test_any_byte_may_be_wrong(members: Members, tmp_path: Path) -> None:
    """Never another exception, never other content than what was packed."""
    members["CARD.md"] = b"card"
    data = zipped(members.items())
    directory = data.rindex(b"PK\x01\x02", 0, len(data))
    for at in [*range(0, 60), *range(directory, len(data))]:
        changed = data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]
        if refusal(tmp_path, changed) is None:
            for name, content in members.items():
                assert (tmp_path / "in" / name).read_bytes() == content


def test_something_behind_or_before_the_archive_is_refused(
    members: Members, tmp_path: Path
) -> None:
    data = zipped(members.items())
    assert refusal(tmp_path, data + b"x") == "package_bad"
    assert refusal(tmp_path, b"#!/bin/sh\n" + data) == "package_bad"


def test_a_directory_of_any_length_is_not_read(members: Members, tmp_path: Path) -> None:
    many = [*members.items(), *((f"f{n}", b"") for n in range(20))]
    assert refusal(tmp_path, zipped(many)) == "package_bad"
    long = zipfile.ZipInfo("CARD.md")
    long.comment = b"x" * 60_000
    members.pop("CARD.md")
    assert refusal(tmp_path, zipped([*members.items(), (long, b"card")])) == "package_bad"


def test_encrypted_members_are_refused(members: Members, tmp_path: Path) -> None:
    data = bytearray(zipped(members.items()))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert refusal(tmp_path, bytes(data)) == "package_bad"


Change = Callable[[dict[str, object]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(name="../evil"),
        lambda m: m.update(name="Leaf"),
        lambda m: m.update(version="1.0"),
        lambda m: m.update(version="../1.0.0"),
        lambda m: m.update(version="1.0.0-rc1"),
        lambda m: m.update(version="01.0.0"),
        lambda m: m.update(kind=3),
        lambda m: m.update(schema=9),
        lambda m: m.update(created=1),
        lambda m: m["files"]["fp32"].update(file="CARD.md"),
        lambda m: m["files"]["fp32"].update(file="neighbours.npz"),
        lambda m: m["files"]["fp32"].update(file=".hidden"),
        lambda m: m["files"]["fp32"].update(bytes=10**12),
        lambda m: m["files"]["fp32"].update(bytes=-1),
        lambda m: m["files"]["fp32"].update(sha256="x"),
        lambda m: m.update(files={}),
        lambda m: m.update(files=[]),
        lambda m: m.update(metrics=[]),
    ],
)
def test_a_manifest_with_tricks_is_refused(
    members: Members, tmp_path: Path, change: Change
) -> None:
    raw = json.loads(members["manifest.json"])
    change(raw)
    members["manifest.json"] = json.dumps(raw).encode()
    assert refusal(tmp_path, zipped(members.items())) == "bad_manifest"


def test_a_manifest_that_is_no_text_is_refused(members: Members, tmp_path: Path) -> None:
    for text in (b"\xff\xfe", b"[" * 100_000, b"{}", b"null"):
        members["manifest.json"] = text
        assert refusal(tmp_path, zipped(members.items())) == "bad_manifest"


def test_an_unsound_folder_is_not_packed(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", golden=False)
    raw = raw_manifest(folder)
    raw["files"]["fp32"]["sha256"] = "0" * 64
    save(folder, raw)
    with pytest.raises(PublisherError):
        pack(folder, tmp_path / "out.ghm")
    (make_model(tmp_path / "model", golden=False) / "CARD.md").unlink()
    with pytest.raises(PublisherError, match="card"):
        pack(folder, tmp_path / "out.ghm")
    assert not (tmp_path / "out.ghm").exists()


def test_what_shapes_no_answer_is_not_content(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", golden=False)
    raw = raw_manifest(folder)

    def content(**changes: object) -> str:
        save(folder, raw | changes)
        return pack(folder, tmp_path / "out.ghm").content

    same = content()
    assert content(version="2.0.0", created="2027-01-01", metrics={"a": 1}) == same
    assert content(temperature=1.5) != same
    assert content(labels=raw["labels"][::-1]) != same
