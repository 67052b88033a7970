"""Which crops and conditions have a name here: for the forms' checks and for the tablets' lists."""

from __future__ import annotations

from typing import Any

from edge_app.advice import Advice, Crop
from field_data.types import HEALTHY


class Words:
    """The names of the advice cards; implements `field_data.forms.checking.Vocabulary`."""

    def __init__(self, advice: Advice) -> None:
        self._advice = advice

    def has_crop(self, code: str) -> bool:
        """Whether this EPPO code names a crop."""
        return self._advice.crop(code) is not None

    def has_condition(self, code: str, crop: str | None) -> bool:
        """Whether the code names a condition of ``crop`` (of any crop for None)."""
        if crop is None:
            return any(card.condition == code for card in self._advice.cards)
        return code == HEALTHY or self._advice.card(crop, code) is not None

    def as_json(self) -> dict[str, Any]:
        """``{"crops": [{"code", "name": {lang: …}, "conditions": [{"code", "name"}, …]}, …]}``;
        healthy comes first, then what is most important."""
        return {"crops": [self._crop_json(crop) for crop in self._advice.crops]}

    def _crop_json(self, crop: Crop) -> dict[str, Any]:
        well = self._advice.card(crop.code, HEALTHY)
        healthy = {"code": HEALTHY, "name": dict(well.name) if well else {"en": HEALTHY}}
        cards = self._advice.cards_for(crop.code)
        others = [{"code": card.condition, "name": dict(card.name)} for card in cards]
        return {"code": crop.code, "name": dict(crop.name), "conditions": [healthy, *others]}
