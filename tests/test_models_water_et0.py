"""The worked examples of FAO-56 with the numbers printed there, and `refet` on random weather."""

from __future__ import annotations

import numpy as np
import pytest
import refet

from models.water import et0
from models.water.balance import climate_term
from models.water.reference import How, reference

# Days of the year that the examples are about.
APRIL_15, MAY_15, JULY_6, JULY_15, SEPTEMBER_3 = 105, 135, 187, 196, 246
BANGKOK, BRUSSELS, LYON, RIO = 13 + 44 / 60, 50.8, 45 + 43 / 60, -22.9


@pytest.mark.parametrize(
    ("what", "value", "printed", "within"),
    [
        ("example 2: pressure at 1800 m", et0.pressure(1800), 81.8, 0.05),
        ("example 2: psychrometric constant", et0.psychrometric(1800), 0.054, 0.0005),
        ("example 3: saturation at 24.5 °C", et0.saturation(24.5), 3.075, 0.001),
        ("example 3: saturation at 15 °C", et0.saturation(15), 1.705, 0.001),
        ("example 3: of the day", et0.mean_saturation(15, 24.5), 2.39, 0.005),
        ("example 5: vapour from humidity", et0.vapour_from_humidity(18, 25, 54, 82), 1.70, 0.005),
        ("example 8: Ra, 20° S, 3 September", et0.extraterrestrial(-20, SEPTEMBER_3), 32.2, 0.05),
        ("example 9: N, 20° S, 3 September", et0.daylight(-20, SEPTEMBER_3), 11.7, 0.05),
        ("example 10: Ra, Rio, May", et0.extraterrestrial(RIO, MAY_15), 25.1, 0.05),
        (
            "example 10: Rs, Rio, 220 h",
            et0.radiation_from_sunshine(220 / 31, RIO, MAY_15),
            14.5,
            0.05,
        ),
        ("example 11: Rnl, Rio", et0.net_longwave(19.1, 25.1, 2.1, 14.5, 18.8), 3.5, 0.05),
        ("example 12: Rn, Rio", et0.net_shortwave(14.5) - 3.5, 7.6, 0.1),
        ("example 14: wind of 3.2 m/s at 10 m", et0.wind_at_2m(3.2, 10), 2.4, 0.05),
        (
            "example 15: Rs, Lyon",
            et0.radiation_from_range(14.8, 26.6, et0.extraterrestrial(LYON, JULY_15)),
            22.3,
            0.05,
        ),
    ],
)
def test_steps_give_the_numbers_printed_in_fao_56(
    what: str, value: np.ndarray, printed: float, within: float
) -> None:
    assert float(value) == pytest.approx(printed, abs=within), what


def test_bangkok_in_april_needs_5_72_mm_a_day() -> None:
    """Example 17, from monthly means: humidity known as 2.85 kPa, G of (43) as printed, 0.14."""
    above = et0.extraterrestrial(BANGKOK, APRIL_15)
    radiation = et0.radiation_from_sunshine(8.5, BANGKOK, APRIL_15)
    clear = et0.clear_sky(2, above)
    net = et0.net_shortwave(radiation) - et0.net_longwave(25.6, 34.8, 2.85, radiation, clear)
    deficit = et0.mean_saturation(25.6, 34.8) - 2.85
    steps = [above, et0.daylight(BANGKOK, APRIL_15), radiation, clear, net]
    assert np.allclose(steps, [38.06, 12.31, 22.65, 28.54, 14.33], atol=0.03)
    assert float(et0.penman_monteith(30.2, net, 2.0, deficit, 2, 0.14)) == pytest.approx(
        5.72, abs=0.01
    )


