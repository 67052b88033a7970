"""The loss, the learning rate and the averaged weights of the leaf model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.views import Config


def crop_mask(labels: Sequence[tuple[str, str]]) -> Tensor:
    """bool [classes, classes]: class j belongs to the crop of class i."""
    crops = [crop for crop, _ in labels]
    return torch.tensor([[a == b for b in crops] for a in crops])


def loss_of(
    outputs: tuple[Tensor, Tensor, Tensor], targets: Tensor, gates: Tensor, same_crop: Tensor,
    smoothing: float,
) -> Tensor:  # fmt: skip
    """Cross-entropy over all classes, within the crop and of the gate; "no class" for negatives.

    Negatives are pushed towards the uniform distribution (outlier exposure, Hendrycks 2019).
    """
    logits, gate, _ = outputs
    known = targets >= 0
    loss = functional.cross_entropy(gate, gates, label_smoothing=0.02)
    if known.any():
        own, wanted = logits[known], targets[known]
        within = own.masked_fill(~same_crop[wanted], -1e4)
        loss = loss + 0.4 * functional.cross_entropy(own, wanted, label_smoothing=smoothing)
        loss = loss + 0.6 * functional.cross_entropy(within, wanted)
    if (~known).any():
        loss = loss - 0.2 * functional.log_softmax(logits[~known], 1).mean()
    return loss


def rate_of(epoch: float, config: Config, warm_epochs: float) -> float:
    """Factor of the learning rate at a point in the run, in epochs.

    Linear warm-up, a cosine to 1 % at the end of the main part, then a short cosine from
    ``finish_rate`` for the finish.
    """
    if epoch < warm_epochs:
        return (epoch / warm_epochs) or 1e-3
    if epoch < config.epochs:
        return _cosine((epoch - warm_epochs) / max(1e-9, config.epochs - warm_epochs))
    return config.finish_rate * _cosine((epoch - config.epochs) / max(1, config.finish_epochs))


def _cosine(part: float) -> float:
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part))


class Average:
    """Exponential moving average of the weights that train."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {n: p.detach().clone() for n, p in net.named_parameters() if p.requires_grad}

    def update(self, net: nn.Module, step: int) -> None:
        """One step; the decay warms up so that early weights are forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        now = dict(net.named_parameters())
        # One call for all tensors: a loop over them costs as much as a layer.
        torch._foreach_lerp_(
            list(self.values.values()), [now[n].detach() for n in self.values], 1 - decay
        )
