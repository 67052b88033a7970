"""One graph in one runtime, in a process of its own: what ``bench_models`` asks and times.

``python -m tests.bench.runtimes RUNTIME FILE PHOTOS`` answers each line of its standard
input with one line of JSON: ``time N`` the milliseconds of one run on photo N, ``answers FILE`` all
outputs of all photos in an ``npz``, ``peak`` the largest resident memory so far in MiB.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
# A photo, uint8 [1, px, px, 3] RGB, to the outputs of the graph in their order.
Run = Callable[[Image], list[NDArray[Any]]]


_CHECK_PHOTOS = "calibration_image_sample_data_20x128x128x3_float32.npy"


class MissingError(Exception):
    """Why a runtime cannot run a graph."""


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingError(f"not installed: {error}") from error


def _tool(name: str, arguments: list[str], folder: Path) -> None:
    done = subprocess.run([name, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise MissingError(f"{Path(name).name} failed: {said[-1] if said else done.returncode}")


def planes_input(graph: Path, target: Path) -> None:
    """Write the graph for one photo as float32 planes [1, 3, px, px], for the converters.

    They know no uint8, and expect PyTorch's order.
    """
    onnx, px = _module("onnx"), side_of(graph)
    model = onnx.load(graph)
    image = model.graph.input[0]
    shape = [1, 3, px, px]
    image.CopyFrom(onnx.helper.make_tensor_value_info(image.name, onnx.TensorProto.FLOAT, shape))
    del model.graph.value_info[:]  # types of what lies between: no longer true
    same = {image.name: image.name}
    for node in list(model.graph.node):
        if node.op_type in ("Cast", "Transpose") and node.input[0] in same:
            same[node.output[0]] = same[node.input[0]]
            model.graph.node.remove(node)
        node.input[:] = [same.get(name, name) for name in node.input]
    onnx.save(model, target)


def side_of(graph: Path) -> int:
    """Side of the square that the graph takes; only uint8 [n, px, px, 3] is understood."""
    entry = _input(graph).type.tensor_type
    shape = [int(each.dim_value) for each in entry.shape.dim]
    uint8 = entry.elem_type == _module("onnx").TensorProto.UINT8
    if not uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise MissingError("the input is not uint8 [n, px, px, 3]")
    return shape[1]


def _input(graph: Path) -> Any:
    return _module("onnx").load(graph).graph.input[0]


# --- conversion: in the asking process, so that its memory is not the runtime's ---------------


def as_it_is(graph: Path, _folder: Path) -> Path:
    """onnxruntime and OpenVINO read ONNX."""
    return graph


def to_ncnn(graph: Path, folder: Path) -> Path:
    """What the converter pnnx makes of the graph."""
    tool = Path(_found("pnnx")).with_name("pnnx")
    planes_input(graph, folder / "plain.onnx")
    tool.chmod(0o755)
    px = side_of(graph)
    _tool(str(tool), ["plain.onnx", f"inputshape=[1,3,{px},{px}]f32"], folder)
    return folder / "plain.ncnn.param"


def to_litert(graph: Path, folder: Path) -> Path:
    """What the converter onnx2tf makes of the graph."""
    tool = shutil.which("onnx2tf")
    if tool is None:
        raise MissingError("no converter: onnx2tf is not on the PATH (it brings TensorFlow)")
    planes_input(graph, folder / "plain.onnx")
    # It would fetch these for a check of its own; any will do.
    np.save(folder / _CHECK_PHOTOS, np.full((20, 128, 128, 3), 0.5, np.float32))
    _tool(tool, ["-i", "plain.onnx", "-o", "tf", "-n"], folder)
    return folder / "tf" / "plain_float32.tflite"


def _found(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingError(f"no converter: {name} is not installed")
    return spec.origin


# --- running: in the worker ------------------------------------------------------------------


def open_onnxruntime(file: Path) -> Run:
    """One thread, otherwise as it comes."""
    onnxruntime = _module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: list(session.run(None, {name: image}))


def open_openvino(file: Path) -> Run:
    """One thread, one stream; float32 stays float32, where it would use bfloat16 on some CPUs."""
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = _module("openvino").Core().compile_model(str(file), "CPU", settings)
    request = compiled.create_infer_request()

    def run(image: Image) -> list[NDArray[Any]]:
        said = request.infer([image])
        return [np.array(said[output]) for output in compiled.outputs]

    return run


def open_ncnn(file: Path) -> Run:
    """``file`` is the .param; the .bin lies beside it."""
    ncnn = _module("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = 1
    if net.load_param(str(file)) or net.load_model(str(file.with_suffix(".bin"))):
        raise MissingError("ncnn lacks layers of the graph as pnnx writes it")
    names = net.output_names()

    def run(image: Image) -> list[NDArray[Any]]:
        planes = np.ascontiguousarray(image[0].transpose(2, 0, 1), np.float32)
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(planes).clone())
        return [np.array(extractor.extract(name)[1])[None] for name in names]

    return run


def open_litert(file: Path) -> Run:
    """The interpreter with its default delegate (XNNPACK)."""
    lite = _module("ai_edge_litert.interpreter").Interpreter(str(file), num_threads=1)
    lite.allocate_tensors()
    [entry], outputs = lite.get_input_details(), lite.get_output_details()

    def run(image: Image) -> list[NDArray[Any]]:
        lite.set_tensor(entry["index"], image.astype(entry["dtype"]))
        lite.invoke()
        return [lite.get_tensor(output["index"]) for output in outputs]

    return run


Convert = Callable[[Path, Path], Path]
RUNTIMES: dict[str, tuple[Convert, Callable[[Path], Run]]] = {
    "onnxruntime": (as_it_is, open_onnxruntime),
    "openvino": (as_it_is, open_openvino),
    "ncnn": (to_ncnn, open_ncnn),
    "litert": (to_litert, open_litert),
}


def peak_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kib) / 1024


def _timed(run: Run, image: Image) -> float:
    started = time.perf_counter()
    run(image)
    return (time.perf_counter() - started) * 1e3


def _all_answers(run: Run, photos: Image, target: str) -> int:
    each = [run(photo[None]) for photo in photos]
    outputs = [np.concatenate(output) for output in zip(*each, strict=True)]
    np.savez(target, *outputs)
    return len(outputs)


def main() -> None:
    """Open the graph, say so, then answer line by line."""
    runtime, file, photos_file = sys.argv[1:]
    photos: Image = np.load(photos_file, mmap_mode="r")
    try:
        run = RUNTIMES[runtime][1](Path(file))
        run(photos[:1])
    except Exception as why:  # a runtime raises what it likes
        print(json.dumps({"missing": f"{why}".strip().splitlines()[0][:120]}), flush=True)
        return
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        said: float
        if verb == "time":
            said = _timed(run, photos[int(argument)][None])
        elif verb == "answers":
            said = _all_answers(run, photos, argument)
        else:
            said = peak_mib()
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
