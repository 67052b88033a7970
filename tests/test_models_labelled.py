"""Labelled sets: what is read, what is refused, and which photos belong together."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from field_data.errors import PersonError
from models.labelled import (
    NEGATIVE,
    REQUIRED,
    Row,
    check_photos,
    frame_number,
    of_split,
    read_rows,
    series_of,
)

HEAD = [*REQUIRED, "note"]
GOOD = ["a.jpg", "Zea mays", "PUCCSO", "src", "lab", "val", ""]


def folder_of(folder: Path, *rows: list[str], head: list[str] = HEAD) -> Path:
    with (folder / "classification.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([head, *rows])
    (folder / "vocabulary.csv").write_text("crop,crop_eppo\nZea mays,ZEAMX\nunspecified,\n")
    return folder


def row(source_file: str = "", note: str = "", source: str = "src", file: str = "a.jpg") -> Row:
    return Row(file, "ZEAMX", "PUCCSO", source, "lab", "val", "", source_file, note)


def test_scientific_names_and_codes_are_one_crop(tmp_path: Path) -> None:
    coded = ["b.jpg", "ZEAMX", *GOOD[2:]]
    nothing = ["n.jpg", NEGATIVE, "OOD-PLANT", *GOOD[3:]]
    wheat = ["w.jpg", "Triticum aestivum", *GOOD[2:]]
    folder = folder_of(tmp_path, GOOD, coded, nothing, wheat)
    rows = read_rows(folder, {"Triticum aestivum": "TRZAX"})
    assert [r.crop for r in rows] == ["ZEAMX", "ZEAMX", NEGATIVE, "TRZAX"]
    (folder / "vocabulary.csv").unlink()
    codes = {"Triticum aestivum": "TRZAX", "Zea mays": "ZEAMX"}
    assert read_rows(folder, codes) == rows


def test_an_unknown_crop_is_refused_or_welcome(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, GOOD, ["b.jpg", "Rosa", *GOOD[2:]])
    with pytest.raises(PersonError, match="unknown crop: Rosa"):
        read_rows(folder)
    assert [r.crop for r in read_rows(folder, strangers=True)] == ["ZEAMX", "Rosa"]


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [
        ([GOOD[:-2]], HEAD[:-2], "column missing: split"),
        ([], HEAD, "no row"),
        ([["../a.jpg", *GOOD[1:]]], HEAD, "not inside"),
        ([["/etc/passwd", *GOOD[1:]]], HEAD, "not inside"),
        ([["images\\..\\a.jpg", *GOOD[1:]]], HEAD, "not inside"),
        ([["", *GOOD[1:]]], HEAD, "file is blank"),
        ([["a.jpg", "Zea mays", " ", *GOOD[3:]]], HEAD, "condition is blank"),
        ([GOOD[:-1]], HEAD, "not as many cells"),
        ([[*GOOD, "more"]], HEAD, "not as many cells"),
    ],
)
def test_a_bad_table_is_refused(
    tmp_path: Path, rows: list[list[str]], head: list[str], why: str
) -> None:
    with pytest.raises(PersonError, match=why) as caught:
        read_rows(folder_of(tmp_path, *rows, head=head))
    assert caught.value.code == "bad_dataset"


def test_no_table_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonError, match="cannot be read"):
        read_rows(tmp_path)
    (tmp_path / "classification.csv").write_bytes(b"\xff\xd8\xff\xe0 not text")
    with pytest.raises(PersonError, match="UTF-8"):
        read_rows(tmp_path)


def test_splits(tmp_path: Path) -> None:
    rows = read_rows(folder_of(tmp_path, GOOD, ["b.jpg", *GOOD[1:5], "train", ""]))
    assert [r.file for r in of_split(rows, "val")] == ["a.jpg"]
    assert len(of_split(rows, "all")) == 2
    with pytest.raises(PersonError, match="there are: train, val"):
        of_split(rows, "test")


def test_photos_must_be_there_and_inside(tmp_path: Path) -> None:
    inside = tmp_path / "set"
    inside.mkdir()
    with pytest.raises(PersonError, match=r"1 photos are not there, the first: a\.jpg"):
        check_photos(inside, [row()])
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (inside / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(PersonError, match="not there"):
        check_photos(inside, [row()])
    (inside / "a.jpg").unlink()
    (inside / "a.jpg").write_bytes(b"x")
    check_photos(inside, [row()])


UUID = "0a1b2c3d-1111-2222-3333-444455556666"


@pytest.mark.parametrize(
    ("source_file", "note", "series", "frame"),
    [
        (f"{UUID}___RS_HL 1234.JPG", "series JR_Sept.L.S", "JR_Sept.L.S", 1234),
        (f"{UUID}___RS_Erly-B 7439.JPG", "", "RS_Erly-B", 7439),
        (f"{UUID}___Com-G_SpM_FL-9508_JPG_jpg.rf.0f3e.jpg", "", "Com-G_SpM_FL", 9508),
        (f"{UUID}___R.S_HL 8123 copy 2.jpg", "", "R.S_HL", 8123),
        ("RS_Rust 1563.JPG", "", "RS_Rust", 1563),
        ("IMG_3028_3.jpg", "", "src", 3028),
        ("angular_leaf_spot_train.12.jpg", "", "src", 12),
        ("DCS_0611-1-_jpg.rf.8f3e.jpg#box3", "", "src", 611),
        ("20170718-111932-3.jpg", "split by day", "day 2017-07-18", 20170718111932),
        ("20170718-111932-3.jpg", "", "src", 20170718111932),
        ("x.jpg", "day 2026-05-01; phone A", "day 2026-05-01", -1),
        ("", "", "src", -1),
    ],
)
def test_series_and_frame(source_file: str, note: str, series: str, frame: int) -> None:
    assert series_of(row(source_file, note)) == row(source_file, note).series == series
    assert frame_number(source_file) == frame


def test_crops_and_copies_share_their_photo() -> None:
    one, other = row("DCS_1.jpg#box1"), row("DCS_1.jpg#box2", file="b.jpg")
    assert one.photo == other.photo != row("DCS_2.jpg").photo
    assert row("DCS_1_jpg.rf.aa.jpg").photo == row("DCS_1_jpg.rf.bb.jpg").photo
    assert row("1.jpg", source="A").photo != row("1.jpg", source="B").photo
    assert row(file="c.jpg").photo == "c.jpg"
