"""What is known of the pests to come to a field, as advice, pages and the command line take it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from field_data.types import Field

if TYPE_CHECKING:
    from models.risks.beginnings import TrapReading
    from models.risks.definition import RiskModel
    from models.risks.infection import DayRisk
    from models.risks.phenology import Beginning, StageDate


class State(StrEnum):
    """Whether anything can be said, and why not."""

    KNOWN = "known"
    NO_CROP = "no_crop"
    NO_MODEL = "no_model"
    NO_WEATHER = "no_weather"
    NO_DAY = "no_day"


@dataclass(frozen=True, slots=True)
class ModelOutlook:
    """What one model says.

    ``speaks``: this is a month for it.  Of insects: the ``beginning``, the ``stages`` from there,
    the ``warmth_dd`` so far (NaN: not known) and the last ``trap`` reading.  Of diseases: ``risk``
    by day, some weeks back and one ahead.  ``seen_here`` are days of the last weeks on which people
    saw it on this field, ``diagnoses`` how many reviewed ones there were on the node.
    """

    model: RiskModel
    speaks: bool
    beginning: Beginning | None = None
    stages: tuple[StageDate, ...] = ()
    warmth_dd: float = math.nan
    trap: TrapReading | None = None
    risk: tuple[DayRisk, ...] = ()
    seen_here: tuple[int, ...] = ()
    diagnoses: int = 0

    def but(self, **changes: Any) -> ModelOutlook:
        """The same with other values."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class RiskOutlook:
    """The pests to come to a field on a day; ``crop`` "" where nobody said."""

    field: Field
    as_of: date
    state: State
    crop: str = ""
    weather_state: str = ""
    models: tuple[ModelOutlook, ...] = ()

    def but(self, **changes: Any) -> RiskOutlook:
        """The same with other values."""
        return replace(self, **changes)