def test_brussels_on_6_july_needs_3_88_mm() -> None:
    """Example 18, from measurements of a day."""
    wind = et0.wind_at_2m(10 / 3.6, 10)
    vapour = et0.vapour_from_humidity(12.3, 21.5, 63, 84)
    radiation = et0.radiation_from_sunshine(9.25, BRUSSELS, JULY_6)
    above = et0.extraterrestrial(BRUSSELS, JULY_6)
    clear = et0.clear_sky(100, above)
    longwave = et0.net_longwave(12.3, 21.5, vapour, radiation, clear)
    steps = [wind, vapour, above, radiation, clear, et0.net_shortwave(radiation), longwave]
    printed = [2.078, 1.409, 41.09, 22.07, 30.90, 17.00, 3.71]
    assert np.allclose(steps, printed, atol=0.02)
    dew = 237.3 / (17.27 / np.log(vapour / 0.6108) - 1)
    day = reference(
        12.3, 21.5, latitude=BRUSSELS, elevation=100, day=JULY_6,
        dew=dew, wind=wind, radiation=radiation,
    )  # fmt: skip
    assert float(day.et0) == pytest.approx(3.88, abs=0.01)
    assert day.how == How.MEASURED


def test_lyon_in_july_from_temperatures_alone() -> None:
    """Example 20: 5.0 mm/day by Hargreaves; 4.56 by Penman-Monteith with what stands in."""
    alone = reference(14.8, 26.6, latitude=LYON, elevation=200, day=JULY_15)
    assert float(alone.et0) == pytest.approx(5.0, abs=0.05)
    assert alone.how == How.HARGREAVES
    above = et0.extraterrestrial(LYON, JULY_15)
    radiation = et0.radiation_from_range(14.8, 26.6, above)
    full = reference(14.8, 26.6, latitude=LYON, elevation=200, day=JULY_15, radiation=radiation)
    assert float(full.et0) == pytest.approx(4.56, abs=0.02)
    assert full.how == How.DEW_FROM_TMIN | How.WIND_USUAL


def test_tall_crops_in_dry_wind_need_more() -> None:
    """Chapter 6, Kc mid of maize 2 m tall: 1.07 in Taipei City, 1.30 in Mocha; Table 12: 1.20."""
    wind, humidity = np.array([1.3, 4.6]), np.array([75.0, 44.0])
    found = 1.20 + climate_term(wind, humidity, np.array([2.0, 2.0]))
    assert np.allclose(found, [1.07, 1.30], atol=0.005)


def test_agrees_with_refet_on_any_weather() -> None:
    """`refet` writes the same equation as ASCE does: constants differ in the fourth place."""
    rng = np.random.default_rng(9)
    tmin = rng.uniform(-5, 22, 400)
    tmax = tmin + rng.uniform(3, 22, 400)
    dew = tmin - rng.uniform(-2, 8, 400)
    wind, day = rng.uniform(0.2, 7, 400), rng.integers(1, 366, 400)
    share = rng.uniform(0.3, 0.75, 400)
    for latitude, elevation in ((30.4, 23.0), (33.9, 500.0), (31.6, 1900.0)):
        radiation = share * et0.extraterrestrial(latitude, day)
        ours = reference(
            tmin, tmax, latitude=latitude, elevation=elevation, day=day,
            dew=dew, wind=wind, radiation=radiation,
        )  # fmt: skip
        theirs = refet.Daily(
            tmin=tmin, tmax=tmax, ea=et0.saturation(dew), rs=radiation, uz=wind, zw=2.0,
            elev=elevation, lat=latitude, doy=day, method="asce",
        ).eto()  # fmt: skip
        assert np.max(np.abs(ours.et0 - theirs)) < 0.02


def test_what_stands_in_is_said_and_nothing_is_made_up_without_temperatures() -> None:
    nan = np.nan
    days = reference(
        np.array([8, 8, 8, 8, nan, 21.0]), np.array([20, 20, 20, 20, 20, 9.0]),
        latitude=34, elevation=100, day=100,
        dew=np.array([6, nan, 6, nan, 6, 6.0]), wind=np.array([2, 2, nan, nan, 2, 2.0]),
        radiation=np.array([20, 20, nan, nan, 20, 20.0]),
    )  # fmt: skip
    assert days.how.tolist() == [
        How.MEASURED,
        How.DEW_FROM_TMIN,
        How.WIND_USUAL | How.RADIATION_FROM_RANGE,
        How.HARGREAVES,
        How.UNKNOWN,
        How.UNKNOWN,
    ]
    assert np.isnan(days.et0[4:]).all()
    assert (days.et0[:4] > 2).all()
