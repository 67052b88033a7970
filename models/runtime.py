"""The one door to onnxruntime: load a graph, check it, run it on one thread."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

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


class OnnxModel:
    """One graph in one session: ``image`` uint8 [n, px, px, 3] RGB to the three outputs."""

    def __init__(self, data: bytes, px: int, classes: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
            probe = self.run(np.zeros((1, px, px, 3), np.uint8))
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise PublisherError(
                "model_corrupt", f"onnxruntime refuses the model: {error}"
            ) from error
        if probe.logits.shape != (1, classes):
            raise PublisherError(
                "bad_manifest",
                f"the model's logits are {probe.logits.shape}, not {classes} classes",
            )

    def run(self, images: Image) -> Outputs:
        """Run n photos (at least one), uint8 [n, px, px, 3] RGB.

        One after the other: a batch is no faster on one thread, and onnxruntime keeps what the
        largest run needed, so memory stays flat however many photos come.
        """
        each = [self._session.run(list(OUTPUTS), {"image": image[None]}) for image in images]
        return Outputs(*map(np.concatenate, zip(*each, strict=True)))

    def timed_ms(self, px: int) -> float:
        """Milliseconds of one run on one photo."""
        image = np.zeros((1, px, px, 3), np.uint8)
        started = time.perf_counter()
        self.run(image)
        return (time.perf_counter() - started) * 1e3


def load_fastest(folder: Path, manifest: Manifest) -> tuple[OnnxModel, ModelFile]:
    """The variant for this machine: int8, unless float32 is clearly faster (no int8 dot product).

    Taken in turns and judged by the fastest run, so that a busy moment does not decide.

    Raises:
        PublisherError: ``model_missing`` or ``model_corrupt``, as soon as one variant is not sound.
    """
    parts = [manifest.files[name] for name in ("int8", "fp32") if name in manifest.files]
    models = [
        OnnxModel(checked_bytes(folder, part), manifest.px, len(manifest.labels)) for part in parts
    ]
    rounds = [[model.timed_ms(manifest.px) for model in models] for _ in range(_TRIALS)]
    fastest = [min(times) for times in zip(*rounds, strict=True)]
    chosen = 1 if len(parts) == 2 and fastest[1] * _CLEARLY < fastest[0] else 0
    return models[chosen], parts[chosen]
