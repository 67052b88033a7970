"""Lighthouse (mobile) over the farmer pages: ``python -m tests.bench.bench_lighthouse``.

Prints performance and accessibility (0 to 100) for each page and language, and fails below the
figures that the project promises.  Needs ``npm ci`` and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waitress.server import create_server

from edge_app import webassets
from edge_app.advice import load_advice
from edge_app.languages import LANGS
from edge_app.web import create_app
from tests.fakes import FakeNode, one_of_each

LIGHTHOUSE = webassets.NODE_MODULES / ".bin" / "lighthouse"
PERFORMANCE, ACCESSIBILITY = 95, 100
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run"


@contextmanager
def served() -> Iterator[tuple[str, dict[str, str]]]:
    """A running server: its address, and the path of each page."""
    webassets.compile_catalogues()
    webassets.build_fonts()
    node = FakeNode()
    results = {kind: f"/result/{node.put(each)}" for kind, each in one_of_each().items()}
    pages = {"home": "/", "photo": "/photo/LYPES", "symptoms": "/crop/TRZAX", **results}
    server = create_server(create_app(node, load_advice()), host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}", pages
    server.close()


def scores(address: str) -> tuple[int, int]:
    """Performance and accessibility of one page."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            str(LIGHTHOUSE),
            address,
            "--quiet",
            "--only-categories=performance,accessibility",
            "--output=json",
            f"--output-path={report}",
            f"--chrome-flags={FLAGS}",
        ]
        chrome = os.environ.get("CHROME_PATH") or shutil.which("chromium") or "/usr/bin/chromium"
        subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": chrome})
        found = json.loads(report.read_text(encoding="utf-8"))["categories"]
    performance, accessibility = (found[name]["score"] for name in ("performance", "accessibility"))
    return round(100 * performance), round(100 * accessibility)


def main() -> int:
    """Print the table; 1 when a page is below what is promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", action="append", choices=LANGS)
    parser.add_argument("--page", action="append")
    args = parser.parse_args()
    poor = 0
    with served() as (address, pages):
        for page in args.page or pages:
            for lang in args.lang or LANGS:
                performance, accessibility = scores(f"{address}/{lang}{pages[page]}")
                poor += performance < PERFORMANCE or accessibility < ACCESSIBILITY
                print(f"{page:12} {lang:4} {performance:4} {accessibility:4}", flush=True)
    return int(poor > 0)


if __name__ == "__main__":
    sys.exit(main())
