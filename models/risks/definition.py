"""What a model of a pest or disease to come is made of; `models.risks.loading` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a model works."""

    DEGREE_DAYS = "degree_days"  # warmth added up since a beginning: when stages come
    INFECTION = "infection"  # hours of wet and of temperature: on which days infection is likely


class Seen(StrEnum):
    """How far a number was checked: ``SEEN`` in that very source, ``MEMORY`` said to be there,
    ``CHOICE`` of ours where none was found."""

    SEEN = "seen"
    MEMORY = "memory"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Citation:
    """Where numbers come from; ``key`` is what numbers name it by."""

    key: str
    text: str
    url: str
    seen: Seen


@dataclass(frozen=True, slots=True)
class Warmth:
    """Thresholds in °C between which growth goes on, and the method of `degree_days.METHODS`;
    ``upper_source`` says where the upper one is from."""

    lower_c: float
    upper_c: float
    method: str
    source: str
    upper_source: str


@dataclass(frozen=True, slots=True)
class Biofix:
    """When adding up begins.

    Each year on ``month``/``day``, or when the crop was sown where that is later and ``sowing`` is
    set; a local trap of one of ``traps`` (keys of the form trap_reading) knows better: the first of
    ``readings`` in a row with a catch.  ``latest_month`` is the last in which a catch may begin it.
    """

    month: int
    day: int
    sowing: bool
    traps: tuple[str, ...]
    readings: int
    latest_month: int
    source: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What comes ``degree_days`` after the stage ``after`` ("biofix" is the beginning).

    ``total`` is the sum from the biofix; ``scout`` whether people should look then; ``signs``
    whether what people see of the pest is this stage (a sighting then corrects the beginning).
    """

    id: str
    after: str
    degree_days: float
    total: float
    scout: bool
    signs: bool
    source: str


@dataclass(frozen=True, slots=True)
class HumidDays:
    """``days`` in a row, each with ``hours`` of at least ``rh_percent`` and never below
    ``tmin_c``."""

    days: int
    tmin_c: float
    rh_percent: float
    hours: float
    source: str


@dataclass(frozen=True, slots=True)
class WetSpell:
    """Wet for as many hours as ``points`` ask at the spell's mean temperature.

    ``points``: (°C, h), temperatures increasing, straight lines between, no infection outside.  Wet
    is a time with rain or at least ``rh_percent``; a spell ends after ``dry_hours`` of dry.
    """

    points: tuple[tuple[float, float], ...]
    rh_percent: float
    dry_hours: float
    source: str


@dataclass(frozen=True, slots=True)
class RainEvent:
    """``rain_mm`` within ``days`` days that stay above ``tmin_c``."""

    rain_mm: float
    days: int
    tmin_c: float
    source: str


Rule = HumidDays | WetSpell | RainEvent


@dataclass(frozen=True, slots=True)
class RiskModel:
    """One pest on some crops.

    ``pest`` and ``crops`` are EPPO codes; the advice card is ``CROP.PEST``.  ``months`` are those
    in which the model speaks.  ``spread`` is by what share the needed warmth differs between
    populations.  ``signs_days``: first and last day after an infection on which it can be seen.
    ``needs`` is what must hold that no weather tells ("shoots of 10 cm").
    """

    id: str
    pest: str
    name: str
    kind: Kind
    crops: tuple[str, ...]
    months: tuple[int, ...]
    form: str
    crop_stage: str
    validity: str
    needs: str
    reviewed: bool
    reviewed_by: str
    sources: Mapping[str, Citation]
    warmth: Warmth | None = None
    biofix: Biofix | None = None
    stages: tuple[Stage, ...] = ()
    generation: float = 0.0
    generations: int = 1
    spread: float = 0.0
    rule: Rule | None = None
    signs_days: tuple[int, int] = (0, 0)
    # Of months, and of spread or signs_days.
    other_sources: tuple[str, ...] = ()

    def card(self, crop: str) -> str:
        """The id of the advice card."""
        return f"{crop}.{self.pest}"

    def checked(self) -> Seen:
        """How far the numbers that decide were checked: the weakest of them."""
        parts = [self.rule] if self.rule else [self.warmth, *self.stages]
        found = [self.sources[part.source].seen for part in parts if part]
        return max(found, key=list(Seen).index)

    def main_source(self) -> Citation:
        """Where the numbers that decide come from."""
        part = self.warmth or self.rule
        if part is None:
            raise ValueError(f"{self.id} has neither thresholds nor a rule")
        return self.sources[part.source]
