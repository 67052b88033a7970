"""Cells of 0.1°: all that a service elsewhere ever learns of where a field lies."""

from __future__ import annotations

from field_data.weather import WeatherPlace

# About 11 km by 9 km: several villages, and no finer than the models are.
CELLS_A_DEGREE = 10


def cell_of(lon: float, lat: float) -> WeatherPlace:
    """The cell that a point lies in, named by its middle; its height is not known yet (0 m)."""
    x, y = round(lon * CELLS_A_DEGREE), round(lat * CELLS_A_DEGREE)
    east, north = x / CELLS_A_DEGREE, y / CELLS_A_DEGREE
    id = f"{'N' if y >= 0 else 'S'}{abs(north):04.1f}{'E' if x >= 0 else 'W'}{abs(east):05.1f}"
    return WeatherPlace(id, id, north, east, 0.0)
