"""Figures of a running node in the text format of Prometheus; numbers only, nothing of anybody.

Names and units follow Prometheus' rules: seconds, bytes, degrees Celsius; ``_total`` only grows.
"""

from __future__ import annotations

import os
import resource
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from edge_app.appliance.vitals import vitals
from field_data.clock import now
from field_data.files import free_bytes
from field_data.uplinks import known_hubs

if TYPE_CHECKING:
    from edge_app.node import FarmNode

# Where an application keeps what it has counted.
REQUESTS = "ghalla_requests"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: ``kind`` is gauge, counter or histogram; ``samples`` by suffix and labels."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


def gauge(name: str, help: str, value: float | None, kind: str = "gauge") -> Metric:
    """A figure without labels; without a value it has no sample."""
    return Metric(name, kind, help, () if value is None else (("", (), float(value)),))


def rendered(metrics: Iterable[Metric]) -> str:
    """The text that Prometheus reads; figures without a sample are left out."""
    lines = []
    for metric in metrics:
        if metric.samples:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for suffix, labels, value in metric.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            braces = f"{{{inside}}}" if inside else ""
            lines.append(f"{metric.name}{suffix}{braces} {value:.15g}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@dataclass
class Requests:
    """Requests by what they are for and how they ended, and how long they took; for threads."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, group: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        with self._lock:
            self.counts[group, f"{status // 100}xx"] += 1
            self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
            self.seconds += seconds

    def metrics(self) -> Iterator[Metric]:
        """What was noted."""
        with self._lock:
            counts, buckets, seconds = dict(self.counts), list(self.buckets), self.seconds
        yield Metric(
            "ghalla_http_requests_total",
            "counter",
            "Requests answered, by part of the pages and class of status.",
            tuple(
                ("", (("part", part), ("status", status)), count)
                for (part, status), count in sorted(counts.items())
            ),
        )
        yield Metric(
            "ghalla_http_request_duration_seconds",
            "histogram",
            "Time from a request received to its answer made.",
            tuple(_histogram(buckets, seconds)),
        )


def _histogram(buckets: list[int], seconds: float) -> Iterator[tuple[str, Labels, float]]:
    sofar = 0
    for bound, count in zip((*BUCKETS_S, float("inf")), buckets, strict=True):
        sofar += count
        yield "_bucket", (("le", "+Inf" if bound == float("inf") else f"{bound:g}"),), sofar
    yield "_sum", (), seconds
    yield "_count", (), sofar


def node_metrics(node: FarmNode) -> Iterator[Metric]:
    """Everything that a node can say in numbers, at this moment."""
    parts = (("", (("part", part.name),), float(part.ok)) for part in node.health())
    yield Metric("ghalla_part_ok", "gauge", "1 where a part works, 0 where not.", tuple(parts))
    yield Metric("ghalla_build_info", "gauge", "What runs here.", (("", _build(), 1.0),))
    yield gauge("ghalla_diagnoses", "Answers kept now.", node.ground.diagnoses.count())
    yield gauge("ghalla_events", "Events ever recorded.", node.ground.events.last_seq())
    yield gauge("ghalla_queue_length", "Diagnoses under way or waiting.", node.turnstile.inside)
    yield gauge("ghalla_photos_bytes", "Photos kept.", node.ground.photos.taken_bytes())
    yield gauge("ghalla_disk_free_bytes", "Free where the home is.", free_bytes(node.home))
    trust = {"ntp": 3, "tablet": 2, "rtc": 2, "unknown": 0}[now().trust]
    yield gauge("ghalla_clock_trust", "0 nothing, 2 a clock chip, 3 a time server.", trust)
    yield from _hub_metrics(node)
    yield from _box_metrics(node.home)
    yield from process_metrics()


def _build() -> Labels:
    try:
        return (("version", version("ghalla")),)
    except PackageNotFoundError:
        return (("version", "unknown"),)


def _hub_metrics(node: FarmNode) -> Iterator[Metric]:
    if not known_hubs(node.ground.store):
        return
    from edge_app.uplink import Uplinks
    from edge_app.uplink_health import waiting_records

    uplink = Uplinks(node.ground).uplink()
    waiting, heard_s = waiting_records(node.ground, uplink), uplink.state().get("heard_s")
    yield gauge("ghalla_hub_waiting_records", "Records that the hub has not got.", waiting)
    yield gauge("ghalla_hub_heard_timestamp_seconds", "When the hub was last heard.", heard_s)


def _box_metrics(home: Path) -> Iterator[Metric]:
    found = vitals(home)
    yield gauge("ghalla_temperature_celsius", "Of the warmest place.", found.temperature_c)
    weak = None if found.power is None else float(found.power.weak)
    yield gauge("ghalla_power_weak", "1 while the power supply is too weak.", weak)
    written, errors = found.card.written_bytes, found.card.errors
    name = "ghalla_card_written_bytes_total"
    yield gauge(name, "Written to the card since the box started.", written, "counter")
    yield gauge("ghalla_card_errors_total", "Errors of its file system.", errors, "counter")
    life = found.card.life_used_percent
    yield gauge("ghalla_card_life_used_ratio", "As the card says.", life and life / 100)


def process_metrics(proc: Path = Path("/proc")) -> Iterator[Metric]:
    """Of this process, under the names that every client of Prometheus uses."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = spent.ru_utime + spent.ru_stime
    yield gauge("process_cpu_seconds_total", "Processor time.", cpu_s, "counter")
    yield gauge("process_resident_memory_bytes", "Memory in use.", resident_bytes(proc / "self"))
    yield gauge("process_open_fds", "Open files.", open_files(proc / "self"))


def open_files(process: Path) -> int:
    """Open files of a process, a folder of /proc."""
    return sum(1 for _ in (process / "fd").iterdir())


def resident_bytes(process: Path) -> int:
    """Bytes of memory in use of a process, a folder of /proc."""
    pages = int((process / "statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
