"""How the way to the hub is, for the health page."""

from __future__ import annotations

import datetime as dt

from edge_app.ground import Ground
from edge_app.seam import Part
from edge_app.uplink_words import KEEPER_MUST
from field_data.uplinks import known_hubs


def hub_part(ground: Ground) -> Part | None:
    """The hub; None for a node that has none.  A link that is away is no fault."""
    if not known_hubs(ground.store):
        return None
    from edge_app.uplink import Uplinks

    told = Uplinks(ground).status()
    reason = str(told.last.get("reason", ""))
    heard = "never heard"
    if told.heard_s is not None:
        heard = f"heard {dt.datetime.fromtimestamp(told.heard_s, dt.UTC):%Y-%m-%d %H:%M} UTC"
    aside = f", {len(told.aside)} set aside" if told.aside else ""
    detail = f"{heard}; {told.waiting} records wait{aside}"
    if reason in KEEPER_MUST:
        return Part("hub", False, f"hub_{reason}", f"{detail}; {told.last.get('detail', '')}")
    return Part("hub", True, "ok", detail)
