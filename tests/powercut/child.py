"""One part of a workload in a process of its own: ``prepare <name> <home>``, ``run … <marks>``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.powercut.catalogue import WORKLOADS


def main(verb: str, name: str, folder: str, marks: str = "") -> None:
    """Do it; marks reach the recorder before the next step begins."""
    home = Path(folder)
    home.mkdir(exist_ok=True)
    if verb == "prepare":
        WORKLOADS[name].prepare(home)
        return
    file = os.open(marks, os.O_WRONLY)

    def mark(text: str) -> None:
        os.write(file, text.encode())

    mark("begin -")
    WORKLOADS[name].run(home, mark)
    os._exit(0)  # no tidy end: the power fails while all is open


if __name__ == "__main__":
    main(*sys.argv[1:])
