"""The crops and conditions that forms and tablets may name, taken from the advice cards.

The ground floor knows codes only; this is what gives them names in four languages.
"""

from __future__ import annotations

from typing import Any

from edge_app.advice import EVERY_CROP, Advice, Texts
from field_data.forms.definition import digest_of
from field_data.types import HEALTHY


class CardVocabulary:
    """Implements `field_data.forms.checking.Vocabulary` over the cards."""

    def __init__(self, advice: Advice) -> None:
        self._crops = {crop.code: crop for crop in advice.crops}
        self._of = {code: _conditions(advice, code) for code in self._crops}
        self._all = {code for names in self._of.values() for code in names}

    def has_crop(self, code: str) -> bool:
        """Whether this EPPO code names a crop that has cards."""
        return code in self._crops

    def has_condition(self, code: str, crop: str | None) -> bool:
        """Whether the code names a condition of ``crop``; of any crop where that is unknown."""
        return code in self._of.get(crop, self._all) if crop else code in self._all

    def as_json(self) -> dict[str, Any]:
        """``{"crops": [{"code", "name", "conditions": [{"code", "name"}]}]}``.

        Names are by language, as far as there are any; the conditions of a crop begin with
        ``healthy``, then come most important first.
        """
        return {
            "crops": [
                {"code": crop.code, "name": dict(crop.name), "conditions": self._named(crop.code)}
                for crop in self._crops.values()
            ]
        }

    def _named(self, crop: str) -> list[dict[str, Any]]:
        return [{"code": code, "name": dict(name)} for code, name in self._of[crop].items()]

    def digest(self) -> str:
        """SHA-256 in hex of `as_json`: a tablet asks whether it is up to date."""
        return digest_of(self.as_json())


def _conditions(advice: Advice, crop: str) -> dict[str, Texts]:
    """Condition code -> names, for one crop."""
    healthy = advice.card(EVERY_CROP, HEALTHY)
    first = {HEALTHY: healthy.name} if healthy else {}
    return first | {card.condition: card.name for card in advice.cards_for(crop)}
