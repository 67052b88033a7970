"""What the trap network is asked for, and how far it is from it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.training.trap_network import STRIDE

Floats = NDArray[np.float32]
_SPREAD = 0.135  # sigma of the bump, as a share of the box side
_LEAST_SPREAD = 1.6  # px
_CORE = 0.15  # cells where the bump is higher answer for the box
_HEAT_WEIGHT, _BOX_WEIGHT, _SCENE_WEIGHT = 1.0, 2.0, 0.5


def targets(
    boxes: Floats, labels: NDArray[np.int64], hidden: Floats, px: int, classes: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Heat [classes, g, g], reach [4, g, g], its weight [g, g], heat weight [g, g]; g = px / 4.

    ``boxes`` float32 [n, 4] x, y, w, h in px of the view; ``hidden`` [m, 4] are insects that the
    frame cuts too much to ask for: nothing is asked inside them.
    """
    side = px // STRIDE
    centres = (np.arange(side, dtype=np.float32) + 0.5) * STRIDE
    heat = np.zeros((classes, side, side), np.float32)
    reach = np.ones((4, side, side), np.float32)
    weight = np.zeros((side, side), np.float32)
    asked = np.ones((side, side), np.float32)
    for x, y, w, h in hidden:
        across, down = (centres >= x) & (centres <= x + w), (centres >= y) & (centres <= y + h)
        asked[np.ix_(down, across)] = 0.0
    # Large first, so that a small insect in front of a large one keeps its cells.
    for i in np.argsort(-boxes[:, 2] * boxes[:, 3]):
        x, y, w, h = boxes[i]
        # The bump stands on the centre of a cell: exactly one cell is told "here".
        at_x = centres[min(side - 1, max(0, int((x + w / 2) // STRIDE)))]
        at_y = centres[min(side - 1, max(0, int((y + h / 2) // STRIDE)))]
        flat = np.exp(-((centres - at_x) ** 2) / (2 * max(w * _SPREAD, _LEAST_SPREAD) ** 2))
        tall = np.exp(-((centres - at_y) ** 2) / (2 * max(h * _SPREAD, _LEAST_SPREAD) ** 2))
        bump = tall[:, None] * flat[None, :]
        np.maximum(heat[labels[i]], bump, out=heat[labels[i]])
        core = bump > _CORE
        rows, columns = np.nonzero(core)
        reach[0, rows, columns] = centres[columns] - x
        reach[1, rows, columns] = centres[rows] - y
        reach[2, rows, columns] = x + w - centres[columns]
        reach[3, rows, columns] = y + h - centres[rows]
        weight[core] = bump[core] / bump[core].sum()
    asked[heat.max(0) > _CORE] = 1.0
    return heat, np.maximum(reach, 0.5), weight, asked


def heat_loss(logits: Tensor, wanted: Tensor, asked: Tensor) -> Tensor:
    """Penalty-reduced focal loss (Zhou et al. 2019, eq. 1; alpha 2, beta 4), per insect."""
    chance = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    here = (wanted >= 0.9999).float()
    yes = -torch.log(chance) * (1 - chance) ** 2 * here
    no = -torch.log(1 - chance) * chance**2 * (1 - wanted) ** 4 * (1 - here)
    return ((yes + no) * asked[:, None]).sum() / here.sum().clamp(min=1.0)


def box_loss(reach: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """1 - GIoU (Rezatofighi et al. 2019) of boxes that share their centre cell, weighted."""
    left, up, right, down = reach.unbind(1)
    l2, u2, r2, d2 = wanted.unbind(1)
    shared = (torch.minimum(left, l2) + torch.minimum(right, r2)) * (
        torch.minimum(up, u2) + torch.minimum(down, d2)
    )
    union = (left + right) * (up + down) + (l2 + r2) * (u2 + d2) - shared
    hull = (torch.maximum(left, l2) + torch.maximum(right, r2)) * (
        torch.maximum(up, u2) + torch.maximum(down, d2)
    )
    giou = shared / union - (hull - union) / hull
    return ((1 - giou) * weight).sum() / weight.sum().clamp(min=1.0)


def loss_of(
    outputs: tuple[Tensor, Tensor, Tensor],
    heat: Tensor, reach: Tensor, weight: Tensor, asked: Tensor, scenes: Tensor,
) -> Tensor:  # fmt: skip
    """Sum of the three parts; ``scenes`` is -100 where a view shows too little to say."""
    loss = _HEAT_WEIGHT * heat_loss(outputs[0], heat, asked)
    loss = loss + _BOX_WEIGHT * box_loss(outputs[1], reach, weight)
    if (scenes >= 0).any():
        said = functional.cross_entropy(outputs[2], scenes, label_smoothing=0.02)
        loss = loss + _SCENE_WEIGHT * said
    return loss
