"""What the result and history templates show, worked out from a diagnosis."""

from __future__ import annotations

import time
from dataclasses import dataclass

from edge_app.advice import Advice, Card, Crop, Fact, Localised
from edge_app.answer import advised, candidate_name
from edge_app.farmer.words import is_healthy, sureness
from edge_app.i18n import request_lang
from field_data.reviews import Outcome, State
from field_data.types import Candidate, Diagnosis, Instant, PhotoVerdict, Status, Trust

_POSSIBILITIES = 3


def when(at: Instant) -> str:
    """Local day and time as people write them in Morocco; empty when the clock was not set."""
    if at.trust is Trust.UNKNOWN:
        return ""
    return time.strftime("%d/%m/%Y %H:%M", time.localtime(at.utc_s))


@dataclass(frozen=True, slots=True)
class Possibility:
    """One thing it could be, with the sign that tells it; ``crop`` only where it is another one.

    ``local_photos`` is how many photos taught it to this node, 0 where the model knows it.
    """

    name: Localised
    crop: Crop | None
    card: Card | None
    sign: Fact | None
    local_photos: int


class ResultView:
    """One diagnosis, ready to show in the language of the request."""

    def __init__(self, verdict: Diagnosis, advice: Advice, outcome: Outcome | None = None) -> None:
        self.verdict = verdict
        self.outcome = outcome or Outcome(State.OPEN)
        self.card = advised(verdict, advice)
        self.dots, self.sure = sureness(verdict)
        self.healthy = is_healthy(verdict)
        self.crop = advice.crop(verdict.crop) if verdict.crop else None
        self._advice = advice

    @property
    def kind(self) -> str:
        """Which page this is: ``alert`` or ``healthy``, else the status."""
        if self.verdict.alert:
            return "alert"
        return "healthy" if self.healthy else self.verdict.status.value

    @property
    def name(self) -> Localised | None:
        """What we think it is; for an alert, what we fear."""
        return self._named(self._shown) if self._shown else None

    @property
    def local_photos(self) -> int:
        """How many photos taught this node what is named; 0 where the model knows it."""
        return self._shown.local_photos if self._shown else 0

    @property
    def _shown(self) -> Candidate | None:
        feared = self.card if self.verdict.alert else None
        match = [c for c in self.verdict.candidates if feared and c.condition == feared.condition]
        return match[0] if match else self.verdict.top

    @property
    def possibilities(self) -> list[Possibility]:
        """What else it could be (after a confident answer), or all it could be, likeliest first."""
        sure = self.verdict.status is Status.CONFIDENT or self.verdict.alert
        shown = self.verdict.candidates[:_POSSIBILITIES]
        return [self._possibility(c) for c in shown if not (sure and self._is_shown(c))]

    @property
    def lookalikes(self) -> tuple[Fact, ...]:
        """The look-alikes of the card that are not among the possibilities already."""
        named = [p.sign for p in self.possibilities]
        facts = self.card.section("lookalike") if self.card else ()
        return tuple(fact for fact in facts if fact not in named)

    @property
    def problems(self) -> tuple[Card, ...]:
        """Everything known of the crop, to look up by symptom."""
        return self._advice.cards_for(self.crop.code) if self.crop else ()

    @property
    def reviewed(self) -> Localised | None:
        """What people who looked at the photos call it; None where they name nothing of a list."""
        crop, condition = self.outcome.label or ("", None)
        return self._named(self._as_known(crop, condition)) if condition else None

    @property
    def reviewed_card(self) -> Card | None:
        """What to know about what people called it."""
        crop, condition = self.outcome.label or ("", None)
        return self._advice.card(crop, condition) if condition else None

    @property
    def advice_card(self) -> Card | None:
        """The card to act on: people's word goes before the model's, but lifts no alert."""
        if self.outcome.label and not self.verdict.alert:
            return self.reviewed_card
        return self.card

    def _as_known(self, crop: str, condition: str) -> Candidate:
        """The candidate of that name where there is one: it knows what people here call it."""
        same = (c for c in self.verdict.candidates if (c.crop, c.condition) == (crop, condition))
        return next(same, Candidate(crop, condition, 0.0))

    @property
    def faulty(self) -> list[tuple[int, PhotoVerdict]]:
        """The photos that could not be used, numbered from one."""
        numbered = enumerate(self.verdict.photos, 1)
        return [(number, photo) for number, photo in numbered if photo.fault]

    @property
    def kept(self) -> list[int]:
        """The places of the photos that were kept, from zero."""
        return [number for number, photo in enumerate(self.verdict.photos) if photo.sha256]

    def _is_shown(self, candidate: Candidate) -> bool:
        return self._named(candidate) == self.name

    def _possibility(self, candidate: Candidate) -> Possibility:
        card = self._advice.card(candidate.crop, candidate.condition)
        signs = self.card.section("lookalike") if self.card else ()
        sign = next((s for s in signs if s.condition == candidate.condition), None)
        if sign is None and card is not None:
            sign = next(iter(card.section("see")), None)
        other = None if candidate.crop == self.verdict.crop else self._advice.crop(candidate.crop)
        return Possibility(self._named(candidate), other, card, sign, candidate.local_photos)

    def _named(self, candidate: Candidate) -> Localised:
        return candidate_name(candidate, self._advice, request_lang())
