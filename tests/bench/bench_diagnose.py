"""From a photo to JSON through HTTP, beside what one would write first and beside the floor.

``python -m tests.bench.bench_diagnose [--json] [--quick]``.  Everything in one run, one thread for
every library, as ratios:

* plain: full decode with Pillow, resize, one float32 onnxruntime inference;
* floor: reduced-scale decode and one inference of the shipped graph that the node chose, bare;
* node: ``POST /api/v1/diagnose`` to a served node, the answer stored durably (photo not kept, the
  default; and kept, which decodes larger and writes a file);
* durable write: 12 kB and one fsync, bare: the node's share of the disk, which the floor has not.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from PIL import Image

from models.manifest import read_manifest
from models.runtime import OnnxModel, checked_bytes, load_fastest
from tests.builders import leaf_jpeg, phone_jpeg
from tests.serving import ServedNode

FOLDER = Path(__file__).parents[2] / "models" / "leaf_health"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_MIB = 1024 * 1024


@contextmanager
def served(**settings: int) -> Iterator[ServedNode]:
    """A served node on a fresh home, one thread for every library."""
    chosen = {f"GHALLA_{name.upper()}": str(value) for name, value in settings.items()}
    with (
        tempfile.TemporaryDirectory() as folder,
        ServedNode(Path(folder) / "home", **(ONE_THREAD | chosen)) as node,
    ):
        yield node


def line_to(node: ServedNode) -> http.client.HTTPConnection:
    """A connection that is kept open, as a phone's browser does."""
    return http.client.HTTPConnection(node.address.removeprefix("http://"), timeout=120)


def post(line: http.client.HTTPConnection, photo: bytes, keep: bool = False) -> int:
    """Status of one diagnosis, its answer read to the end."""
    target = f"/api/v1/diagnose?crop=LYPES&lang=en{'&keep=1' if keep else ''}"
    line.request("POST", target, photo, {"Content-Type": "image/jpeg"})
    answer = line.getresponse()
    answer.read()
    return answer.status


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each way; taken in turns, so that a noisy machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 2):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - started) * 1e3)
    return {name: statistics.median(taken[2:]) for name, taken in times.items()}


def plain_way(photo: bytes) -> Callable[[], object]:
    """What one would write first."""
    manifest = read_manifest(FOLDER)
    data = checked_bytes(FOLDER, manifest.files["fp32"])
    model, side = OnnxModel(data, manifest.px, len(manifest.labels)), manifest.px

    def run() -> object:
        image = Image.open(io.BytesIO(photo)).convert("RGB")
        square = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
        return model.run(square[None])

    return run


def floor_way(photo: bytes, flag: int) -> Callable[[], object]:
    """The least that any node must do: decode at reduced scale, shrink, infer."""
    manifest = read_manifest(FOLDER)
    model, _ = load_fastest(FOLDER, manifest)
    size = (manifest.px, manifest.px)

    def run() -> object:
        image = cv2.imdecode(np.frombuffer(photo, np.uint8), flag)
        assert image is not None
        return model.run(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)[None]
        )

    return run


@contextmanager
def durable_way() -> Iterator[Callable[[], object]]:
    """What one diagnosis costs the disk at the least: three pages of 4 kB and one fsync."""
    with tempfile.TemporaryFile(buffering=0) as file:

        def run() -> None:
            file.write(b"x" * 3 * 4096)
            os.fsync(file.fileno())

        yield run


def speed(rounds: int) -> dict[str, Any]:
    """Milliseconds of each way and their ratios, for a 12-megapixel JPEG."""
    photo = phone_jpeg()
    with served(workers=1) as node, durable_way() as durable_write:
        line = line_to(node)
        ways = {
            "plain": plain_way(photo),
            "floor": floor_way(photo, cv2.IMREAD_REDUCED_COLOR_8),
            "node": lambda: post(line, photo),
            "floor, kept scale": floor_way(photo, cv2.IMREAD_REDUCED_COLOR_4),
            "node, photo kept": lambda: post(line, photo, keep=True),
            "durable write": durable_write,
        }
        taken = interleaved(ways, rounds)
        line.close()
    return {
        "photo_mb": round(len(photo) / 1e6, 2),
        "ms": {name: round(value, 1) for name, value in taken.items()},
        "plain / node": round(taken["plain"] / taken["node"], 2),
        "node / floor": round(taken["node"] / taken["floor"], 3),
        "plain / node kept": round(taken["plain"] / taken["node, photo kept"], 2),
        "node kept / floor at that scale": round(
            taken["node, photo kept"] / taken["floor, kept scale"], 3
        ),
    }


def memory(first: int, last: int) -> dict[str, Any]:
    """Resident memory after ``first`` and ``last`` diagnoses, and the cold start."""
    photo = phone_jpeg(2)
    started = time.perf_counter()
    with served() as node:
        line = line_to(node)
        post(line, photo)
        cold_s = time.perf_counter() - started
        points = {}
        for number in range(2, last + 1):
            assert post(line, photo) == 200
            if number in (first, last):
                points[number] = round(psutil.Process(node.pid).memory_info().rss / _MIB, 1)
        line.close()
    return {"cold_start_to_first_answer_s": round(cold_s, 2), "rss_mib_after": points}


def crowd(phones: int, queue: int) -> dict[str, Any]:
    """``phones`` at once, each with one photo as the page shrinks it."""
    photo = leaf_jpeg(1600, 1200, quality=70)
    with served(queue=queue) as node:
        post(line_to(node), photo)
        started = time.perf_counter()
        post(line_to(node), photo)
        alone_s = time.perf_counter() - started
        results: list[tuple[int, float]] = []

        def phone() -> None:
            begun = time.perf_counter()
            status = post(line_to(node), photo)
            results.append((status, time.perf_counter() - begun))

        threads = [threading.Thread(target=phone) for _ in range(phones)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    good = sorted(spent for status, spent in results if status == 200)
    return {
        "phones": phones,
        "photo_kb": round(len(photo) / 1e3),
        "answered": len(good),
        "told_to_come_back": sum(status == 503 for status, _ in results),
        "lost": phones - len(results) + sum(s not in (200, 503) for s, _ in results),
        "alone_ms": round(alone_s * 1e3, 1),
        "p95_ms": round(float(np.quantile(good, 0.95)) * 1e3, 1),
        "p95 / (phones x alone)": round(float(np.quantile(good, 0.95)) / (phones * alone_s), 2),
    }


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = {
        "speed, 12 MP JPEG, one thread": speed(8 if given.quick else 30),
        "memory": memory(20, 60) if given.quick else memory(200, 2000),
        "20 phones at once": crowd(20, 30),
        "20 phones, 5 places": crowd(20, 3),
    }
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for title, figures in found.items():
        print(f"\n{title}")
        for name, value in figures.items():
            print(f"  {name:34} {value}")


if __name__ == "__main__":
    main()
