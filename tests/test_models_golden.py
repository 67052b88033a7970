"""Golden samples and the probe: what must not work is found before anybody is answered by it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_app.node import MODEL_FOLDER
from field_data.errors import PublisherError
from models.golden import (
    SAMPLES,
    TOLERANCE,
    draw,
    farthest,
    pack_golden,
    read_golden,
    samples,
    write_golden,
)
from models.manifest import checked_bytes, read_manifest
from models.probe import probe, probe_apart, probed_diagnoser
from models.runtime import OnnxModel, Outputs
from tests.small_models import DEPTH, graph, make_model, replace_file


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(PublisherError) as caught:
        action()
    return caught.value.code


def test_every_machine_draws_the_same_pixels() -> None:
    """Integers only: if this fails, golden.npz of every published model is void."""
    drawn = hashlib.sha256(samples(224).tobytes()).hexdigest()
    assert drawn == "8ab4c50d00f6f242792c2de2b393454b8fe64db3d13973b750169cb772f79daa"
    assert len({draw(seed, 64).tobytes() for seed in range(SAMPLES)}) == SAMPLES


def test_the_shipped_model_answers_its_golden_samples() -> None:
    said = probe(MODEL_FOLDER)
    assert set(said["off"]) == {"fp32", "int8"}
    for variant, off in said["off"].items():
        assert off <= TOLERANCE[variant]


def test_tolerances_let_int8_stray_as_far_as_quantisation_but_no_further() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    golden = read_golden(checked_bytes(MODEL_FOLDER, manifest.files["golden"]))
    full, small = golden.expected["fp32"], golden.expected["int8"]
    assert TOLERANCE["fp32"] < farthest(small, full) < TOLERANCE["int8"] / 2
    # The answers to other photos are too far, one for one.
    for shift in range(1, SAMPLES):
        other = Outputs(*(np.roll(getattr(full, k), shift, axis=0)
                          for k in ("logits", "gate", "embedding")))  # fmt: skip
        assert farthest(other, full) > TOLERANCE["int8"]


def test_what_is_not_finite_or_of_another_shape_is_infinitely_far() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    said = read_golden(checked_bytes(MODEL_FOLDER, manifest.files["golden"])).expected["fp32"]
    assert farthest(said, said) == 0
    spoilt = said.embedding.copy()
    spoilt[0, 0] = np.nan
    assert farthest(replace(said, embedding=spoilt), said) == np.inf
    assert farthest(replace(said, logits=said.logits[:, 1:]), said) == np.inf


def test_golden_samples_are_written_for_each_variant(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", golden=False)
    first = write_golden(folder)
    assert write_golden(folder) == first, "the same graphs give the same bytes"
    golden = read_golden((folder / first.file).read_bytes())
    assert list(golden.expected) == ["fp32"]
    assert golden.expected["fp32"].embedding.shape == (SAMPLES, DEPTH)
    assert probe(folder)["off"] == {"fp32": 0.0}
    assert probed_diagnoser(folder).variant == "model.onnx"


def test_a_model_without_golden_samples_is_not_believed(tmp_path: Path) -> None:
    assert code_of(lambda: probe(make_model(tmp_path / "m", golden=False))) == "golden_bad"


def test_other_weights_under_the_same_golden_samples_are_found(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    replace_file(folder, "fp32", graph(seed=1))
    assert code_of(lambda: probe(folder)) == "golden_differs"
    assert code_of(lambda: probed_diagnoser(folder)) == "golden_differs"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"x" * 100])
def test_broken_golden_samples_are_named(tmp_path: Path, data: bytes) -> None:
    folder = make_model(tmp_path / "m")
    replace_file(folder, "golden", data or b"\0")
    assert code_of(lambda: probe(folder)) == "golden_bad"


def test_golden_samples_for_other_pictures_are_named(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    golden = read_golden((folder / "golden.npz").read_bytes())
    replace_file(folder, "golden", pack_golden(samples(32), golden.expected))
    with pytest.raises(PublisherError, match="other pictures"):
        probe(folder)


def foreign() -> bytes:
    """A sound ONNX graph of something else."""
    info = helper.make_tensor_value_info
    made = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "other",
        [info("x", TensorProto.FLOAT, [1, 4])], [info("y", TensorProto.FLOAT, [1, 4])],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


def not_a_number() -> bytes:
    model = onnx.load_from_string(graph())
    for weights in model.graph.initializer:
        if weights.name == "to_embedding":
            weights.raw_data = np.full(48 * DEPTH, np.nan, np.float32).tobytes()
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no onnx", "model_corrupt"),
        (graph()[:-200], "model_corrupt"),
        (foreign(), "model_corrupt"),
        (graph(px=32), "model_corrupt"),
        (graph(classes=5), "bad_manifest"),
        (graph(gate=2), "golden_differs"),
        (not_a_number(), "golden_differs"),
    ],
    ids=["text", "truncated", "foreign", "input", "labels", "gate", "nan"],
)
def test_a_graph_that_does_not_fit_is_found(tmp_path: Path, data: bytes, code: str) -> None:
    folder = make_model(tmp_path / "m")
    replace_file(folder, "fp32", data)
    assert code_of(lambda: probe(folder)) == code


def test_a_gate_of_another_width_is_found_even_with_its_own_golden_samples(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", data=graph(gate=2))
    with pytest.raises(PublisherError, match="gate"):
        probe(folder)


def test_neighbours_that_do_not_fit_are_found(tmp_path: Path) -> None:
    from models.neighbours import pack_neighbours

    folder = make_model(tmp_path / "m")
    for vectors, crop in ((np.ones((3, DEPTH + 1)), "LYPES"), (np.ones((3, DEPTH)), "OTHER")):
        replace_file(
            folder, "neighbours", pack_neighbours(vectors.astype(np.float32), np.array([crop] * 3))
        )
        assert code_of(lambda: probe(folder)) == "model_corrupt"


def test_an_unknown_kind_is_named(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", golden=False, kind="oracle")
    assert code_of(lambda: probe(folder)) == "model_kind_unknown"


def test_another_kind_is_probed_by_its_own_probe(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", golden=False, kind="oracle")
    assert probe(folder, {"oracle": lambda path: {"seen": path.name}}) == {"seen": "m"}


def test_the_probe_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    assert probe_apart(folder)["off"] == {"fp32": 0.0}
    replace_file(folder, "fp32", graph()[:-200])
    assert code_of(lambda: probe_apart(folder)) == "model_corrupt"


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("kill -SEGV $$", "model_crashed", "signal 11"),
        ("kill -KILL $$", "model_crashed", "signal 9"),
        ("exit 3", "model_crashed", "code 3"),
        ("echo nonsense", "model_crashed", "code 0"),
        ("exec sleep 60", "model_slow", "did not end"),
    ],
)
def test_a_probe_that_dies_or_hangs_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, code: str, said: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(PublisherError, match=said) as caught:
        probe_apart(tmp_path, timeout_s=1.0 if "sleep" in script else 20.0)
    assert caught.value.code == code


def test_when_memory_runs_out_the_probe_goes_first(tmp_path: Path) -> None:
    """The child may only make itself a likelier victim: no privilege is needed."""
    code = "from models.probe import _first_to_go as go; go(); print(open(SCORE).read())"
    code = f"SCORE = '/proc/self/oom_score_adj'; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1000


def test_a_copy_of_the_shipped_model_gives_the_same_golden_samples(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL_FOLDER, tmp_path / "copy")
    before = read_golden((folder / "golden.npz").read_bytes())
    write_golden(folder)
    after = read_golden((folder / "golden.npz").read_bytes())
    assert after.pixels == before.pixels
    for variant, said in after.expected.items():
        assert farthest(said, before.expected[variant]) <= TOLERANCE[variant]
    manifest = read_manifest(folder)
    model = OnnxModel(checked_bytes(folder, manifest.files["fp32"]), manifest.px, 37)
    assert farthest(model.run(samples(manifest.px)), after.expected["fp32"]) < 1e-4
