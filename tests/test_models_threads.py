"""A diagnosis runs on one thread: no library spins or reports home beside it."""

from __future__ import annotations

import os
import subprocess
import sys

COUNT = "import edge_app.cli, edge_app.node, os; print(len(os.listdir('/proc/self/task')))"


def threads(**said: str) -> int:
    """Threads of a node that has just been imported."""
    bare = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    command = [sys.executable, "-c", COUNT]
    return int(subprocess.run(command, env=bare | said, capture_output=True, check=True).stdout)


def test_the_runtime_reports_nothing_to_its_maker() -> None:
    """Its reporter is a thread of its own, which only its own variable keeps from starting."""
    assert threads(OPENBLAS_NUM_THREADS="1") == 1


def test_numpy_starts_no_threads_of_its_own() -> None:
    assert threads() == threads(OPENBLAS_NUM_THREADS="1")
