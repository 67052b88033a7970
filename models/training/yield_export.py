"""One ONNX graph for all horizons: rows of features in, a shift a horizon out.

What is missing counts as usual.  A row without any FPAR is answered by the models that were fitted
to NDVI alone; the node never has to choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from field_data.types import HORIZONS
from models.training.yield_fit import ARMS, Arm, Fold, columns_of
from sat_ingest.yield_features import NAMES

_OPSET, _ML_OPSET = 17, 3


def to_onnx(fold: Fold) -> bytes:
    """The graph: ``features`` float32 [n, len(NAMES)] to ``shift_02`` … ``shift_05`` [n, 1]."""
    from onnx import TensorProto, helper

    nodes, weights = _inputs()
    for horizon in HORIZONS:
        for arm in ARMS:
            _arm(nodes, weights, fold.arms[arm, horizon], f"{arm}_{horizon}")
        names = [f"said_both_{horizon}", f"said_ndvi_{horizon}"]
        nodes.append(helper.make_node("Where", ["with_fpar", *names], [f"shift_{horizon}"]))
    graph = helper.make_graph(
        nodes,
        "wheat_yield",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(NAMES)])],
        [
            helper.make_tensor_value_info(f"shift_{h}", TensorProto.FLOAT, [None, 1])
            for h in HORIZONS
        ],
        [_constant(name, value) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    # IR 10 is what the oldest onnxruntime that a node may have can read.
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _constant(name: str, value: NDArray[Any]) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(value, name)


def _inputs() -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Nodes that fill gaps with usual, and that look for FPAR."""
    from onnx import TensorProto, helper

    weights: dict[str, NDArray[Any]] = {
        "zero": np.zeros(1, np.float32),
        "half": np.full(1, 0.5, np.float32),
        "fpar_columns": np.setdiff1d(columns_of("both"), columns_of("ndvi")),
    }
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["filled"]),
        helper.make_node("Not", ["missing"], ["seen"]),
        helper.make_node("Gather", ["seen", "fpar_columns"], ["seen_fpar"], axis=1),
        helper.make_node("Cast", ["seen_fpar"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["counted"], ["any_fpar"], axes=[1], keepdims=1),
        helper.make_node("Greater", ["any_fpar", "zero"], ["with_fpar"]),
    ]
    return nodes, weights


def _arm(nodes: list[Any], weights: dict[str, NDArray[Any]], arm: Arm, name: str) -> None:
    """The mean of ridge and trees of one arm, as ``said_NAME``."""
    from onnx import helper

    weights |= {
        f"slope_{name}": arm.weights.astype(np.float32)[:, None],
        f"intercept_{name}": np.full(1, arm.intercept, np.float32),
        f"columns_{name}": arm.columns,
    }
    nodes += [
        helper.make_node("MatMul", ["filled", f"slope_{name}"], [f"sum_{name}"]),
        helper.make_node("Add", [f"sum_{name}", f"intercept_{name}"], [f"straight_{name}"]),
        helper.make_node("Gather", ["filled", f"columns_{name}"], [f"own_{name}"], axis=1),
        _trees(arm.trees, len(arm.columns), f"own_{name}", f"trees_{name}"),
        helper.make_node("Add", [f"straight_{name}", f"trees_{name}"], [f"both_{name}"]),
        helper.make_node("Mul", [f"both_{name}", "half"], [f"said_{name}"]),
    ]


def _trees(trees: Any, width: int, before: str, after: str) -> Any:
    """The one node into which skl2onnx turns extra-trees, between our names."""
    from skl2onnx import to_onnx as converted

    graph = converted(
        trees, np.zeros((1, width), np.float32), target_opset={"": _OPSET, "ai.onnx.ml": _ML_OPSET}
    ).graph
    (node,) = [each for each in graph.node if each.op_type == "TreeEnsembleRegressor"]
    node.input[:], node.output[:] = [before], [after]
    node.name = after
    return node


def least_and_most(features: Mapping[str, NDArray[np.float32]]) -> tuple[list[float], list[float]]:
    """The range of each column over all horizons' rows, widened a little where it never moved."""
    rows = np.concatenate(list(features.values()))
    filled = np.where(np.isfinite(rows), rows, 0.0)
    return (
        [round(float(v), 5) for v in filled.min(axis=0)],
        [round(float(v), 5) for v in filled.max(axis=0)],
    )
