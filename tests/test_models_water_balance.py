"""The daily balance: what comes in goes out, and `pyfao56` says the same day by day."""

from __future__ import annotations

import datetime
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.water.balance import Balance, Canopy, Forcing, Ground, Start, balance
from models.water.crops import curve, named_crop, roots_of
from models.water.soils import ground_of, soils

DAYS, SOWN = 200, datetime.date(2010, 11, 15)
SOIL = {"fc": 0.27, "wp": 0.13, "rew": 9.0, "tew": 20.5}


def weather(seed: int = 4) -> SimpleNamespace:
    """A season of a semi-arid winter and spring, with rain that comes in spells."""
    rng = np.random.default_rng(seed)
    day = np.arange(DAYS)
    tmin = 7 + 5 * np.sin((day - 110) / 58) + rng.normal(0, 2, DAYS)
    tmax = tmin + rng.uniform(6, 16, DAYS)
    rain = np.where(rng.random(DAYS) < 0.18, rng.gamma(0.9, 9, DAYS), 0).round(1)
    irrigation = np.zeros(DAYS)
    irrigation[[120, 138, 155]] = 40.0
    return SimpleNamespace(
        tmin=tmin, tmax=tmax, rain=rain, irrigation=irrigation,
        et0=np.clip(1.5 + day / 40 + rng.normal(0, 0.5, DAYS), 0.5, None),
        wind=rng.uniform(0.8, 5, DAYS), rh_min=rng.uniform(15, 75, DAYS),
    )  # fmt: skip


def ours(sky: SimpleNamespace, below: float = 0.0, cn2: float = np.nan) -> Balance:
    wheat = named_crop("TRZAX")
    kcb = curve(wheat, np.arange(DAYS))
    share = (kcb - wheat.kcb[0]) / (wheat.kcb[1] - wheat.kcb[0])
    height = np.maximum.accumulate(np.clip(0.05 + (wheat.height_m - 0.05) * share, 0.001, None))
    roots = roots_of(wheat, np.arange(DAYS), wheat.roots_rainfed_m)
    one = {key: np.array([value]) for key, value in SOIL.items()}
    ground = Ground(**one, cn2=np.array([cn2]))
    canopy = Canopy(
        kcb[None], roots[None], height[None], np.array([wheat.p]), np.array([wheat.kcb[0]]),
        np.array([wheat.roots_rainfed_m]),
    )  # fmt: skip
    forcing = Forcing(
        sky.et0[None], sky.rain[None], 0.75 * sky.irrigation[None], np.ones((1, DAYS)),
        sky.wind[None], sky.rh_min[None],
    )  # fmt: skip
    dry = 1000 * (SOIL["fc"] - 0.20)
    start = Start(np.array([dry * roots[0]]), np.array([below]), np.array([SOIL["tew"]]))
    return balance(ground, canopy, forcing, start)


def theirs(sky: SimpleNamespace, layered: bool, runoff: bool = False) -> Any:
    import pyfao56

    wheat = named_crop("TRZAX")
    ini, dev, mid, end = wheat.stages
    par = pyfao56.Parameters(
        Kcbini=wheat.kcb[0], Kcbmid=wheat.kcb[1], Kcbend=wheat.kcb[2], Lini=ini, Ldev=dev,
        Lmid=mid, Lend=end, hini=0.05, hmax=wheat.height_m, thetaFC=SOIL["fc"],
        thetaWP=SOIL["wp"], theta0=0.20, Zrini=wheat.roots_at_sowing_m,
        Zrmax=wheat.roots_rainfed_m, pbase=wheat.p, Ze=0.10, REW=SOIL["rew"], CN2=75,
    )  # fmt: skip
    wth = pyfao56.Weather()
    wth.wndht, wth.rfcrp = 2.0, "S"
    keys = [(SOWN + datetime.timedelta(d)).strftime("%Y-%j") for d in range(DAYS)]
    irr = pyfao56.Irrigation()
    for day, key in enumerate(keys):
        year, doy = int(key[:4]), int(key[5:])
        wth.wdata.loc[key] = {
            "Tmin": sky.tmin[day], "Tmax": sky.tmax[day], "RHmin": sky.rh_min[day],
            "Wndsp": sky.wind[day], "Rain": sky.rain[day], "ETref": sky.et0[day],
        }  # fmt: skip
        if sky.irrigation[day]:
            irr.addevent(year, doy, sky.irrigation[day], 1.0, 75.0)
    sol = None
    if layered:
        sol = pyfao56.SoilProfile()
        depth = round(100 * wheat.roots_rainfed_m)
        sol.sdata.loc[depth] = [SOIL["fc"], SOIL["wp"], 0.20]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = pyfao56.Model(keys[0], keys[-1], par, wth, irr=irr, sol=sol, roff=runoff)
        model.run()
    return model.odata


