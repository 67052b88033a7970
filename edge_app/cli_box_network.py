"""``ghalla box network``: the Wi-Fi of the box, as files and as it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from edge_app.appliance.layout import Layout
from edge_app.cli_box import ROOT, box
from edge_app.cli_common import JSON, guarded


@box.group()
def network() -> None:
    """The Wi-Fi of the box: access point, addresses, names, firewall."""


@network.command()
@ROOT
@JSON
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
def render(root: Path, as_json: bool, out: Path) -> None:
    """Write the files that the box's settings make into the folder OUT, passphrase and all."""

    def action() -> None:
        from edge_app.appliance.network import rendered
        from edge_app.appliance.network_apply import make_ready, put

        files = rendered(*make_ready(Layout(root)))
        put(Layout(out), files)
        names = [str(file.path) for file in files]
        click.echo(json.dumps({"files": names}) if as_json else "\n".join(names))

    guarded(as_json, action)


@network.command()
@ROOT
@JSON
@click.option("--request", is_flag=True, help="Do what the node asks; go back if nobody comes in.")
@click.option("--show", is_flag=True, help="Say the passphrase, for the label.")
def apply(root: Path, as_json: bool, request: bool, show: bool) -> None:
    """Bring the Wi-Fi up as the settings say.  Needs root."""

    def action() -> None:
        from edge_app.appliance.network_apply import change, start

        layout = Layout(root)
        if request:
            change(layout)
        else:
            start(layout)
        _tell(layout, as_json, show)

    guarded(as_json, action)


def _tell(layout: Layout, as_json: bool, show: bool) -> None:
    from edge_app.appliance.box_settings import read_box, read_passphrase

    settings = read_box(layout)
    secret = read_passphrase(layout, settings) if show else None
    if as_json:
        click.echo(json.dumps(asdict(settings) | {"passphrase": secret}, ensure_ascii=False))
    else:
        click.echo(f"Wi-Fi {settings.ssid!r} ({settings.security}) is up on {settings.wifi}")
        if secret:
            click.echo(f"Passphrase: {secret}")
