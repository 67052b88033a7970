"""How the way to the hub is, for the health page."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from edge_app.ground import Ground
from edge_app.seam import Part
from edge_app.uplink_words import KEEPER_MUST
from field_data.clock import now, plausible
from field_data.uplinks import known_hubs

if TYPE_CHECKING:
    from field_data.uplinks import Uplink

# A link may be away for weeks; after this somebody should carry a stick.
SILENT_DAYS = 30


def hub_part(ground: Ground) -> Part | None:
    """The hub; None for a node that has none.

    A link that is away is no fault until records have waited for `SILENT_DAYS`.  Costs little
    however much waits: anybody may ask.
    """
    if not known_hubs(ground.store):
        return None
    from edge_app.uplink import Uplinks

    uplink = Uplinks(ground).uplink()
    state, waiting = uplink.state(), waiting_records(ground, uplink)
    last, heard_s = state.get("last", {}), state.get("heard_s")
    reason = str(last.get("reason", ""))
    stopped = f"; last run: {reason}" if reason else ""
    detail = f"{_heard(heard_s)}; {waiting} records wait{_aside(ground, uplink)}{stopped}"
    if reason in KEEPER_MUST:
        return Part("hub", False, f"hub_{reason}", f"{detail}; {last.get('detail', '')}")
    silent = waiting > 0 and heard_s is not None and _days_since(heard_s) > SILENT_DAYS
    return Part("hub", not silent, "hub_silent" if silent else "ok", detail)


def waiting_records(ground: Ground, uplink: Uplink) -> int:
    """Records that the hub has not got, those to be sent again with them."""
    acknowledged = ground.outbox.acknowledged(uplink.hub)
    held = ground.outbox.held(uplink.hub)
    again = [seq for seq in uplink.to_revise() if seq <= acknowledged and seq not in held]
    return ground.events.last_seq() - acknowledged + len(again)


def _heard(heard_s: float | None) -> str:
    if heard_s is None:
        return "never heard"
    return f"heard {dt.datetime.fromtimestamp(heard_s, dt.UTC):%Y-%m-%d %H:%M} UTC"


def _aside(ground: Ground, uplink: Uplink) -> str:
    photos = sum(bool(parcel.reason) for parcel in uplink.parcels())
    aside = len(ground.outbox.held(uplink.hub)) + photos
    return f", {aside} held back" if aside else ""


def _days_since(utc_s: float) -> float:
    """Nothing while the clock says what cannot be."""
    instant = now()
    return (instant.utc_s - utc_s) / 86_400 if plausible(instant) else 0.0
