"""What a farmer is asked to agree to, as it is read to them: the one place, with its version."""

from __future__ import annotations

from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from edge_app.agent.texts import in_languages

# Raise it when a wording changes its meaning: every decision names the one that was read.
WORDING = "2026-2"
PURPOSES: dict[str, tuple[LazyString, LazyString]] = {
    "photos": (
        _l("Photos"),
        _l(
            "Photos of the plants on this farm are kept on the box and sent to the hub, the "
            "computer of the agronomists. People who know plants look at them, and the advice "
            "learns from them."
        ),
    ),
    "location": (
        _l("The place of the fields"),
        _l(
            "The outlines of the fields are kept on the box and sent to the hub, the computer of "
            "the agronomists, so that they and the agents find the fields and see them from above. "
            "Without your yes the hub only learns a square of about one kilometre."
        ),
    ),
}
PROMISE = _l("You can say no. You can take a yes back at any time. The advice stays the same.")


def asked() -> dict[str, Any]:
    """As JSON, every text by language; one that borrows another's words is left out."""
    purposes = [
        {"purpose": name, "title": in_languages(title), "text": in_languages(text)}
        for name, (title, text) in PURPOSES.items()
    ]
    return {"wording": WORDING, "purposes": purposes, "promise": in_languages(PROMISE)}
