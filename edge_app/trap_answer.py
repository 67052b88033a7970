"""A trap count as the JSON that the command line gives, and the card that goes with it."""

from __future__ import annotations

from typing import Any

from edge_app.advice import Advice, Card
from models.counting import CountReading

# What is caught there -> the card of the crop and pest it is hung for.
_CARD_OF = {"tuta": ("LYPES", "GNORAB")}


def trap_card(trap: str, advice: Advice) -> Card | None:
    """The card that says what a count in this kind of trap means; None where there is none."""
    pair = _CARD_OF.get(trap)
    return advice.card(*pair) if pair else None


def count_answer(reading: CountReading, advice: Advice, photo: str) -> dict[str, Any]:
    """Plain values: boxes x, y, width, height in px of the photo, times in milliseconds."""
    counted = reading.count
    card = trap_card(reading.trap, advice) if counted else None
    return {
        "photo": photo,
        "trap": reading.trap,
        "status": reading.status.value,
        "count": counted.count if counted else None,
        "low": counted.low if counted else None,
        "high": counted.high if counted else None,
        "fault": reading.fault.value if reading.fault else None,
        "detections": [
            {"label": d.label, "probability": round(d.probability, 4), "box": list(d.box)}
            for d in reading.detections
        ],
        "advice": card.id if card else None,
        "model": {
            "name": reading.model.name,
            "version": reading.model.version,
            "sha256": reading.model.sha256,
        },
        "timing_ms": {
            "decode": round(reading.timing.decode_ms, 2),
            "infer": round(reading.timing.infer_ms, 2),
            "total": round(reading.timing.total_ms, 2),
        },
    }
