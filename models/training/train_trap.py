"""Train the trap detector: ``python -m models.training.train_trap --data DIR --run DIR``.

Writes ``checkpoint.pt`` every fifty steps (a run goes on where it stopped) and ``log.csv``
(step, loss, AP50 on ``val`` per label, seconds).  ``python -m models.training.export_trap`` turns
the run into the shipped model.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.counting import Run, find
from models.preprocess import resized
from models.training import trap_data
from models.training.detection_metrics import Scored, precision_of_all
from models.training.trap_data import ENLARGE, LABELS, LONG_PX, SCENES, Image, TrapPhoto
from models.training.trap_network import TrapNet, deployed
from models.training.trap_objective import loss_of
from models.training.trap_views import Config, TrapPhotos, batches

TILE_PX = 512
OVERLAP = 0.5
_VAL_EVERY = 5  # epochs


@dataclass
class State:
    """All that a run carries on: network, optimiser, averaged weights, steps done."""

    net: TrapNet
    optimiser: torch.optim.AdamW
    average: dict[str, Tensor]
    step: int = 0

    def restore(self, checkpoint: Path) -> None:
        """Go on where ``checkpoint`` stopped."""
        saved = torch.load(checkpoint, weights_only=True)
        self.net.load_state_dict(saved["raw"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.average, self.step = saved["net"], saved["step"]

    def save(self, checkpoint: Path, config: Config) -> None:
        """Write ``config``, ``net`` (averaged weights) and what a resume needs."""
        whole = {
            "config": asdict(config),
            "step": self.step,
            "net": self.average,
            "raw": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        partial = checkpoint.with_suffix(".partial")
        torch.save(whole, partial)
        partial.replace(checkpoint)

    def follow(self, decay: float) -> None:
        """Move the averaged weights (and statistics) towards the present ones."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value.detach(), 1 - decay)
            else:
                self.average[name].copy_(value)


def start(config: Config) -> State:
    """A fresh run."""
    net = TrapNet(len(LABELS), len(SCENES)).to(memory_format=torch.channels_last)
    old = [p for p in net.blocks.parameters() if p.requires_grad]
    known = {id(p) for p in (*net.blocks.parameters(), *net.stem.parameters())}
    new = [p for p in net.parameters() if id(p) not in known]
    optimiser = torch.optim.AdamW(
        [{"params": old, "lr": config.learning_rate}, {"params": new, "lr": config.head_rate}],
        weight_decay=config.weight_decay,
    )
    return State(net, optimiser, {k: v.clone() for k, v in net.state_dict().items()})


def rate_of(step: int, config: Config) -> float:
    """Factor of the learning rate: linear warm-up and a cosine to 1 %, then both again, lower."""
    if step >= config.steps:
        return config.finish_rate * _rise_and_fall(
            step - config.steps, config.finish_steps, config.warm_steps
        )
    return _rise_and_fall(step, config.steps, config.warm_steps)


def _rise_and_fall(step: int, steps: int, warm: int) -> float:
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def some_steps(state: State, photos: TrapPhotos, config: Config, last: int) -> float:
    """Train up to step ``last``; returns the mean loss."""
    state.net.train()
    first, total = state.step, 0.0
    bar = tqdm(batches(photos, config, first, last), total=last - first, mininterval=30)
    for images, *wanted in bar:
        for group, base in zip(
            state.optimiser.param_groups, (config.learning_rate, config.head_rate), strict=True
        ):
            group["lr"] = base * rate_of(state.step, config)
        state.optimiser.zero_grad()
        loss = loss_of(state.net(images), *wanted)
        loss.backward()
        nn.utils.clip_grad_norm_(state.net.parameters(), 10.0)
        state.optimiser.step()
        state.step += 1
        state.follow(config.ema_decay)
        total += loss.item()
    return total / max(1, last - first)


def runner(weights: dict[str, Tensor]) -> Run:
    """A network as a function like that of a node's graph."""
    net = TrapNet(len(LABELS), len(SCENES))
    net.load_state_dict(weights)
    whole = deployed(net)

    @torch.inference_mode()
    def run(images: Image) -> list[NDArray[np.float32]]:
        return [output.numpy() for output in whole(torch.from_numpy(images))]

    return run


def read_as(photo: TrapPhoto, image: Image) -> tuple[Image, float]:
    """A photo at the size at which it is read, and by how much it was made larger."""
    scale = min(ENLARGE[photo.trap], LONG_PX[photo.trap] / max(image.shape[:2]))
    return resized(image, scale), scale


def val_precision(
    run: Run, images: Sequence[Image], photos: Sequence[TrapPhoto]
) -> NDArray[np.float64]:
    """AP50 per label on photos as a node would read them."""
    scored: list[list[Scored]] = [[] for _ in LABELS]
    for image, photo in zip(images, photos, strict=True):
        seen, scale = read_as(photo, image)
        found, _ = find(run, seen, TILE_PX, OVERLAP)
        for label in np.unique(photo.labels):
            truth = photo.boxes[photo.labels == label] * scale
            scored[label].append(Scored(found, int(label), truth))
    return np.array([precision_of_all(each) for each in scored])


def train(folder: Path, run: Path, config: Config) -> Path:
    """Train, or go on training, and return the checkpoint."""
    torch.manual_seed(config.seed)
    own, val = (trap_data.on_traps(trap_data.read_photos(folder, s)) for s in ("train", "val"))
    trap_data.check_splits([*own, *val])
    photos = TrapPhotos(folder, own, trap_data.read_strangers(folder, "train"))
    images = [trap_data.load(folder, p.file) for p in val]
    state = start(config)
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    if checkpoint.is_file():
        state.restore(checkpoint)
    all_steps = config.steps + config.finish_steps
    while state.step < all_steps:
        started = time.monotonic()
        last = min(all_steps, state.step + config.steps_per_epoch)
        loss = some_steps(state, photos, config, last)
        state.save(checkpoint, config)
        row = [str(state.step), f"{loss:.4f}", "", "", "", f"{time.monotonic() - started:.0f}"]
        if state.step // config.steps_per_epoch % _VAL_EVERY == 0 or state.step == all_steps:
            row[2:5] = [f"{ap:.4f}" for ap in val_precision(runner(state.average), images, val)]
        with (run / "log.csv").open("a", newline="") as lines:
            csv.writer(lines).writerow(row)
        print(" ".join(row), flush=True)
    return checkpoint


def main() -> None:
    """Command line of the training run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with detection/")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--steps", type=int, default=Config.steps)
    parser.add_argument("--finish-steps", type=int, default=Config.finish_steps)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    train(given.data, given.run, Config(steps=given.steps, finish_steps=given.finish_steps))


if __name__ == "__main__":
    main()