@pytest.mark.parametrize(("layered", "runoff"), [(False, False), (False, True), (True, False)])
def test_depletion_of_a_season_is_that_of_pyfao56_every_day(layered: bool, runoff: bool) -> None:
    wheat, sky = named_crop("TRZAX"), weather()
    deep = 70 * (wheat.roots_rainfed_m - wheat.roots_at_sowing_m) if layered else 0.0
    found = ours(sky, deep, 75.0 if runoff else np.nan)
    known = theirs(sky, layered, runoff)
    assert np.max(np.abs(found.depletion[0] - known["Dr"].to_numpy(float))) < 1.0
    assert abs(found.eta.sum() - known["ETa"].sum()) < 2.0
    assert found.runoff.sum() == pytest.approx(known["Runoff"].sum(), abs=0.1)
    assert found.ks.min() < 0.6  # the season has stress to agree on


def test_water_is_neither_made_nor_lost() -> None:
    sky = weather()
    wheat = named_crop("TRZAX")
    deep = 70 * (wheat.roots_rainfed_m - wheat.roots_at_sowing_m)
    found = ours(sky, deep, 75.0)
    came = sky.rain.sum() + 0.75 * sky.irrigation.sum()
    left = found.eta.sum() + found.percolation.sum() + found.runoff.sum()
    before = 70 * wheat.roots_at_sowing_m + deep
    after = found.depletion[0, -1] + found.below[0, -1]
    assert came - left == pytest.approx(before - after, abs=0.5)


def test_fields_do_not_touch_one_another_and_the_future_not_the_past() -> None:
    sky = weather()
    one = ours(sky)
    wetter = SimpleNamespace(**{**vars(sky), "rain": np.where(np.arange(DAYS) > 150, 9, sky.rain)})
    other = ours(wetter)
    assert np.array_equal(one.depletion[:, :151], other.depletion[:, :151])
    assert (other.depletion[:, 160:] < one.depletion[:, 160:]).all()


def test_a_dry_subsoil_gives_less_than_fao_56_takes_for_granted() -> None:
    sky = weather()
    wet, dry = ours(sky), ours(sky, 90.0)
    assert dry.ks.mean() < wet.ks.mean()
    assert (dry.depletion >= wet.depletion - 1e-9).all()
    assert replace(wet, below=wet.below).below.min() >= 0


def test_no_weather_however_odd_takes_a_store_out_of_its_bounds() -> None:
    rng = np.random.default_rng(1)
    fields, days = 60, 120
    ground = ground_of([list(soils().values())[n % 12] for n in range(fields)])
    kcb = rng.uniform(0, 1.25, (fields, days))
    roots = np.sort(rng.uniform(0.1, 2, (fields, days)), axis=1)
    canopy = Canopy(kcb, roots, rng.uniform(0.01, 8, (fields, days)), rng.uniform(0.1, 0.8, fields),
                    np.full(fields, 0.15), roots[:, -1])  # fmt: skip
    rain = np.where(rng.random((fields, days)) < 0.1, rng.uniform(0, 300, (fields, days)), 0)
    water = np.where(rng.random((fields, days)) < 0.1, rng.uniform(0, 400, (fields, days)), 0)
    forcing = Forcing(rng.uniform(0, 16, (fields, days)), rain, water,
                      rng.uniform(0.05, 1, (fields, days)), rng.uniform(0, 12, (fields, days)),
                      rng.uniform(0, 100, (fields, days)))  # fmt: skip
    found = balance(ground, canopy, forcing, Start(*(np.zeros(fields) for _ in range(3))))
    for each in (getattr(found, name) for name in Balance.__slots__):
        assert np.isfinite(each).all()
        assert (each >= 0).all()
    assert (found.depletion <= found.taw + 1e-9).all()
    assert (found.surface <= ground.tew[:, None]).all()
    assert (found.ks <= 1).all()
    assert (found.runoff <= rain).all()
    assert (found.eta <= found.etc + 1e-9).all()


@pytest.mark.data
def test_on_a_real_season_weather_and_ndvi_beat_what_is_usual() -> None:
    """One of the seasons that ``python -m tests.journeys.water_season`` prints."""
    from tests.journeys.water_season import PROVINCE, Arm, Season, follow, spanish

    place = spanish(PROVINCE)
    season = Season(place, 2005, place.usual(2005))
    off = {}
    for arm in (Arm.CLIMATOLOGY, Arm.CALENDAR, Arm.NODE):
        off[arm] = np.mean(np.abs(list(follow(season, arm).misjudged.values())))
    assert off[Arm.NODE] < 0.75 * off[Arm.CALENDAR]
    assert off[Arm.CALENDAR] < 0.75 * off[Arm.CLIMATOLOGY]
