"""The manifest is strict, and the shipped one keeps its promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_app.node import MODEL_FOLDER
from field_data.errors import PublisherError
from models.manifest import parse_manifest, read_manifest
from models.neighbours import pack_neighbours, read_neighbours
from models.registry import list_models
from models.runtime import OnnxModel, checked_bytes

TEXT = (MODEL_FOLDER / "manifest.json").read_text(encoding="utf-8")
Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> str:
    raw = json.loads(TEXT)
    change(raw)
    return json.dumps(raw)


def test_the_shipped_manifest_is_sound() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    assert manifest.crops == {"1CIDG", "CPSAN", "LYPES", "MABSD", "PHSVX", "SOLTU", "ZEAMX"}
    assert {"LIBEAS", "GYMNJV"} <= manifest.alert
    for part in manifest.files.values():
        assert len(checked_bytes(MODEL_FOLDER, part)) < 10_000_000
    assert len(manifest.training["data_sha256"]) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(surprise=1),
        lambda m: m.pop("labels"),
        lambda m: m.update(labels=[]),
        lambda m: m.update(labels=[["A", "X"], ["A", "X"]]),
        lambda m: m.update(labels=["AX"] * 2),
        lambda m: m.update(schema=2),
        lambda m: m.update(px=0),
        lambda m: m.update(temperature=0),
        lambda m: m.update(files={}),
        lambda m: m["files"]["int8"].update(file="../../etc/passwd"),
        lambda m: m["files"]["int8"].pop("sha256"),
        lambda m: m["thresholds"].update(sure=0.5),
        lambda m: m.update(thresholds=[]),
        lambda m: m["files"].pop("neighbours"),
        lambda m: m.update(temperature="1"),
        lambda m: m.update(px="224"),
        lambda m: m["files"]["int8"].update(file=3),
        lambda m: m["thresholds"].update(confident=None),
        lambda m: m.update(files=[]),
    ],
)
def test_a_wrong_manifest_is_refused(change: Change) -> None:
    with pytest.raises(PublisherError) as caught:
        parse_manifest(changed(change))
    assert caught.value.code == "bad_manifest"


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"x"'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(PublisherError):
        parse_manifest(text)


def test_labels_must_fit_the_graph() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    data = checked_bytes(MODEL_FOLDER, manifest.files["int8"])
    with pytest.raises(PublisherError, match="classes"):
        OnnxModel(data, manifest.px, len(manifest.labels) + 1)
    with pytest.raises(PublisherError) as caught:
        OnnxModel(b"not onnx", manifest.px, 3)
    assert caught.value.code == "model_corrupt"


def test_both_variants_say_the_same() -> None:
    from models.preprocess import model_input
    from tests.builders import leaf_pixels

    manifest = read_manifest(MODEL_FOLDER)
    images = np.stack([model_input(leaf_pixels(300, 300, s), manifest.px) for s in range(6)])
    full, small = (
        OnnxModel(checked_bytes(MODEL_FOLDER, manifest.files[v]), manifest.px, len(manifest.labels))
        for v in ("fp32", "int8")
    )
    a, b = full.run(images).embedding, small.run(images).embedding
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.95


def test_model_list() -> None:
    [entry] = [m for m in list_models() if m["name"] == "leaf_health"]
    assert entry["ok"]
    assert entry["conditions"] == 37
    assert list(entry["claims"]) == ["test-public"]


def test_neighbours_round_trip_and_know_their_own() -> None:
    rng = np.random.default_rng(0)
    centres = {"A": rng.normal(size=64), "B": rng.normal(size=64)}
    crops = np.array(["A"] * 20 + ["B"] * 20)
    vectors = np.stack([centres[c] + 0.1 * rng.normal(size=64) for c in crops]).astype(np.float32)
    bank = read_neighbours(pack_neighbours(vectors, crops))
    probe = np.stack([centres["A"], centres["B"]]).astype(np.float32)
    near = bank.similarity(probe, "A")
    assert near[0] > 0.97
    assert near[1] < 0.5
    assert bank.similarity(probe, "unknown").tolist() == [0.0, 0.0]


def test_five_nearest_are_averaged() -> None:
    crops = np.array(["A"] * 6)
    vectors = np.eye(6, dtype=np.float32)
    bank = read_neighbours(pack_neighbours(vectors, crops))
    assert bank.similarity(vectors[:1], "A")[0] == pytest.approx(0.2, abs=1e-3)


def test_broken_neighbours_are_refused() -> None:
    good = pack_neighbours(np.ones((3, 4), np.float32), np.array(["A"] * 3))
    for data in (b"", b"PK\x03\x04", good[:60]):
        with pytest.raises(PublisherError):
            read_neighbours(data)
