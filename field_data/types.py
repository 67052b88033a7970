"""The central types, validated once where they enter.

Crops and conditions are named by EPPO code (``LYPES``, ``PHYTIN``); ``healthy`` and the
``ABIOTIC-…`` pseudo-codes are the exceptions.  Names for people live with the advice.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

HEALTHY = "healthy"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Trust(StrEnum):
    """How far a time stamp can be believed."""

    NTP = "ntp"
    RTC = "rtc"
    TABLET = "tablet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment: ``utc_s`` seconds since 1970-01-01 UTC, and where it comes from."""

    utc_s: float
    trust: Trust


class Status(StrEnum):
    """What the node dares to say about one plant."""

    CONFIDENT = "confident"
    UNCERTAIN = "uncertain"
    NOT_A_PLANT = "not_a_plant"
    POOR_PHOTO = "poor_photo"
    NO_MODEL = "no_model"


class PhotoFault(StrEnum):
    """Why one photo could not be used; each has a sentence that says how to retake it."""

    BLUR = "blur"
    DARK = "dark"
    GLARE = "glare"
    FAR = "far"
    NOT_A_PLANT = "not_a_plant"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model spoke: ``sha256`` is that of the ONNX file that ran."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that it could be; ``probability`` is calibrated, 0 to 1.

    ``local_photos`` is how many photos taught this node the condition, 0 where the model knows it;
    ``local_name`` what people here call it, where no advice card does.
    """

    crop: str
    condition: str
    probability: float
    local_photos: int = 0
    local_name: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability {self.probability} outside 0..1")


@dataclass(frozen=True, slots=True)
class PhotoVerdict:
    """What one photo showed: ``top``, its own first guess (a condition), or ``fault``, why not.

    ``sha256`` names the kept photo; None when the person did not agree to keep it.
    """

    name: str
    fault: PhotoFault | None = None
    top: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds spent, all photos of the plant together."""

    decode_ms: float
    infer_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One plant, one to six photos, one answer.

    ``candidates`` are sorted, likeliest first, at most five; empty for ``not_a_plant``,
    ``poor_photo`` and ``no_model``.  ``crop`` is an EPPO code: the one the person picked, else the
    likeliest, else None.  ``alert`` marks a regulated or absent pest among the candidates: never
    confirmed by the node alone.  ``consent`` is the version of the wording under which the person
    agreed that the photos are kept, None where nobody did.
    """

    id: str
    at: Instant
    status: Status
    crop: str | None
    candidates: tuple[Candidate, ...]
    alert: bool
    model: ModelRef | None
    photos: tuple[PhotoVerdict, ...]
    timing: Timing
    consent: str | None = None

    @property
    def top(self) -> Candidate | None:
        """The likeliest candidate."""
        return self.candidates[0] if self.candidates else None

    @property
    def agreeing(self) -> int:
        """How many photos, each alone, point at the likeliest candidate ("3 of 5 leaves")."""
        return sum(1 for p in self.photos if self.top and p.top == self.top.condition)

    @property
    def usable(self) -> int:
        """How many photos passed the gate."""
        return sum(1 for p in self.photos if p.fault is None)


@dataclass(frozen=True, slots=True)
class Photo:
    """A kept photo: JPEG rebuilt from pixels (no EXIF), named by the SHA-256 of its bytes."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("not a sha256 in hex")


