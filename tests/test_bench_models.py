"""The comparison of runtimes: its own arithmetic, and that what is missing is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.manifest import read_manifest
from tests.bench import bench_models, runtimes
from tests.bench.bench_models import MODELS, agreement, compare, drawn, shipped_graphs
from tests.bench.runtimes import MissingError, open_onnxruntime, planes_input, side_of

LEAF = MODELS / "leaf_health"


def test_every_graph_of_every_model_is_found(tmp_path: Path) -> None:
    manifest = read_manifest(LEAF)
    wanted = {LEAF / manifest.files[name].file for name in ("fp32", "int8")}
    assert wanted <= set(shipped_graphs())
    assert all(side_of(graph) == manifest.px for graph in wanted)
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "model.onnx").touch()
    assert shipped_graphs(tmp_path) == []


def test_agreement_goes_by_shape_not_by_order() -> None:
    logits = np.array([[0.0, 1.0], [2.0, 1.0]], np.float32)
    other = np.array([[0.0, 1.5], [0.5, 1.0]], np.float32)
    features = np.ones((2, 3), np.float32)
    same = agreement([logits, features], [features + 0.25, other])
    assert (same.top1, same.difference) == (0.5, 1.5)
    with pytest.raises(MissingError, match="shape"):
        agreement([logits, features], [logits])


def test_the_graph_for_the_converters_says_the_same(tmp_path: Path) -> None:
    graph = LEAF / read_manifest(LEAF).files["fp32"].file
    planes_input(graph, tmp_path / "plain.onnx")
    photo = drawn(side_of(graph), 1)
    before = open_onnxruntime(graph)(photo)
    after = open_onnxruntime(tmp_path / "plain.onnx")(
        photo.transpose(0, 3, 1, 2).astype(np.float32)
    )
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(before, after, strict=True))


def test_a_runtime_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(graph: Path, folder: Path) -> Path:
        raise MissingError("no converter")

    ways = {"onnxruntime": runtimes.RUNTIMES["onnxruntime"], "ncnn": (refuse, open_onnxruntime)}
    monkeypatch.setattr(bench_models, "RUNTIMES", ways)
    graph = LEAF / read_manifest(LEAF).files["int8"].file
    found = compare(graph, drawn(side_of(graph), 2), rounds=1)
    assert found["ncnn"] == {"missing": "no converter"}
    ours = found["onnxruntime"]
    assert (ours["same_top1"], ours["largest_difference"], ours["times_as_fast"]) == (1, 0, 1)
    assert ours["ms"] > 0
    assert 30 < ours["peak_mib"] < 400


def test_a_graph_that_is_not_sound_ends_its_process_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    np.save(tmp_path / "photos.npy", drawn(32, 1))
    with pytest.raises(MissingError):
        bench_models.Worker("onnxruntime", tmp_path / "model.onnx", tmp_path / "photos.npy")
