"""The node and the advice that this application was made with."""

from __future__ import annotations

from typing import cast

from flask import current_app

from edge_app.advice import Advice
from edge_app.seam import Node


def node() -> Node:
    """The node behind the pages."""
    return cast(Node, current_app.extensions["ghalla_node"])


def advice() -> Advice:
    """What the pages can say."""
    return cast(Advice, current_app.extensions["ghalla_advice"])
