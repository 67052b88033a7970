"""A diagnosis as the JSON that the command line and the HTTP API both give."""

from __future__ import annotations

import hashlib
from typing import Any

from edge_app.advice import Advice, Card, Localised
from edge_app.languages import language_of
from field_data.types import Candidate, Diagnosis, ModelRef, Status


def answer(diagnosis: Diagnosis, advice: Advice, lang: str, photo: str) -> dict[str, Any]:
    """Plain values: probabilities 0 to 1, times in milliseconds, names in ``lang``."""
    card = advised(diagnosis, advice)
    crop = advice.crop(diagnosis.crop) if diagnosis.crop else None
    return {
        "photo": photo,
        "status": diagnosis.status.value,
        "crop": crop.sci[0] if crop else diagnosis.crop,
        "candidates": [_candidate(each, advice, lang) for each in diagnosis.candidates],
        "alert": diagnosis.alert,
        "advice": card.id if card else None,
        "model": _model(diagnosis.model) if diagnosis.model else None,
        "timing_ms": {
            "decode": round(diagnosis.timing.decode_ms, 2),
            "infer": round(diagnosis.timing.infer_ms, 2),
            "total": round(diagnosis.timing.total_ms, 2),
        },
    }


def advised(diagnosis: Diagnosis, advice: Advice) -> Card | None:
    """The card to act on: the alert's, else that of a confident answer, else none."""
    if diagnosis.alert:
        cards = (advice.card(each.crop, each.condition) for each in diagnosis.candidates)
        return next((card for card in cards if card and card.alert), None)
    if diagnosis.status is Status.CONFIDENT and diagnosis.top:
        return advice.card(diagnosis.top.crop, diagnosis.top.condition)
    return None


def spoken_code(diagnosis_id: str) -> str:
    """Six digits to say aloud to an agent; they name a diagnosis without opening it."""
    digest = hashlib.sha256(diagnosis_id.encode()).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


def candidate_name(candidate: Candidate, advice: Advice, lang: str) -> Localised:
    """What to call it: by a card, else as the people of the place do, else by its bare code."""
    if candidate.local_name:
        return Localised(candidate.local_name, language_of(candidate.local_name))
    return advice.condition_name(candidate.crop, candidate.condition, lang)


def _candidate(candidate: Candidate, advice: Advice, lang: str) -> dict[str, Any]:
    local = {"local_photos": candidate.local_photos} if candidate.local_photos else {}
    return {
        "condition": candidate.condition,
        "name": candidate_name(candidate, advice, lang).text,
        "probability": round(candidate.probability, 4),
        **local,
    }


def _model(model: ModelRef) -> dict[str, str]:
    return {"name": model.name, "version": model.version, "sha256": model.sha256}
