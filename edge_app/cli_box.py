"""``ghalla box``: the box around a node.  Files of their own add verbs to the group."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import click

from edge_app.appliance.layout import Layout, read_release
from edge_app.cli_common import JSON, guarded
from field_data.errors import KeeperError

ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/"),
    show_default=True,
    help="Root of the box's system, for one that is not running.",
)
_NO_SYSTEMD = (
    "systemd does not run here (a container?): no unit starts by itself. The node works all the "
    "same: {program} serve --home {home}"
)
_WAIT_S = 10


@click.group()
def box() -> None:
    """The box around the node: how it is installed, set up, updated and saved."""


@box.command()
@ROOT
@JSON
def status(root: Path, as_json: bool) -> None:
    """Say which release is in use, where everything lies, and how the units are."""

    def action() -> None:
        told = told_of(Layout(root))
        if as_json:
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            click.echo("\n".join(_lines(told)))

    guarded(as_json, action)


def told_of(layout: Layout) -> dict[str, Any]:
    """What :func:`status` prints.

    Raises:
        KeeperError: ``not_installed`` or ``bad_release``.
    """
    if not layout.installed:
        raise KeeperError(
            "not_installed",
            f"no Ghalla is installed under {layout.code}: run install.sh of a release folder",
        )
    kept = sorted(path.name for path in layout.releases.iterdir() if path.is_dir())
    return {
        "release": read_release(layout.current),
        "kept": kept,
        "paths": {
            "code": str(layout.current.resolve()),
            "home": str(layout.home),
            "box": str(layout.box),
            "settings": str(layout.settings),
        },
        "systemd": layout.has_systemd,
        "units": units_of(layout),
    }


def units_of(layout: Layout) -> dict[str, str]:
    """The installed units and what systemd says of each (``active`` …); ``installed`` without it.

    systemd is asked only about the system that runs, never about a root beside it.
    """
    there = layout.installed_units
    if not layout.has_systemd or layout.root != Path("/") or not there:
        return dict.fromkeys(there, "installed")
    asked = ["systemctl", "is-active", *there]
    try:
        said = subprocess.run(  # noqa: S603 - names of our own
            asked, capture_output=True, text=True, timeout=_WAIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return dict.fromkeys(there, "unknown")
    return dict(zip(there, [*said.stdout.split(), *["unknown"] * len(there)], strict=False))


def _lines(told: dict[str, Any]) -> list[str]:
    release, paths = told["release"], told["paths"]
    lines = [
        f"Ghalla {release['version']}, Python {release['python']}, {release['arch']}",
        f"Releases here: {', '.join(told['kept'])}",
        *(f"{name:9} {path}" for name, path in paths.items()),
        *(f"{name:24} {state}" for name, state in told["units"].items()),
    ]
    if not told["systemd"]:
        program = f"{paths['code']}/venv/bin/ghalla"
        lines.append(_NO_SYSTEMD.format(program=program, home=paths["home"]))
    return lines