@dataclass(frozen=True, slots=True)
class Farm:
    """A farm under a pseudonymous ``id``; the name stays on the node.

    ``owner`` is the id of a person.  Of farms, fields and seasons: ``event`` is the record that
    says so, the one that a correction supersedes; what is ``retired`` is no longer worked with.
    """

    id: str
    name: str
    commune: str = ""
    owner: str | None = None
    retired: bool = False
    event: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A plot; ``boundary`` is one closed ring of (longitude, latitude) degrees, EPSG:4326.

    ``crop`` is an EPPO code; ``area_ha`` the geodesic area of the ring; ``source`` how the
    boundary was made: ``drawn``, ``walked`` or ``imported``.  The name stays on the node.
    """

    id: str
    farm: str
    boundary: tuple[tuple[float, float], ...]
    crop: str | None = None
    name: str = ""
    area_ha: float = 0.0
    source: str = "drawn"
    retired: bool = False
    event: str = ""

    def __post_init__(self) -> None:
        if len(self.boundary) < 4 or self.boundary[0] != self.boundary[-1]:
            raise ValueError("a boundary is a closed ring of at least four points")
        if not all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in self.boundary):
            raise ValueError("a boundary holds (longitude, latitude) degrees")


@dataclass(frozen=True, slots=True)
class Season:
    """One crop on one field; ``sown`` None is not known or before anybody asked, ``harvested``
    None not yet; ``usual_t_ha`` is what people say this field usually gives of this crop."""

    id: str
    field: str
    crop: str
    sown: date | None = None
    harvested: date | None = None
    variety: str = ""
    usual_t_ha: float | None = None
    retired: bool = False
    event: str = ""


@dataclass(frozen=True, slots=True)
class TrapCount:
    """Insects counted in one trap photo, with the interval the counter stands for."""

    taxon: str
    count: int
    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.count <= self.high:
            raise ValueError("need 0 <= low <= count <= high")


class Sight(StrEnum):
    """How much of a field one day showed."""

    CLEAR = "clear"
    PARTLY = "partly"
    SNOW = "snow"
    HIDDEN = "hidden"  # by cloud, shadow or missing data


@dataclass(frozen=True, slots=True)
class IndexSeries:
    """A vegetation index of one field as it was observed.

    ``days`` count from 1970-01-01 and increase; ``values`` have no unit and are NaN on a day that
    is ``snow`` or ``hidden``; ``valid`` is the share of the field's area that was seen, 0 to 1;
    ``sights`` say the same in words.  ``noise`` is one standard deviation of an observation, NaN
    when there are too few to tell.
    """

    field: str
    index: str
    days: tuple[int, ...]
    values: tuple[float, ...]
    valid: tuple[float, ...]
    sights: tuple[Sight, ...]
    noise: float = math.nan

    def __post_init__(self) -> None:
        lengths = {len(self.days), len(self.values), len(self.valid), len(self.sights)}
        if len(lengths) != 1 or list(self.days) != sorted(set(self.days)):
            raise ValueError("one value a day, days increasing")


HORIZONS = ("02", "03", "04", "05")


class LevelSource(StrEnum):
    """Where the usual yield comes from, against which a season is better or worse."""

    HARVESTS = "harvests"  # harvests of this field
    DECLARED = "declared"  # what its farmer says is usual
    PLACE = "place"  # harvests of fields around
    NONE = "none"  # nobody said: a forecast then has no t/ha


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a yield forecast rests on: harvests known here, clear dates of this season up to its
    horizon, and earlier seasons in the archive."""

    harvests: int
    clear_dates: int
    archive_seasons: int

    def __post_init__(self) -> None:
        if min(self.harvests, self.clear_dates, self.archive_seasons) < 0:
            raise ValueError("counts are not negative")


@dataclass(frozen=True, slots=True)
class Driver:
    """What moved a forecast: ``name`` is one of `sat_ingest.yield_features.GROUPS`; ``relative``
    how far it moved the yield against usual (-0.05: five percent less), ``effect_t_ha`` the same in
    t/ha, None where the level is not known."""

    name: str
    relative: float
    effect_t_ha: float | None = None


@dataclass(frozen=True, slots=True)
class YieldForecast:
    """Forecast of one field's harvest, with the range that should hold it four times in five.

    ``crop`` is an EPPO code; ``season_year`` the year of harvest (the season that begins in the
    autumn before); ``horizon`` the month, "02" to "05", whose end closes what was looked at;
    ``as_of`` the day on which it was made.  ``relative`` is the season against usual (-0.12: twelve
    percent less), ``relative_p10`` and ``relative_p90`` its range.  ``t_ha_*`` are the 10th, 50th
    and 90th percentile in t/ha and ``level_t_ha`` the usual yield; all four are None exactly when
    ``level_source`` is NONE.
    """

    field: str
    crop: str
    season_year: int
    horizon: str
    as_of: date
    t_ha_p10: float | None
    t_ha_p50: float | None
    t_ha_p90: float | None
    relative: float
    relative_p10: float
    relative_p90: float
    level_t_ha: float | None
    level_source: LevelSource
    evidence: Evidence
    drivers: tuple[Driver, ...]
    model: ModelRef

    def __post_init__(self) -> None:
        if self.horizon not in HORIZONS:
            raise ValueError(f"horizon {self.horizon!r} is none of {HORIZONS}")
        if not -1 <= self.relative_p10 <= self.relative <= self.relative_p90 < math.inf:
            raise ValueError("need -1 <= relative_p10 <= relative <= relative_p90")
        tonnes = (self.t_ha_p10, self.t_ha_p50, self.t_ha_p90, self.level_t_ha)
        known = [each for each in tonnes if each is not None]
        if len(known) != (0 if self.level_source is LevelSource.NONE else len(tonnes)):
            raise ValueError("t/ha where the level is known, and only there")
        if known and not 0 <= known[0] <= known[1] <= known[2] < math.inf:
            raise ValueError("need 0 <= p10 <= p50 <= p90")
