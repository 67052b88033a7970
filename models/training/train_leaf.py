"""Fine-tune the leaf model: ``python -m models.training.train_leaf --data DIR --run DIR``.

Writes ``checkpoint.pt`` after every epoch (a run goes on where it stopped) and ``log.csv`` (epoch,
loss, accuracy on ``val`` with the crop given, seconds).  ``python -m models.training.export_leaf``
turns the run into the shipped model.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.training import dataset
from models.training.dataset import NEGATIVE, Row
from models.training.network import LeafNet
from models.training.objective import Average, crop_mask, loss_of, rate_of
from models.training.views import Batch, Config, Photos, batches, batches_per_epoch

_WARM_STEPS = 800


@torch.inference_mode()
def predict(
    net: LeafNet, images: NDArray[np.uint8], batch: int = 64
) -> tuple[NDArray[np.float32], ...]:
    """Logits [n, classes], gate [n, 3], embedding [n, 1280] of uint8 [n, px, px, 3]."""
    net.eval()
    parts = [net(torch.from_numpy(images[i : i + batch])) for i in range(0, len(images), batch)]
    return tuple(torch.cat(column).numpy() for column in zip(*parts, strict=True))


def within_crop_accuracy(
    logits: NDArray[np.float32], rows: Sequence[Row], labels: Sequence[tuple[str, str]]
) -> float:
    """Share right when the crop is given."""
    crops = np.array([crop for crop, _ in labels])
    allowed = crops[None, :] == np.array([r.crop for r in rows])[:, None]
    best = np.where(allowed, logits, -np.inf).argmax(1)
    return float(np.mean([labels[b] == r.label for b, r in zip(best, rows, strict=True)]))


def _optimiser(net: LeafNet, config: Config) -> torch.optim.AdamW:
    heads = [*net.classifier.parameters(), *net.gate.parameters()]
    trunk = [p for p in net.backbone.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        [{"params": trunk, "lr": config.learning_rate}, {"params": heads, "lr": config.head_rate}],
        weight_decay=config.weight_decay,
        fused=True,
    )


def warm_heads(net: LeafNet, photos: Photos, config: Config, same_crop: Tensor) -> None:
    """Fit the heads on the features as they are, before anything else moves.

    Random heads would first drag the features about; with fitted ones fine-tuning keeps what
    serves on photos unlike these (Kumar et al. 2022, "Fine-tuning can distort pretrained
    features").
    """
    side = (config.px, config.px)
    small = [cv2.resize(image, side, interpolation=cv2.INTER_AREA) for image in photos.images]
    with torch.inference_mode():
        parts = [
            net.embed(torch.from_numpy(np.stack(small[i : i + 64])))
            for i in range(0, len(small), 64)
        ]
    seen = torch.cat(parts).clone()
    targets = torch.from_numpy(photos.targets)
    gates = torch.tensor([photos.gate_of(i) for i in range(len(photos.rows))])
    heads = [*net.classifier.parameters(), *net.gate.parameters()]
    optimiser = torch.optim.AdamW(heads, lr=1e-3, weight_decay=config.weight_decay)
    for _ in range(_WARM_STEPS):
        pick = torch.randint(0, len(seen), (256,))
        own = net.dropout(seen[pick])
        outputs = net.classifier(own), net.gate(own), own
        optimiser.zero_grad()
        loss_of(outputs, targets[pick], gates[pick], same_crop, config.label_smoothing).backward()
        optimiser.step()


def batch_loss(net: LeafNet, batch: Batch, config: Config, same_crop: Tensor) -> Tensor:
    """Loss of one batch; the trunk runs in bfloat16, the loss in float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, gate, embedding = net(batch.images)
    outputs = logits.float(), gate.float(), embedding.float()
    smoothing = config.label_smoothing
    loss = loss_of(outputs, batch.targets, batch.gates, same_crop, smoothing)
    if batch.partner is None:
        return loss
    partner = batch.partner
    other = loss_of(outputs, batch.targets[partner], batch.gates[partner], same_crop, smoothing)
    return batch.own * loss + (1 - batch.own) * other


@dataclass
class State:
    """All that a run carries from epoch to epoch."""

    net: LeafNet
    optimiser: torch.optim.AdamW
    average: Average
    epoch: int = 0

    def restore(self, checkpoint: Path) -> None:
        """Go on where ``checkpoint`` stopped."""
        saved = torch.load(checkpoint, weights_only=True)
        self.net.load_state_dict(saved["raw"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.average.values, self.epoch = saved["average"], saved["epoch"]

    def averaged(self) -> dict[str, Tensor]:
        """The network's weights with the averaged ones put in."""
        return {k: self.average.values.get(k, v).clone() for k, v in self.net.state_dict().items()}

    def save(self, checkpoint: Path, config: Config, labels: Sequence[tuple[str, str]]) -> None:
        """Write ``config``, ``labels``, ``net`` (averaged weights) and what a resume needs."""
        whole = {
            "config": asdict(config),
            "labels": list(labels),
            "epoch": self.epoch,
            "net": self.averaged(),
            "raw": self.net.state_dict(),
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
        }
        partial = checkpoint.with_suffix(".partial")
        torch.save(whole, partial)
        partial.replace(checkpoint)


def one_epoch(state: State, photos: Photos, config: Config, same_crop: Tensor) -> float:
    """Train one epoch; returns the mean loss."""
    state.net.train()
    drawn = batches(photos, config, state.epoch)
    per_epoch = batches_per_epoch(photos, config)
    bar = tqdm(drawn, total=per_epoch, desc=f"epoch {state.epoch + 1}", mininterval=10)
    total = 0.0
    for number, batch in enumerate(bar):
        step = state.epoch * per_epoch + number
        factor = rate_of(step / per_epoch, config, warm_epochs=200 / per_epoch)
        for group, base in zip(
            state.optimiser.param_groups, (config.learning_rate, config.head_rate), strict=True
        ):
            group["lr"] = base * factor
        state.optimiser.zero_grad()
        loss = batch_loss(state.net, batch, config, same_crop)
        loss.backward()
        nn.utils.clip_grad_norm_(state.net.parameters(), 5.0)
        state.optimiser.step()
        state.average.update(state.net, step)
        total += loss.item()
    state.epoch += 1
    return total / per_epoch


def val_accuracy(state: State, images: NDArray[np.uint8], rows: Sequence[Row],
                 labels: Sequence[tuple[str, str]]) -> float:  # fmt: skip
    """Accuracy of the averaged weights on ``val``, crop given."""
    raw = {k: v.clone() for k, v in state.net.state_dict().items()}
    state.net.load_state_dict(state.averaged())
    accuracy = within_crop_accuracy(predict(state.net, images)[0], rows, labels)
    state.net.load_state_dict(raw)
    return accuracy


def train(
    folder: Path, run: Path, config: Config, own: Sequence[Row], val: Sequence[Row]
) -> dict[str, Any]:
    """Train on ``own``, or go on training, and return the checkpoint; ``val`` is only watched."""
    torch.manual_seed(config.seed)
    labels = dataset.labels_of(own)
    photos = Photos(folder, own, labels)
    watched = [r for r in val if r.crop != NEGATIVE]
    images = squares(folder, watched, config.finish_px)
    net = LeafNet(len(labels)).to(memory_format=torch.channels_last)
    state = State(net, _optimiser(net, config), Average(net, config.ema_decay))
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    if checkpoint.is_file():
        state.restore(checkpoint)
    same_crop = crop_mask(labels)
    if state.epoch == 0:
        warm_heads(net, photos, config, same_crop)
    while state.epoch < config.epochs + config.finish_epochs:
        started = time.monotonic()
        loss = one_epoch(state, photos, config, same_crop)
        accuracy = val_accuracy(state, images, watched, labels)
        state.save(checkpoint, config, labels)
        spent = time.monotonic() - started
        with (run / "log.csv").open("a", newline="") as lines:
            csv.writer(lines).writerow(
                [state.epoch, f"{loss:.4f}", f"{accuracy:.4f}", f"{spent:.0f}"]
            )
        print(f"epoch {state.epoch}: loss {loss:.4f}, val accuracy {accuracy:.4f}", flush=True)
    return dict(torch.load(checkpoint, weights_only=True))


def squares(folder: Path, rows: Sequence[Row], px: int) -> NDArray[np.uint8]:
    """Photos as the network takes them, uint8 [n, px, px, 3]."""
    side = (px, px)
    shrunk = [cv2.resize(dataset.load(folder, r), side, interpolation=cv2.INTER_AREA) for r in rows]
    return np.stack(shrunk).astype(np.uint8)


def main() -> None:
    """Command line of the training run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with classification.csv")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--epochs", type=int, default=Config.epochs)
    parser.add_argument("--finish-epochs", type=int, default=Config.finish_epochs)
    parser.add_argument("--finish-rate", type=float, default=Config.finish_rate)
    given = parser.parse_args()
    torch.set_num_threads(2)
    rows = dataset.read_rows(given.data)
    dataset.check_splits(rows)
    own = dataset.of_split(rows, "train") + dataset.box_rows(given.data, rows, "train")
    val = dataset.of_split(rows, "val")
    config = Config(
        epochs=given.epochs, finish_epochs=given.finish_epochs, finish_rate=given.finish_rate
    )
    train(given.data, given.run, config, own, val)


if __name__ == "__main__":
    main()
