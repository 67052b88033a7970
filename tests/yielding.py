"""Seasons of wheat made up for tests, and a yield model whose graph one can work out by heart."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_app.ground import Ground
from field_data.days import day_of
from field_data.events import Draft, Kind
from field_data.forms.checking import check
from field_data.forms.library import shipped_forms
from field_data.geometry import outline
from field_data.ids import new_id
from field_data.types import Field, Instant, Trust
from models.manifest import ModelFile
from models.yield_manifest import Horizon, YieldManifest
from models.yield_model import YieldModel
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.yield_features import GROUPS, HALVES, NAMES, members
from tests.people import Staff
from tests.skies import CLOUD, VEGETATION, seen, square

WHEAT = "TRZAX"
# How far the yield moves, as a share, for a season greener by 1 all along.
SLOPE = 2.0


class Linear:
    """A graph: the mean of the NDVI anomalies up to a horizon, times `SLOPE`."""

    def run(self, rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The shift of each horizon, [n] each."""
        known = np.nan_to_num(rows[:, : len(HALVES)])
        return [
            (SLOPE * known[:, : 10 + 2 * at].mean(axis=1)).astype(np.float32) for at in range(4)
        ]


def yield_model(version: str = "1.0.0") -> YieldModel:
    """The very class of a node, with a graph of its own."""
    spread = {"02": 0.30, "03": 0.27, "04": 0.24, "05": 0.20}
    width = len(NAMES)
    manifest = YieldManifest(
        schema=1,
        kind="yield",
        name="wheat_yield",
        version=version,
        created="2026-01-01",
        crops=("TRZAX", "TRZDU"),
        features=NAMES,
        groups={group: tuple(NAMES[i] for i in members(group)) for group in GROUPS},
        least=(-0.4,) * width,
        most=(0.4,) * width,
        prior_mean_t_ha=2.6,
        prior_sd_t_ha=1.0,
        unseen_sd=0.35,
        horizons={name: Horizon(sd, 1.3, 1.3, 1.65, 1.65) for name, sd in spread.items()},
        files={"fp32": ModelFile("model.onnx", "a" * 64, 1)},
        training={},
        metrics={},
    )
    return YieldModel(manifest, Linear())  # type: ignore[arg-type]


def instant(day: date) -> Instant:
    """Noon of a day, by a clock that can be believed."""
    return Instant(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp(), Trust.NTP)


def wheat_field(
    staff: Staff, name: str = "Bled 1", place: int = 0, crop: str | None = WHEAT
) -> Field:
    """A field of some 9 ha at Meknes, on a farm of the agent's own."""
    registry = staff.ground.registry
    known = [farm for farm in registry.farms() if farm.name == "a farm"]
    farm = known[0] if known else registry.add_farm("keeper", "a farm")
    return registry.add_field("keeper", farm.id, name, outline(square(place)), crop=crop)[0]


def green(day: date, year: int, peak: float) -> float:
    """NDVI of wheat harvested in ``year``: a hump that is highest in the last days of March."""
    off = (day_of(day) - day_of(date(year, 3, 25))) / 55
    return 0.15 + (peak - 0.15) * math.exp(-(off**2))


def grown(
    staff: Staff,
    field: Field,
    peaks: dict[int, float],
    *,
    since: date | None = None,
    until: date | None = None,
    cloudy_since: date | None = None,
    every: int = 15,
) -> None:
    """A picture every 15 days from October to June of each season, by the peak of its NDVI."""
    with Archive(staff.home / ARCHIVE) as archive, archive.transaction():
        for year, peak in peaks.items():
            day = since or date(year - 1, 10, 5)
            while day <= min(until or date(year, 6, 15), date(year, 6, 15)):
                hidden = cloudy_since is not None and day >= cloudy_since
                scl = CLOUD if hidden else VEGETATION
                archive.put(seen(field, day_of(day), green(day, year, peak), scl))
                day += timedelta(days=every)


def told(ground: Ground, field: Field, form: str, at: Instant, **values: Any) -> str:
    """Keep an observation as it is kept when a tablet brings it; the id of the event."""
    answers = {"crop": WHEAT} | values
    known = shipped_forms().named(form)
    photos = {"photo": ["0" * 64]} if form == "crop_cut" else {}
    checked = check(known, photos | answers, None, None)
    body = {"form": form, "version": known.version, "values": checked.values, "place": None}
    draft = Draft(new_id(), Kind.OBSERVATION, field.id, "agent", at, body)
    return ground.events.append(draft).event.id


def harvested(
    ground: Ground, field: Field, year: int, t_ha: float, *, unit: str = "quintal", **more: Any
) -> str:
    """The whole field brought in on the tenth of June."""
    quantity = t_ha * field.area_ha * (10 if unit == "quintal" else 1)
    day = f"{year}-06-10"
    values = {"day": day, "area": field.area_ha, "quantity": quantity, "unit": unit, "moisture": 14}
    return told(ground, field, "harvest", instant(date(year, 6, 12)), **(values | more))


def squares_cut(ground: Ground, field: Field, year: int, t_ha: float, plots: int = 5) -> str:
    """Squares of one square metre cut on the first of June, threshed and measured."""
    values = {"plots": plots, "plot_area": 1, "weighed": "grain", "fresh_kg": t_ha * plots / 10}
    values |= {"moisture_by": "meter", "meter": 14}
    return told(ground, field, "crop_cut", instant(date(year, 6, 1)), **values)


def forecasting(staff: Staff, day: date, model: YieldModel | None = None) -> None:
    """Give a node the model of these tests (or another), and a clock that says ``day``."""
    forecasts = staff.ground.forecasts
    forecasts._load = lambda: model or yield_model()
    forecasts._model, forecasts._broken = None, False
    forecasts._now = lambda: instant(day)
