"""``ghalla box support``: a file for who helps from afar."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_app.cli_box import box
from edge_app.cli_common import HOME, JSON, guarded


@box.command()
@HOME
@JSON
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.zip")
def support(home: Path, as_json: bool, out: Path) -> None:
    """Write versions, health, figures and the last log lines to OUT.zip, nothing of anybody."""

    def action() -> None:
        from edge_app.support import write_support

        size = write_support(home, out)
        if as_json:
            click.echo(json.dumps({"file": str(out), "bytes": size}))
        else:
            click.echo(f"Wrote {out}, {size} bytes. It holds no names, numbers, places or photos.")

    guarded(as_json, action)
