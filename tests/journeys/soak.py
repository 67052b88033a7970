"""Fifty phones for three days, in minutes: do memory, open files and quick pages stay as they are?

``python -m tests.journeys.soak``: a node in a process of its own, whose clock goes an hour ahead
with each round; in a round every phone looks at some pages, some ask with photos, some lose their
connection in the middle of one and send it again, some look back or take an answer back.  Prints a
line for every six hours; exit code 1 when memory has grown by more than 2 % after the first day,
files stay open, pages of the last day were half as slow again as those of the first, or a request
was answered with a fault of ours.
"""

from __future__ import annotations

import argparse
import http.client
import random
import re
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_app.metrics import open_files, resident_bytes
from field_data.errors import GhallaError
from tests.builders import leaf_jpeg
from tests.journeys.faults import Place

HOUR_S = 3600
_WINDOW_H = 6
MIB = 1024 * 1024
MOST_GROWTH, MOST_FILES, MOST_SLOWER = 0.02, 4, 1.5
_PHONES_AT_ONCE = 8
_PAGES = (
    "/{}/", "/{}/card/LYPES.PHYTIN", "/{}/health", "/{}/history", "/{}/privacy", "/{}/photo/LYPES",
    "/static/app.css", "/{}/symptoms/LYPES", "/{}/nothing-here",
)  # fmt: skip
_LANGS = ("ar", "fr", "zgh", "en")
_CROPS = ("LYPES", "SOLTU", "any", "TRZAX")


@dataclass
class Phone:
    """A browser with its cookies, and the answers that it was given."""

    address: str
    chance: random.Random
    photos: Sequence[bytes]
    cookies: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, float]:
        """Status and seconds of one request."""
        begun = time.perf_counter()
        line = http.client.HTTPConnection(self.address, timeout=60)
        try:
            cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            line.request(method, path, body or None, {"Cookie": cookie, **headers})
            answer = line.getresponse()
            answer.read()
        finally:
            line.close()
        for text in answer.headers.get_all("Set-Cookie") or ():
            self.cookies |= {name: each.value for name, each in SimpleCookie(text).items()}
        found = re.search(r"/result/(\w+)", answer.headers.get("Location") or "")
        if found:
            self.answers.append(found[1])
        return answer.status, time.perf_counter() - begun

    def hour(self, rate: float) -> list[tuple[str, int, float]]:
        """What this phone does in an hour: (kind, status, seconds) of each request."""
        lang = self.chance.choice(_LANGS)
        done = [("page", *self.ask("GET", self._page(lang))) for _ in range(2)]
        if self.chance.random() < rate:
            if self.chance.random() < 0.2:
                self._break_off(lang)
            done.append(("photo", *self._send(lang)))
        if self.answers and self.chance.random() < 0.1:
            path = f"/{lang}/result/{self.answers[-1]}"
            done.append(("page", *self.ask("GET", path)))
        if self.answers and self.chance.random() < 0.02:
            done.append(("erase", *self._erase(lang)))
        return done

    def _page(self, lang: str) -> str:
        return self.chance.choice(_PAGES).format(lang)

    def _send(self, lang: str) -> tuple[int, float]:
        chosen = self.chance.choices(self.photos, k=self.chance.choice((1, 1, 1, 2, 3)))
        return self.ask("POST", self._to(lang), _form(chosen, self.chance), **_FORM)

    def _to(self, lang: str) -> str:
        return f"/{lang}/photo/{self.chance.choice(_CROPS)}"

    def _erase(self, lang: str) -> tuple[int, float]:
        body = b"id=" + self.answers.pop(0).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", f"/{lang}/history/erase", body, **kind)

    def _break_off(self, lang: str) -> None:
        """Send half a form and be gone."""
        body = _form(self.photos[:1], self.chance)
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as line:
            head = f"POST {self._to(lang)} HTTP/1.1\r\nHost: {self.address}\r\n"
            head += f"Content-Type: {_FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body[: len(body) // 2])


_FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def _form(photos: Sequence[bytes], chance: random.Random) -> bytes:
    kept = b'--x\r\nContent-Disposition: form-data; name="keep"\r\n\r\n1\r\n'
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n%s\r\n'
        % each
        for each in photos
    ]
    return b"".join([*parts, *([kept] if chance.random() < 0.5 else []), b"--x--\r\n"])


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours: what was asked, how it was answered, and what the node took at their end."""

    hours: int
    requests: int
    photos: int
    faults: int
    busy: int
    rss_mib: float
    files: int
    p50_ms: float
    p95_ms: float
    photo_p95_ms: float


def soaked(phones: int, hours: int, rate: float, seed: int = 1) -> list[Window]:
    """So many phones for so many hours; ``rate`` is the chance of a photo a phone and hour."""
    chance = random.Random(seed)
    photos = [leaf_jpeg(w, w * 3 // 4, n) for n, w in enumerate((640, 800, 1200, 1600, 3000))]
    windows: list[Window] = []
    with TemporaryDirectory(prefix="soak-") as name:
        place = Place(Path(name))
        place.start()
        try:
            assert place.node is not None
            address, process = place.node.address.removeprefix("http://"), place.node.pid
            crowd = [Phone(address, random.Random(chance.random()), photos) for _ in range(phones)]
            done: list[tuple[str, int, float]] = []
            for hour in range(1, hours + 1):
                place.clock(hour * HOUR_S)
                chance.shuffle(crowd)
                with ThreadPoolExecutor(_PHONES_AT_ONCE) as pool:
                    for each in pool.map(partial(Phone.hour, rate=rate), crowd):
                        done += each
                if hour % _WINDOW_H == 0:
                    windows.append(_window(hour, done, process))
                    print(row(windows[-1]), file=sys.stderr)
                    done = []
        finally:
            place.stop()
    return windows


def _window(hour: int, done: Sequence[tuple[str, int, float]], process: int) -> Window:
    time.sleep(0.5)  # what broke off is noticed
    pages = sorted(seconds * 1000 for kind, _, seconds in done if kind == "page")
    sent = sorted(seconds * 1000 for kind, _, seconds in done if kind == "photo")
    statuses = [status for _, status, _ in done]
    folder = Path(f"/proc/{process}")
    return Window(
        hour, len(done), len(sent), sum(status >= 500 and status != 503 for status in statuses),
        statuses.count(503), resident_bytes(folder) / MIB, open_files(folder),
        statistics.median(pages), _p95(pages), _p95(sent),
    )  # fmt: skip


def _p95(ordered: Sequence[float]) -> float:
    return ordered[int(0.95 * (len(ordered) - 1))] if ordered else 0.0


HEAD = ("| Hours | Requests | Photos | Faults | Busy | RSS MiB | Open files | Page p50 ms |"
        " p95 ms | Photo p95 ms |\n|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip


def row(each: Window) -> str:
    """One line of the table."""
    return (
        f"| {each.hours} | {each.requests} | {each.photos} | {each.faults} | {each.busy} |"
        f" {each.rss_mib:.1f} | {each.files} | {each.p50_ms:.1f} | {each.p95_ms:.1f} |"
        f" {each.photo_p95_ms:.0f} |"
    )


def judged(windows: Sequence[Window]) -> list[str]:
    """What is wrong with a soak; a day is a third of it.  Nothing where all is well."""
    day = max(1, len(windows) // 3)
    # Memory that the first day needed is not growth: caches fill, as do the threads' stacks.
    first, last = windows[day - 1 : day + 1], windows[-2:]
    grown = _mean([w.rss_mib for w in last]) / _mean([w.rss_mib for w in first]) - 1
    files = windows[-1].files - windows[day - 1].files
    slower = _mean([w.p95_ms for w in windows[-day:]]) / _mean([w.p95_ms for w in windows[:day]])
    print(f"memory {grown:+.1%}, open files {files:+d}, p95 of pages x {slower:.2f}")
    wrong = {
        f"memory grew by {grown:.1%}": grown > MOST_GROWTH,
        f"{files} more files are open": files > MOST_FILES,
        f"pages became {slower:.2f} times as slow": slower > MOST_SLOWER,
        "requests were answered with faults": any(w.faults for w in windows),
        "nothing was asked": not windows or not all(w.photos for w in windows),
    }
    return [problem for problem, there in wrong.items() if there]


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values)


def main(arguments: Sequence[str]) -> int:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.soak", description=__doc__)
    parser.add_argument("--phones", type=int, default=50)
    parser.add_argument("--hours", type=int, default=72, help="simulated, in steps of six")
    parser.add_argument("--rate", type=float, default=0.25, help="photos a phone and hour")
    options = parser.parse_args(arguments)
    try:
        windows = soaked(options.phones, options.hours, options.rate)
    except GhallaError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    print("\n".join([HEAD, *map(row, windows)]))
    wrong = judged(windows)
    print("\n".join(wrong) or "sound")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
