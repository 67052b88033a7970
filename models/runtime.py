"""The one door to onnxruntime: load a graph, check it, run it on one thread."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Since 1.32 it reports to its maker over https, from a thread that begins with the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from field_data.errors import PublisherError
from models.manifest import Manifest, ModelFile, checked_bytes

__all__ = ["OUTPUTS", "Floats", "Image", "OnnxModel", "Outputs", "checked_bytes", "load_fastest"]

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
OUTPUTS = ("logits", "gate", "embedding")
_TRIALS = 5
_CLEARLY = 1.2


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the graph says of n photos: logits [n, classes], gate [n, 3], embedding [n, d]."""

    logits: Floats
    gate: Floats
    embedding: Floats


def session_of(data: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread that does not write to the terminal."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class Tabular:
    """A graph on rows of numbers: ``name`` float32 [n, width] to named float32 outputs."""

    def __init__(self, data: bytes, name: str, width: int, outputs: Sequence[str]) -> None:
        """Load and run once on an empty season.

        Raises:
            PublisherError: ``model_corrupt``.
        """
        self._name, self._outputs = name, list(outputs)
        try:
            self._session = session_of(data)
            self.run(np.full((1, width), np.nan, np.float32))
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise PublisherError(
                "model_corrupt", f"onnxruntime refuses the model: {error}"
            ) from error

    def run(self, rows: Floats) -> list[Floats]:
        """The outputs, in the order asked for, of n rows, float32 [n, width]."""
        said: list[Floats] = self._session.run(self._outputs, {self._name: rows})
        return said


class Graph:
    """One graph in one session: ``image`` uint8 [n, px, px, 3] RGB to named float32 outputs."""

    def __init__(self, data: bytes, px: int, outputs: Sequence[str]) -> None:
        """Load and run once.

        Raises:
            PublisherError: ``model_corrupt``.
        """
        self._outputs = list(outputs)
        try:
            self._session = session_of(data)
            self.probe = self.outputs(np.zeros((1, px, px, 3), np.uint8))
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise PublisherError(
                "model_corrupt", f"onnxruntime refuses the model: {error}"
            ) from error

    def outputs(self, images: Image) -> list[Floats]:
        """The outputs, in the order asked for, of n photos uint8 [n, px, px, 3] RGB, n at least 1.

        One after the other: a batch is no faster on one thread, and onnxruntime keeps what the
        largest run needed, so memory stays flat however many photos come.
        """
        each = [self._session.run(self._outputs, {"image": image[None]}) for image in images]
        return list(map(np.concatenate, zip(*each, strict=True)))

    def timed_ms(self, px: int) -> float:
        """Milliseconds of one run on one photo."""
        image = np.zeros((1, px, px, 3), np.uint8)
        started = time.perf_counter()
        self.outputs(image)
        return (time.perf_counter() - started) * 1e3


class OnnxModel(Graph):
    """The leaf model: ``image`` uint8 [n, px, px, 3] RGB to the three outputs."""

    def __init__(self, data: bytes, px: int, classes: int) -> None:
        super().__init__(data, px, OUTPUTS)
        shape = self.probe[0].shape
        if shape != (1, classes):
            raise PublisherError("bad_manifest", f"the model has {shape[1]} classes, not {classes}")

    def run(self, images: Image) -> Outputs:
        """Run n photos, uint8 [n, px, px, 3] RGB."""
        return Outputs(*self.outputs(images))


def faster(int8: Graph, fp32: Graph, px: int, trials: int = _TRIALS) -> bool:
    """Whether float32 is clearly faster here than int8 (a machine without int8 dot product).

    Taken in turns and judged by the fastest run, so that a busy moment does not decide.
    """
    rounds = [(int8.timed_ms(px), fp32.timed_ms(px)) for _ in range(trials)]
    fastest = [min(times) for times in zip(*rounds, strict=True)]
    return bool(fastest[1] * _CLEARLY < fastest[0])


def load_fastest(folder: Path, manifest: Manifest) -> tuple[OnnxModel, ModelFile]:
    """The variant for this machine: int8, unless float32 is clearly :func:`faster`.

    Raises:
        PublisherError: ``model_missing`` or ``model_corrupt``, as soon as one variant is not sound.
    """
    parts = [manifest.files[name] for name in ("int8", "fp32") if name in manifest.files]
    models = [
        OnnxModel(checked_bytes(folder, part), manifest.px, len(manifest.labels)) for part in parts
    ]
    chosen = int(len(models) == 2 and faster(models[0], models[1], manifest.px))
    return models[chosen], parts[chosen]
