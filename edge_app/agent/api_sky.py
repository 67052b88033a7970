"""The tablets' API: the newest map from above, which a tablet takes along."""

from __future__ import annotations

from typing import Any

import numpy as np
from flask import Response, current_app, url_for
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from edge_app.access.guard import ground
from edge_app.agent.api import blueprint, tagged
from edge_app.agent.texts import in_languages
from edge_app.sky import DAMAGED, Sky
from edge_app.sky_words import INDICES
from field_data.days import date_of
from field_data.errors import KeeperError
from sat_ingest.ramps import RAMPS, Ramp

_INDEX = "ndvi"
_LEGEND_COLOURS = 10
_WORDS: dict[str, LazyString] = {
    "title": INDICES[_INDEX],
    "clouds": _l("Grey: hidden by clouds."),
    "source": _l("Source: Copernicus Sentinel-2, changed by us."),
}


@blueprint.get("/sky")
def sky() -> Response:
    """The newest day seen from above, the address of its tiles, legend and words.

    ``day`` is null before the first scene, and while the pictures on the node are damaged: the
    keeper is told of that elsewhere, and a tablet goes on without them.
    """
    try:
        return tagged(_newest(ground().sky))
    except KeeperError as error:
        if error.code not in DAMAGED:
            raise
        current_app.logger.error("%s: %s", error.code, error)
        return tagged(_told(None, ""))


def _newest(sky: Sky) -> dict[str, Any]:
    days = sky.days()
    if not days:
        return _told(None, "")
    day = date_of(days[-1]).isoformat()
    address = url_for("sky.tile", index=_INDEX, when=day, z=0, x=0, y=0, v=sky.edition())
    return _told(day, address.replace("/0/0/0.png", "/{z}/{x}/{y}.png"))


def _told(day: str | None, tiles: str) -> dict[str, Any]:
    words = {name: in_languages(text) for name, text in _WORDS.items()}
    return {"index": _INDEX, "day": day, "tiles": tiles, "legend": _legend(RAMPS[_INDEX]), **words}


def _legend(ramp: Ramp) -> dict[str, Any]:
    """Colours in even steps from the value ``low`` to ``high``."""
    steps = np.linspace(ramp.low, ramp.high, _LEGEND_COLOURS)
    colours = [ramp.colour(float(value)) for value in steps]
    return {"low": ramp.low, "high": ramp.high, "colours": colours}
