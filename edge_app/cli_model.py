"""``ghalla model``: the models of this node."""

from __future__ import annotations

import click

from edge_app import cli_model_life
from edge_app.cli_model_eval import model_audit, model_eval
from edge_app.cli_model_local import attach


@click.group()
def model() -> None:
    """The models of this node."""


for _command in (*cli_model_life.COMMANDS, model_eval, model_audit):
    model.add_command(_command)
attach(model)
