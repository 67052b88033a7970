"""``ghalla model``: the models of this node."""

from __future__ import annotations

import click

from edge_app import cli_model_life


@click.group()
def model() -> None:
    """The models of this node."""


for _command in cli_model_life.COMMANDS:
    model.add_command(_command)
