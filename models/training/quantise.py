"""Two files from one trained graph: float32 stored in half the bytes, and int8."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Image = NDArray[np.uint8]
_SMALL = 1024


def store_as_half(source: Path, target: Path) -> None:
    """Keep the large float32 weights as float16 plus a Cast: half the file, computed in float32.

    onnxruntime folds the casts when it loads the graph, so speed and memory are those of float32.
    """
    graph_proto = onnx.load(str(source))
    graph = graph_proto.graph
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _SMALL:
            continue
        name = weight.name
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
        weight.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    for place, node in enumerate(casts):
        graph.node.insert(place, node)
    onnx.checker.check_model(graph_proto)
    onnx.save(graph_proto, str(target))


class _Photos:
    """Calibration reader: one photo a call, uint8 [1, px, px, 3]."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._left: Iterator[Image] = iter(images)

    def get_next(self) -> dict[str, Image] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image[None]}


def _from(graph: Any, heads: Sequence[str]) -> list[str]:
    """Names of the nodes whose name holds one of ``heads``, and of all that come after them."""
    known: set[str] = set()
    names = []
    for node in graph.node:  # sorted by the exporter: what feeds a node stands before it
        if any(head in node.name for head in heads) or known & set(node.input):
            known |= set(node.output)
            names.append(node.name)
    return names


def quantise(
    source: Path, target: Path, photos: NDArray[np.uint8], heads: Sequence[str] = ()
) -> None:
    """Static int8: QDQ, uint8 activations, int8 weights per channel.

    Linear layers stay float, and so do ``heads`` (parts of node names) with all that follows them.

    Args:
        source: float32 graph.
        target: where the int8 graph goes.
        photos: calibration photos, uint8 [n, px, px, 3], of every kind that will come.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    options: dict[str, Any] = {"CalibMovingAverage": True}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        floats = [n.name for n in graph.node if n.op_type == "Gemm"] + _from(graph, heads)
        quantize_static(
            str(prepared),
            str(target),
            _Photos(photos),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            nodes_to_exclude=floats,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=options,
        )
