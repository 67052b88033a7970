"""Reference evapotranspiration, equation by equation.

The numbers in brackets are those of Allen R.G., Pereira L.S., Raes D., Smith M., Crop
evapotranspiration, FAO Irrigation and Drainage Paper 56, Rome 1998
(https://www.fao.org/4/x0490e/x0490e00.htm).  Everything takes and gives arrays of float64 that
broadcast against one another: temperatures in °C, pressures in kPa, radiation in MJ m-2 day-1, wind
in m/s, water in mm/day, latitudes in degrees, elevations in m, days of the year from 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Water that a unit of energy evaporates, (20): mm per MJ m-2.
MM_PER_MJ = 0.408
SOLAR_CONSTANT = 0.0820  # MJ m-2 min-1
STEFAN_BOLTZMANN = 4.903e-9  # MJ K-4 m-2 day-1
ALBEDO = 0.23
# k_Rs of (50): inland; 0.19 on the coast.
INLAND, COAST = 0.16, 0.19


def _array(value: ArrayLike) -> Floats:
    return np.asarray(value, np.float64)


def pressure(elevation: ArrayLike) -> Floats:
    """Of the air at an elevation, kPa (7)."""
    return 101.3 * ((293.0 - 0.0065 * _array(elevation)) / 293.0) ** 5.26


def psychrometric(elevation: ArrayLike) -> Floats:
    """Psychrometric constant, kPa/°C (8)."""
    return 0.665e-3 * pressure(elevation)


def saturation(temperature: ArrayLike) -> Floats:
    """Saturation vapour pressure at a temperature, kPa (11)."""
    t = _array(temperature)
    return 0.6108 * np.exp(17.27 * t / (t + 237.3))


def mean_saturation(tmin: ArrayLike, tmax: ArrayLike) -> Floats:
    """Of a day, kPa (12)."""
    return (saturation(tmax) + saturation(tmin)) / 2


def slope(temperature: ArrayLike) -> Floats:
    """Of the saturation curve, kPa/°C (13)."""
    return 4098.0 * saturation(temperature) / (_array(temperature) + 237.3) ** 2


def vapour_from_humidity(
    tmin: ArrayLike, tmax: ArrayLike, rh_min: ArrayLike, rh_max: ArrayLike
) -> Floats:
    """Actual vapour pressure, kPa, from the day's extremes of humidity in % (17)."""
    at_night = saturation(tmin) * _array(rh_max)
    return (at_night + saturation(tmax) * _array(rh_min)) / 200.0


def day_of_year(days: ArrayLike) -> NDArray[np.int64]:
    """From 1, of days counted from 1970-01-01."""
    dates = np.asarray(days, np.int64).astype("datetime64[D]")
    since: NDArray[np.int64] = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    return since + 1


def _sun(latitude: ArrayLike, day: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Latitude (22), declination (24) and sunset's hour angle (25), all in radians."""
    phi = np.deg2rad(_array(latitude))
    delta = 0.409 * np.sin(2 * np.pi / 365 * _array(day) - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(delta), -1, 1))
    return phi, delta, sunset


def extraterrestrial(latitude: ArrayLike, day: ArrayLike) -> Floats:
    """Radiation above the atmosphere (21), with the distance to the sun of (23)."""
    phi, delta, sunset = _sun(latitude, day)
    distance = 1 + 0.033 * np.cos(2 * np.pi / 365 * _array(day))
    height = sunset * np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.sin(sunset)
    out: Floats = 24 * 60 / np.pi * SOLAR_CONSTANT * distance * height
    return out


def daylight(latitude: ArrayLike, day: ArrayLike) -> Floats:
    """Longest possible sunshine, hours (34)."""
    return 24 / np.pi * _sun(latitude, day)[2]


def radiation_from_sunshine(hours: ArrayLike, latitude: ArrayLike, day: ArrayLike) -> Floats:
    """Solar radiation by Ångström's formula with a = 0.25 and b = 0.50 (35)."""
    share = _array(hours) / daylight(latitude, day)
    return (0.25 + 0.50 * share) * extraterrestrial(latitude, day)


def radiation_from_range(
    tmin: ArrayLike, tmax: ArrayLike, above: ArrayLike, k: float = INLAND
) -> Floats:
    """Solar radiation from the day's range of temperature (50); never above the clear sky's."""
    span = np.maximum(_array(tmax) - _array(tmin), 0)
    return np.minimum(k * np.sqrt(span), 0.75) * _array(above)


def clear_sky(elevation: ArrayLike, above: ArrayLike) -> Floats:
    """Solar radiation without clouds (37)."""
    return (0.75 + 2e-5 * _array(elevation)) * _array(above)


def net_shortwave(radiation: ArrayLike) -> Floats:
    """What grass keeps of it (38)."""
    return (1 - ALBEDO) * _array(radiation)


def net_longwave(
    tmin: ArrayLike, tmax: ArrayLike, vapour: ArrayLike, radiation: ArrayLike, clear: ArrayLike
) -> Floats:
    """Outgoing (39); the relative shortwave radiation is held between 0.3 and 1."""
    kelvin = ((_array(tmax) + 273.16) ** 4 + (_array(tmin) + 273.16) ** 4) / 2
    share = np.clip(_array(radiation) / _array(clear), 0.3, 1.0)
    moist = 0.34 - 0.14 * np.sqrt(_array(vapour))
    out: Floats = STEFAN_BOLTZMANN * kelvin * moist * (1.35 * share - 0.35)
    return out


def wind_at_2m(speed: ArrayLike, height_m: float) -> Floats:
    """Wind measured at another height over grass, m/s at 2 m (47)."""
    factor = float(4.87 / np.log(67.8 * height_m - 5.42))
    return _array(speed) * factor


def penman_monteith(
    temperature: ArrayLike,
    net: ArrayLike,
    wind: ArrayLike,
    deficit: ArrayLike,
    elevation: ArrayLike,
    ground_heat: ArrayLike = 0.0,
) -> Floats:
    """Reference evapotranspiration, mm/day (6).

    ``net`` is net radiation, ``wind`` at 2 m, ``deficit`` that of vapour pressure (es - ea);
    ``ground_heat`` is near 0 over a day (42).
    """
    t, u = _array(temperature), _array(wind)
    delta, gamma = slope(t), psychrometric(elevation)
    energy = MM_PER_MJ * delta * (_array(net) - _array(ground_heat))
    air = gamma * 900.0 / (t + 273.0) * u * _array(deficit)
    return (energy + air) / (delta + gamma * (1 + 0.34 * u))


def hargreaves(tmin: ArrayLike, tmax: ArrayLike, above: ArrayLike) -> Floats:
    """Reference evapotranspiration from temperatures alone, mm/day (52)."""
    low, high = _array(tmin), _array(tmax)
    span = np.sqrt(np.maximum(high - low, 0))
    return 0.0023 * ((high + low) / 2 + 17.8) * span * MM_PER_MJ * _array(above)
