"""As whom root's tools do what belongs to the node."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from edge_app.appliance.layout import USER


def owner_of_node() -> tuple[int, int] | None:
    """User and group id of the node; None where there is no such user."""
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def as_node(home: Path) -> dict[str, Any]:
    """Options of `subprocess` to run something as who owns ``home``; none for who is that already.

    A home of root's (in a test, in a container) is served by root.
    """
    owner = owner_of_node()
    if os.geteuid() != 0 or owner is None or home.stat().st_uid == 0:
        return {}
    return {"user": owner[0], "group": owner[1], "extra_groups": []}


def environ_for_node() -> dict[str, str]:
    """A clean environment for it."""
    found = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONSAFEPATH": "1"}
    if "PYTHONPATH" in os.environ:
        found["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return found
