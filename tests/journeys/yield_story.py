"""A field's yield from pixels to score: ``python -m tests.journeys.yield_story``.

The pixels are real: Sentinel-2 over a rainfed cereal field in Castilla, 2019, the nearest climate
to Morocco's for which open ones were found.  Usual yield, crop cuts and harvest are made up: none
of that very field is published.  The model is the shipped one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rasterio.warp import transform

from edge_app.forecast_maths import INDEX, Outlook
from edge_app.forecast_skill import scores
from edge_app.forecast_words import STATES
from field_data.days import date_of, day_of
from field_data.geometry import outline
from field_data.types import Field, YieldForecast
from sat_ingest.archive import ARCHIVE, Archive
from sat_ingest.phenology import Season
from sat_ingest.pull import SCENES, Puller, Wish
from sat_ingest.series import read_series
from tests.people import Staff
from tests.sat_catalogues import SAT_SET
from tests.yielding import harvested, instant, squares_cut

EPSG, WEST, NORTH, SIDE_M = 32630, 344_180, 4_626_560, 400
MAY, SUMMER = date(2019, 6, 3), date(2019, 7, 20)
USUAL_T_HA = 3.0
CUTS = {2017: 2.5, 2018: 2.9}
GAVE_T_HA = 2.7


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story: its name, what is told, and what the node said of the field."""

    name: str
    told: str
    outlook: Outlook | None = None


def tell(home: Path) -> Iterator[Step]:
    """The steps of the story, each done when it is told."""
    with Staff(home) as staff:
        forecasts = staff.ground.forecasts

        def said(day: date = MAY) -> Outlook:
            forecasts._now = lambda: instant(day)
            return forecasts.outlook(field, day)

        field = castilla_field(staff)
        yield Step(
            "patch", f"{pull(home, field)} scenes pulled of a field of {field.area_ha:.0f} ha"
        )
        yield _series(staff, field)
        yield Step("one season", _line(said()), said())
        staff.ground.registry.add_season(
            "agent", field.id, "TRZAX", sown=date(2018, 11, 10), usual_t_ha=USUAL_T_HA
        )
        yield Step("usual yield", _line(said()), said())
        for year, t_ha in CUTS.items():
            squares_cut(staff.ground, field, year, t_ha)
            yield Step(f"crop cut of {year}", f"{t_ha} t/ha; {_line(said())}", said())
        harvested(staff.ground, field, 2019, GAVE_T_HA)
        told = said(SUMMER)
        [*_, score] = scores(forecasts.of(field), forecasts.harvests(field).kept)
        verdict = "inside" if score.inside else "outside"
        error = f"error {score.error_t_ha:+.2f} t/ha, {verdict} the range"
        yield Step("score", f"harvest {GAVE_T_HA} t/ha: {error}", told)


def castilla_field(staff: Staff) -> Field:
    """A square of 400 m in the patch."""
    east, south = WEST + SIDE_M, NORTH - SIDE_M
    xs, ys = [WEST, east, east, WEST, WEST], [NORTH, NORTH, south, south, NORTH]
    lons, lats = transform(f"EPSG:{EPSG}", "EPSG:4326", xs, ys)[:2]
    ring = [[lon, lat] for lon, lat in zip(lons, lats, strict=True)]
    farm = staff.ground.registry.add_farm("keeper", "Castilla")
    registry = staff.ground.registry
    return registry.add_field("keeper", farm.id, "Secano", outline(ring), crop="TRZAX")[0]


def pull(home: Path, field: Field) -> int:
    """What ``ghalla scenes pull`` does, up to the end of May 2019; how many days came."""
    catalogue = str(SAT_SET / "stac" / "catalog.json")
    wish = Wish(catalogue, day_of(date(2018, 10, 1)), day_of(date(2019, 6, 1)))
    with Archive(home / ARCHIVE) as archive:
        Puller(home / SCENES, archive, 0.0).pull(wish, [field])
        return len(archive.days(field.id))


def _series(staff: Staff, field: Field) -> Step:
    series = staff.ground.sky.series(field, INDEX)
    assert series is not None
    read = read_series(series)
    clear = sum(value == value for value in series.values)
    first, last = date_of(series.days[0]), date_of(series.days[-1])
    peak = f"; {_peak(read.seasons[-1])}" if read.seasons else ""
    return Step("series", f"{clear} clear dates from {first} to {last}{peak}")


def _peak(season: Season) -> str:
    return f"NDVI was highest ({season.peak_value:.2f}) on {date_of(round(season.peak))}"


def _line(told: Outlook) -> str:
    return STATES[told.state] if told.forecast is None else _range(told.forecast)


def _range(said: YieldForecast) -> str:
    assert said.t_ha_p10 is not None
    assert said.t_ha_p90 is not None
    width = said.t_ha_p90 - said.t_ha_p10
    return (
        f"{said.t_ha_p10:.2f} to {said.t_ha_p90:.2f} t/ha (width {width:.2f}), most likely "
        f"{said.t_ha_p50:.2f}; level from {said.level_source}, {said.evidence.harvests} harvests, "
        f"{said.evidence.clear_dates} clear dates, {said.evidence.archive_seasons} earlier seasons"
    )


def main() -> None:
    """Tell the story."""
    with tempfile.TemporaryDirectory() as home:
        for step in tell(Path(home)):
            print(f"{step.name:16} {step.told}")


if __name__ == "__main__":
    main()
