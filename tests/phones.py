"""A phone that talks to the pages without a network, and what it sends."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from edge_app import webassets
from edge_app.advice import load_advice
from edge_app.web import create_app
from tests.fakes import FakeNode

JPEG = b"\xff\xd8\xff\xe0 not looked into by the pages"


def phone_of(node: FakeNode) -> FlaskClient:
    """A new phone, with no cookies yet."""
    app = _app()
    app.extensions["ghalla_node"] = node
    return app.test_client()


def files(count: int, name: str = "leaf.jpg", data: bytes = JPEG) -> dict[str, Any]:
    """The form fields of so many photos."""
    return {"photo": [(BytesIO(data), name) for _ in range(count)]}


@cache
def _app() -> Flask:
    # One application for all: making one compiles every template again.
    webassets.compile_catalogues()
    return create_app(FakeNode(), load_advice())
