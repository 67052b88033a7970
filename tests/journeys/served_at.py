"""``ghalla`` by another clock and with models that can be taken away: what faults are tried on.

``python -m tests.journeys.served_at <folder> serve …``: ``<folder>/clock`` holds the seconds that
the clock is ahead, read anew whenever somebody asks for the time; a file ``<folder>/chip`` says
that a clock chip vouches for it; ``<folder>/leaf_health`` stands for the shipped model.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from field_data import clock

_real = time.time


def by(folder: Path) -> None:
    """Let this process live by the files of ``folder``."""

    def shifted() -> float:
        try:
            return _real() + float((folder / "clock").read_text())
        except (OSError, ValueError):  # being written this moment
            return _real()

    clock._system = clock.Clock(shifted, folder / "ntp", folder / "chip")
    if (folder / "leaf_health").is_dir():
        from edge_app import node

        node.MODEL_FOLDER = folder / "leaf_health"
        begin = node.FarmNode.__init__
        begin.__kwdefaults__ = {"model_folder": node.MODEL_FOLDER}


if __name__ == "__main__":
    by(Path(sys.argv[1]))
    from edge_app.cli import main

    main(sys.argv[2:])
