"""How the weather of a node is: how old the forecast, whether the file can be read."""

from __future__ import annotations

from pathlib import Path

from edge_app.seam import Part
from edge_app.settings import Settings
from field_data.clock import now
from field_data.days import date_of
from field_data.errors import GhallaError
from field_data.types import Trust
from sat_ingest.weather.archive import ARCHIVE, WeatherArchive, WeatherStatus

DAY_S = 86_400
# As edge_app.weather_desk: then advice goes on what is usual.
OLD_DAYS = 7


def weather_part(home: Path, settings: Settings, *, whole: bool = False) -> Part:
    """The weather; with ``whole`` the whole file is read, not only its head.

    A node without any is sound, unless its keeper named a source and none ever came.
    """
    if not (home / ARCHIVE).is_file():
        if settings.weather_source:
            detail = f"nothing from {settings.weather_source} yet: ghalla weather pull"
            return Part("weather", False, "no_weather", detail)
        return Part("weather", True, "no_weather", "none yet: ghalla weather pull, or import")
    try:
        with WeatherArchive(home / ARCHIVE) as archive:
            if whole:
                archive.check()
            status = archive.status()
    except GhallaError as error:
        detail = f"{error}; set {home / ARCHIVE} aside and bring the weather again"
        return Part("weather", False, error.code, detail)
    detail = f"{_age(status)}; {status.places} places, {status.file_bytes / 1e6:.1f} MB"
    if _days_old(status) > OLD_DAYS and status.forecasts:
        return Part("weather", False, "weather_old", f"{detail}; what is usual is used instead")
    return Part("weather", True, "ok", detail)


def _days_old(status: WeatherStatus) -> float:
    """0 while the clock is unknown: then nobody can tell."""
    if status.issued_utc_s is None or now().trust is Trust.UNKNOWN:
        return 0.0
    return (now().utc_s - status.issued_utc_s) / DAY_S


def _age(status: WeatherStatus) -> str:
    if status.issued_utc_s is None:
        return "no forecast"
    day = date_of(int(status.issued_utc_s // DAY_S))
    if now().trust is Trust.UNKNOWN:
        return f"forecast of {day}, the clock is unknown"
    return f"forecast of {day}, {_days_old(status):.1f} days old"
