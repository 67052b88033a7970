"""What root's small services and the backup wrote down of their last run, for whoever shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_outcome_file(path: Path) -> dict[str, Any]:
    """The words of a ``last.json``; empty where there is none or it cannot be read."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
