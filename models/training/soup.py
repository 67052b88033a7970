"""Average a run with an earlier model: ``python -m models.training.soup --help``.

Two networks fine-tuned from the same start lie in one valley of the loss; their mean does well on
photos that neither saw (model soups, Wortsman et al. 2022).  Writes a checkpoint that
``train_leaf`` finishes: the heads need an epoch or two to fit the mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

_HALF = ".half"


def weights_of(graph: Path, like: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an exported graph by the names of ``like``, which gives what is missing."""
    found = {
        each.name.removesuffix(_HALF): numpy_helper.to_array(each).astype(np.float32)
        for each in onnx.load(str(graph)).graph.initializer
    }
    return {
        name: torch.from_numpy(found[name].copy()).reshape(own.shape) if name in found else own
        for name, own in like.items()
    }


def mean(a: dict[str, Tensor], b: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """``share`` of ``a``, the rest of ``b``."""
    return {name: a[name] * share + b[name] * (1 - share) for name in a}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run whose checkpoint is averaged")
    parser.add_argument("--graph", type=Path, required=True, help="model.onnx of the earlier model")
    parser.add_argument("--share", type=float, default=0.5, help="share of the run")
    parser.add_argument("--epoch", type=int, required=True, help="where the finish goes on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the new checkpoint")
    given = parser.parse_args()
    saved = torch.load(given.run / "checkpoint.pt", weights_only=True)
    both = mean(saved["net"], weights_of(given.graph, saved["net"]), given.share)
    trained = {name: both[name].clone() for name in saved["average"]}
    given.out.mkdir(parents=True, exist_ok=True)
    whole = saved | {"net": both, "raw": both, "average": trained, "epoch": given.epoch}
    torch.save(whole, given.out / "checkpoint.pt")


if __name__ == "__main__":
    main()
