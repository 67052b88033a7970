"""``ghalla model``: which models are here and what they claim."""

from __future__ import annotations

import json

import click

from edge_app.cli_common import JSON, guarded
from edge_app.cli_model_local import attach


@click.group()
def model() -> None:
    """The models of this node."""


attach(model)


@model.command("list")
@JSON
def model_list(as_json: bool) -> None:
    """List the models: version, crops, what their card claims."""

    def action() -> None:
        from models.registry import list_models

        found = list_models()
        if as_json:
            click.echo(json.dumps(found, ensure_ascii=False))
            return
        for each in found:
            state = "ok" if each["ok"] else f"NOT SOUND: {each['problem']}"
            click.echo(f"{each['name']} {each.get('version', '?')}  {state}")
            click.echo(f"  crops: {', '.join(each.get('crops', [])) or '-'}")
            for split, figures in each.get("claims", {}).items():
                click.echo(
                    f"  {split}: accuracy {figures['accuracy']}, macro-F1 {figures['macro_f1']}"
                )

    guarded(as_json, action)
