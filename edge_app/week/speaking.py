"""A language outside a request: for the command line and the printed sheet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def speaking(lang: str) -> Iterator[None]:
    """Inside, texts are in ``lang``, one of `edge_app.languages.LANGS`."""
    from flask import Flask

    from edge_app.i18n import init_i18n

    app = Flask(__name__)
    init_i18n(app)
    with app.test_request_context(f"/{lang}/"):
        yield
