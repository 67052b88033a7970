"""The shipped graphs in onnxruntime, beside OpenVINO, ncnn and LiteRT: ``make bench-models``.

``python -m tests.bench.bench_models [--data FOLDER] [--photos N] [--rounds N] [--json]``.  One run,
one thread each, each runtime in a process of its own, taken in turns:

* median milliseconds of one photo, and how many times as fast as onnxruntime;
* peak resident memory of a process that holds Python, NumPy and this runtime;
* the same answers: share of photos with the same top-1, largest difference of a logit.

A runtime that is not here, or that cannot take a graph, is listed with the reason.  Photos are
drawn, or those of ``val`` where ``--data`` says where the public set lies.

Then, for classifiers, all that the node does with one square (graph, probabilities, gate,
neighbours, verdict) beside the bare graph.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from field_data.errors import PublisherError
from models import preprocess
from models.diagnosis import fuse, gate_fault, judge, probabilities
from models.manifest import read_manifest
from models.neighbours import read_neighbours
from models.runtime import checked_bytes, load_fastest
from models.training.dataset import read_rows
from tests.bench.runtimes import RUNTIMES, Image, MissingError, open_onnxruntime, side_of
from tests.builders import leaf_pixels

MODELS = Path(__file__).parents[2] / "models"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_WARM_UP = 5


def shipped_graphs(folder: Path = MODELS) -> list[Path]:
    """Every graph of every model: ``*.onnx`` beside a ``manifest.json``."""
    return [
        graph
        for manifest in sorted(folder.glob("*/manifest.json"))
        for graph in sorted(manifest.parent.glob("*.onnx"))
    ]


def drawn(px: int, count: int) -> Image:
    """Drawn leaves, uint8 [count, px, px, 3] RGB, no two alike."""
    return np.stack([leaf_pixels(px, px, seed, spots=seed % 40) for seed in range(count)])


def photographed(data: Path, px: int, count: int) -> Image:
    """Photos of ``val``, evenly spread, uint8 [count, px, px, 3] RGB."""
    rows = [row for row in read_rows(data) if row.split == "val"]
    chosen = rows[:: max(1, len(rows) // count)][:count]
    decoded = (preprocess.decode((data / row.file).read_bytes()) for row in chosen)
    return np.stack([preprocess.model_input(image, px) for image in decoded])


class Worker:
    """One runtime with one graph in a process of its own.

    Raises:
        MissingError: the runtime is not here or does not take the graph.
    """

    def __init__(self, runtime: str, file: Path, photos: Path) -> None:
        command = [sys.executable, "-m", "tests.bench.runtimes", runtime, str(file), str(photos)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            first = self._read()
            if first:
                raise MissingError(first["missing"])
        except MissingError:
            self.close()
            raise

    def _read(self) -> Any:
        """The next line of JSON; what a library prints in between is passed over."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                return json.loads(line)
            except ValueError:
                continue
        raise MissingError(f"the process died ({self._process.wait(60)})")

    def ask(self, line: str) -> Any:
        """The answer to one line; see `tests.bench.runtimes`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the first output, the logits: share of the same top-1, and the largest difference."""

    top1: float
    difference: float


