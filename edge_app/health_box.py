"""How the box under the node is: warmth, power, card, memory, photos, clock; for the health page.

A part that this machine says nothing of is left out.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from edge_app.appliance.memory import MIB, Means, means_of, memory_bytes
from edge_app.appliance.vitals import Card, Power, vitals
from edge_app.seam import Part
from edge_app.settings import MB, Settings
from field_data import clock
from field_data.files import free_bytes
from field_data.types import Instant, Trust

# The processor of a Raspberry Pi slows itself down from here on.
HOT_C = 80.0
# Nine tenths of what the card's maker promises.
_WORN_PERCENT = 90
_SPARE_LOW = 2
_PHOTOS_FULL = 0.95


def disk_part(home: Path, settings: Settings) -> Part:
    """Free space where the home is."""
    free_mb = free_bytes(home) // MB
    enough = free_mb >= settings.min_free_mb
    return Part("disk", enough, "ok" if enough else "disk_low", f"{free_mb} MB free")


def box_parts(home: Path, settings: Settings) -> Iterator[Part]:
    """Warmth, power, card and memory, as far as this machine tells."""
    found = vitals(home)
    if found.temperature_c is not None:
        yield heat_part(found.temperature_c)
    if found.power is not None:
        yield power_part(found.power)
    yield card_part(found.card)
    limit = memory_bytes(settings.memory_mb)
    if limit is not None:
        yield memory_part(limit, means_of(limit, settings.workers, settings.queue))


def heat_part(celsius: float) -> Part:
    """The warmest place that the box knows of."""
    cool = celsius < HOT_C
    return Part("heat", cool, "ok" if cool else "box_hot", f"{celsius:.0f} C")


def power_part(power: Power) -> Part:
    """The power supply; what was weak before is told, what is weak now is a fault."""
    since = "weak since the start" if power.was_weak else "never weak since the start"
    slow = ", slowed down now" if power.slowed else ""
    if power.weak:
        return Part("power", False, "power_weak", f"weak now{slow}")
    return Part("power", True, "power_was_weak" if power.was_weak else "ok", f"{since}{slow}")


def card_part(card: Card) -> Part:
    """The memory card: can it be written, has it failed, how worn is it."""
    told = [
        "" if card.written_bytes is None else f"{card.written_bytes / 1e9:.1f} GB since the start",
        "" if card.errors is None else f"{card.errors} errors of its file system",
        "" if card.life_used_percent is None else f"{card.life_used_percent} % of its life used",
        "cannot be written" if card.read_only else "",
    ]
    code = _card_code(card)
    detail = ", ".join(filter(None, told)) or "can be written"
    return Part("card", code == "ok", code, detail)


def _card_code(card: Card) -> str:
    if card.read_only:
        return "card_read_only"
    if card.errors:
        return "card_errors"
    worn = (card.life_used_percent or 0) > _WORN_PERCENT or (card.spare or 0) >= _SPARE_LOW
    return "card_worn" if worn else "ok"


def memory_part(limit: int, means: Means) -> Part:
    """What the node may use, and what is off for that.  A small box is no broken one."""
    detail = f"{limit // MIB} MiB"
    if means.small:
        off = "one diagnosis at a time, maps are drawn in turn, no scenes are pulled"
        return Part("memory", True, "memory_small", f"{detail}: {off}")
    return Part("memory", True, "ok", detail)


def photos_part(taken: int, settings: Settings) -> Part | None:
    """What photos take of their quota; None where they have none."""
    quota = settings.photo_quota_mb
    if not quota:
        return None
    fits = taken < _PHOTOS_FULL * quota * MB
    code = "ok" if fits else "photos_full"
    return Part("photos", fits, code, f"{taken / MB:.0f} of {quota} MB")


def clock_part(instant: Instant) -> Part:
    """Where the time comes from.

    A box that nothing vouches for works on; a time that cannot be is a fault, since records get it.
    """
    try:
        told = f"{datetime.datetime.fromtimestamp(instant.utc_s, datetime.UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        told = f"{instant.utc_s:.0f} s"
    detail = f"{told} UTC, from {instant.trust}"
    if not clock.plausible(instant):
        code = "clock_past" if instant.utc_s < clock.BUILT_UTC_S else "clock_future"
        return Part("clock", False, code, detail)
    code = "clock_unknown" if instant.trust is Trust.UNKNOWN else "ok"
    return Part("clock", True, code, detail)
