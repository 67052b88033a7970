"""Whole model folders made for tests: a graph of a few nodes, everything else as published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from field_data.types import HEALTHY
from models.golden import write_golden
from models.neighbours import pack_neighbours

PX, DEPTH = 64, 8
LABELS = (("LYPES", "PHYTIN"), ("LYPES", "ALTESO"), ("LYPES", HEALTHY))
# A photo of this colour makes the graph of ``fails_on_blue`` fail at run.
BLUE = (20, 30, 250)


def _tensor(name: str, values: NDArray[Any]) -> Any:
    return numpy_helper.from_array(values, name)


def graph(
    classes: int = len(LABELS),
    *,
    seed: int = 0,
    px: int | str = "px",
    gate: int = 3,
    fails_on_blue: bool = False,
) -> bytes:
    """Mean colour of each quarter to logits, gate and embedding, by random weights."""
    rng = np.random.default_rng(seed)
    wide = 3 * 16
    weights = {
        "to_embedding": (wide, DEPTH), "to_logits": (DEPTH, classes), "to_gate": (DEPTH, gate)
    }  # fmt: skip
    held = [_tensor(k, rng.normal(0, 1, shape).astype(np.float32)) for k, shape in weights.items()]
    # The gate sees a leaf in everything.
    held += [
        _tensor("bias", np.array([1000.0, *[0.0] * (gate - 1)], np.float32)),
        _tensor("whole", np.array([2, 3], np.int64)),
        _tensor("flat", np.array([0, -1], np.int64)),
        _tensor("scale", np.array(1 / 64, np.float32)),
    ]
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        node("Mul", ["planes", "scale"], ["scaled"]),
        node("AveragePool", ["scaled"], ["cells"], kernel_shape=[16, 16], strides=[16, 16]),
        node("Reshape", ["cells", "flat"], ["colours"]),
        node("MatMul", ["colours", "to_embedding"], ["embedding"]),
        node("MatMul", ["embedding", "to_logits"], ["logits"]),
        node("MatMul", ["embedding", "to_gate"], ["turned"]),
        node("Add", ["turned", "bias"], ["gate_out"]),
    ]
    if fails_on_blue:
        held += [
            _tensor("bound", np.array(210, np.float32)),
            _tensor("third", np.array([2], np.int64)),
            _tensor("nothing", np.zeros(1, np.float32)),
            _tensor("four", np.array([0, 1, 2, 3], np.int64)),
        ]
        nodes += [
            node("Gather", ["planes", "third"], ["blue"], axis=1),
            node("ReduceMean", ["blue", "four"], ["mean"], keepdims=0),
            node("Greater", ["mean", "bound"], ["too_blue"]),
            node("Cast", ["too_blue"], ["place"], to=TensorProto.INT64),
            node("Gather", ["nothing", "place"], ["zero"]),  # out of bounds when blue
            node("Add", ["gate_out", "zero"], ["gate"]),
        ]
    else:
        nodes.append(node("Identity", ["gate_out"], ["gate"]))
    made = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", px, px, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes]),
         helper.make_tensor_value_info("gate", TensorProto.FLOAT, ["n", gate]),
         helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DEPTH])],
        held,
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _entry(folder: Path, name: str, data: bytes) -> dict[str, Any]:
    (folder / name).write_bytes(data)
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def make_model(
    folder: Path,
    version: str = "1.0.0",
    data: bytes | None = None,
    *,
    golden: bool = True,
    **manifest: Any,
) -> Path:
    """Write a whole model into ``folder``; ``data`` is its graph, ``manifest`` other keys."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CARD.md").write_text("# A card\n", encoding="utf-8")
    vectors = np.random.default_rng(1).normal(size=(6, DEPTH)).astype(np.float32)
    limits = {"confident": 0.5, "confident_any_crop": 0.5, "familiar": -1.0, "candidate": 0.05,
              "not_a_plant": 0.99, "far": 0.99, "blur": 2.0, "dark": -1.0, "glare": 2.0,
    }  # fmt: skip
    raw = {
        "schema": 1, "name": "leaf_health", "version": version, "created": "2026-11-24",
        "labels": LABELS, "px": PX, "temperature": 1.0, "thresholds": limits, "alert": [],
        "files": {
            "fp32": _entry(folder, "model.onnx", data if data is not None else graph()),
            "neighbours": _entry(folder, "neighbours.npz",
                                 pack_neighbours(vectors, np.array(["LYPES"] * 6))),
        },
        "training": {}, "metrics": {},
    }  # fmt: skip
    save(folder, raw | manifest)
    if golden:
        write_golden(folder)
    return folder


def raw_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, to be changed."""
    raw: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return raw


def save(folder: Path, raw: dict[str, Any]) -> None:
    """Write a manifest, whatever is in it."""
    (folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")


def replace_file(folder: Path, key: str, data: bytes) -> None:
    """Put other bytes in the place of a file, with a manifest that agrees."""
    raw = raw_manifest(folder)
    raw["files"][key] = _entry(folder, raw["files"][key]["file"], data)
    save(folder, raw)