def agreement(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> Agreement:
    """Compare outputs [n, …]; a converter may have changed their order, so shapes decide.

    Raises:
        MissingError: the outputs are not the same in number and shape.
    """
    left = list(theirs)
    paired = []
    for mine in ours:
        fits = next((i for i, other in enumerate(left) if other.shape == mine.shape), None)
        if fits is None:
            raise MissingError(f"no output of shape {mine.shape[1:]}")
        paired.append((mine.astype(np.float64), left.pop(fits).astype(np.float64)))
    mine, other = (each.reshape(len(each), -1) for each in paired[0])
    return Agreement(
        top1=float((mine.argmax(axis=1) == other.argmax(axis=1)).mean()),
        difference=float(np.abs(mine - other).max()),
    )


def _outputs(worker: Worker, folder: Path) -> list[NDArray[Any]]:
    file = folder / "answers.npz"
    worker.ask(f"answers {file}")
    with np.load(file) as arrays:
        return [arrays[name] for name in arrays.files]


def compare(graph: Path, photos: Image, rounds: int) -> dict[str, dict[str, Any]]:
    """Figures, or the reason why there are none, of each runtime for one graph."""
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        np.save(folder / "photos.npy", photos)
        workers: dict[str, Worker] = {}
        for runtime in RUNTIMES:
            try:
                workers[runtime] = stack.enter_context(_started(runtime, graph, folder))
            except MissingError as why:
                found[runtime] = {"missing": str(why)}
        ms = _times(workers, rounds, len(photos))
        # Before all photos are read: they are mapped, and would count.
        peaks = {runtime: worker.ask("peak") for runtime, worker in workers.items()}
        ours = _outputs(workers["onnxruntime"], folder)
        for runtime, worker in workers.items():
            try:
                same = agreement(ours, _outputs(worker, folder))
            except MissingError as why:
                found[runtime] = {"missing": str(why)}
                continue
            found[runtime] = {
                "ms": ms[runtime],
                "times_as_fast": ms["onnxruntime"] / ms[runtime],
                "peak_mib": peaks[runtime],
                "same_top1": same.top1,
                "largest_difference": same.difference,
            }
    return {runtime: found[runtime] for runtime in RUNTIMES}


def _started(runtime: str, graph: Path, folder: Path) -> Worker:
    own = folder / runtime
    own.mkdir()
    convert, _ = RUNTIMES[runtime]
    return Worker(runtime, convert(graph, own), folder / "photos.npy")


def _times(workers: dict[str, Worker], rounds: int, photos: int) -> dict[str, float]:
    """Median ms of each, taken in turns, so that a noisy machine hits all alike."""
    times: dict[str, list[float]] = {runtime: [] for runtime in workers}
    for number in range(_WARM_UP + rounds):
        for runtime, worker in workers.items():
            times[runtime].append(worker.ask(f"time {number % photos}"))
    return {name: statistics.median(taken[_WARM_UP:]) for name, taken in times.items()}


def whole_classifier(folder: Path, rounds: int) -> dict[str, Any]:
    """Median ms of the bare graph and of all that the node does with one square, in turns.

    Raises:
        PublisherError: not a classifier, or not sound.
    """
    manifest = read_manifest(folder)
    model, chosen = load_fastest(folder, manifest)
    bare = open_onnxruntime(folder / chosen.file)
    bank = read_neighbours(checked_bytes(folder, manifest.files["neighbours"]))
    crop = max(manifest.crops, key=lambda c: sum(c == other for other, _ in manifest.labels))
    limits = manifest.thresholds

    def whole(square: Image) -> object:
        said = model.run(square)
        gate_fault(said.gate[0], limits)
        each = probabilities(manifest, said.logits, crop)
        familiar = float(bank.similarity(said.embedding, crop)[0])
        return judge(manifest, fuse(manifest, each), familiar, 1.0, crop)

    ways: dict[str, Callable[[Image], object]] = {"bare, ms": bare, "whole, ms": whole}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for square in drawn(manifest.px, _WARM_UP + rounds)[:, None]:
        for name, way in ways.items():
            started = time.perf_counter()
            way(square)
            times[name].append((time.perf_counter() - started) * 1e3)
    ms = {name: statistics.median(taken[_WARM_UP:]) for name, taken in times.items()}
    figures = ms | {"whole / bare": ms["whole, ms"] / ms["bare, ms"]}
    return {"graph": chosen.file} | {name: round(value, 3) for name, value in figures.items()}


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    for graph, runtimes in found["graphs"].items():
        print(f"\n{graph}\n  {'':12}{'ms':>7}{'x ours':>8}{'MiB':>7}{'top-1':>8}{'difference':>12}")
        for runtime, said in runtimes.items():
            if "missing" in said:
                print(f"  {runtime:12}  –  {said['missing']}")
                continue
            speed = f"{said['ms']:7.2f}{said['times_as_fast']:8.2f}{said['peak_mib']:7.0f}"
            same = f"{said['same_top1']:8.3f}{said['largest_difference']:12.2g}"
            other = "  another graph: its speed means nothing" if said["same_top1"] < 0.9 else ""
            print(f"  {runtime:12}{speed}{same}{other}")
    print("\nclassifier, all work included, beside the bare graph")
    for name, figures in found["whole"].items():
        print(f"  {name:14}", figures)


def main() -> None:
    """Run everything and print it."""
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        # NumPy has already been imported, and with it the threads of its BLAS: begin again.
        again = [sys.executable, "-m", "tests.bench.bench_models", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | ONE_THREAD)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--data", type=Path, help="folder of the public photo set; drawn if not given"
    )
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found: dict[str, Any] = {"graphs": {}, "whole": {}}
    for graph in shipped_graphs():
        name = f"{graph.parent.name}/{graph.name}"
        try:
            px = side_of(graph)
        except MissingError as why:
            found["graphs"][name] = {"all": {"missing": str(why)}}
            continue
        of = given.data
        photos = photographed(of, px, given.photos) if of else drawn(px, given.photos)
        found["graphs"][name] = compare(graph, photos, given.rounds)
    for folder in sorted({graph.parent for graph in shipped_graphs()}):
        try:
            found["whole"][folder.name] = whole_classifier(folder, given.rounds)
        except PublisherError:  # a model of another kind
            continue
    print(json.dumps(found, indent=1)) if given.json else show(found)


if __name__ == "__main__":
    main()
