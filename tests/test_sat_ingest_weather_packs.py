"""Weather packs: small, exact to their steps, and nothing that is hostile gets in."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import zstandard

from field_data.errors import PersonError, PublisherError
from field_data.types import Instant, Trust
from field_data.weather import (
    STEP_S,
    DayWeather,
    Origin,
    StepWeather,
    Weather,
    WeatherPlace,
)
from sat_ingest.weather.packs import encode_pack, places_of
from sat_ingest.weather.quanta import PER_DAY_UNIT, PER_STEP_UNIT
from tests.weather_service import week

MARK = b"GHALLA-WEATHER-1"


def test_a_place_and_week_take_less_than_two_kilobytes() -> None:
    """Goal: 2 kB, alone as well as among others; the week is noisier than real ones."""
    alone = [len(encode_pack([week(seed)])) for seed in range(20)]
    together = len(encode_pack([week(seed) for seed in range(20)])) / 20
    print(f"weather pack: alone {max(alone)} bytes at most, of twenty {together:.0f} bytes each")
    assert max(alone) <= 2000
    assert together <= max(alone)


def figures(rng: random.Random, per_unit: dict[str, int]) -> dict[str, float]:
    """Figures that lie on their steps; one in five is missing."""
    return {
        name: math.nan if rng.random() < 0.2 else rng.randint(-60 * per, 60 * per) / per
        for name, per in per_unit.items()
    }


def any_weather(seed: int) -> Weather:
    """Days and steps of all sorts, gaps among the steps, now and then none at all."""
    rng = random.Random(seed)
    first, origins = rng.randint(-10_000, 40_000), list(Origin)
    days = tuple(
        DayWeather(
            first + i,
            **figures(rng, PER_DAY_UNIT),
            origin=rng.choice(origins),
            rain_origin=rng.choice(origins),
        )
        for i in range(rng.randint(0, 12))
    )
    steps = tuple(
        StepWeather(
            36_000 + slot * STEP_S,
            **{**figures(rng, PER_STEP_UNIT), "temp_c": 20.5},
            origin=rng.choice(origins),
        )
        for slot in sorted(rng.sample(range(30), rng.randint(0, 12)))
    )
    issued = Instant(float(rng.randrange(2**31)), Trust.NTP) if rng.random() < 0.7 else None
    place = WeatherPlace("a", rng.choice(["", "مكناس", "Meknès"]), 33.9, -5.5, 552.5)
    return Weather(place, days, steps, issued, "credit", rng.choice([math.nan, 480.0]))


def test_what_is_packed_comes_back_to_the_last_step() -> None:
    for seed in range(300):
        weather = any_weather(seed)
        assert repr(list(places_of(encode_pack([weather])))) == repr([weather])


def test_a_value_is_off_by_half_a_step_at_most() -> None:
    weather = week(3)
    (told,) = places_of(encode_pack([weather]))
    for name, per in PER_DAY_UNIT.items():
        pairs = zip(told.column(name), weather.column(name), strict=True)
        assert all(math.isnan(b) or abs(a - b) <= 0.5 / per + 1e-9 for a, b in pairs)
    for name, per in PER_STEP_UNIT.items():
        off = [
            abs(getattr(a, name) - getattr(b, name))
            for a, b in zip(told.steps, weather.steps, strict=True)
        ]
        assert max(off) <= 0.5 / per + 1e-9


def test_an_impossible_figure_is_unknown_and_never_another_one() -> None:
    day = DayWeather(1, tmin_c=math.inf, tmax_c=4000.0, rain_mm=0.0)
    (told,) = places_of(encode_pack([Weather(WeatherPlace("a", "", 0, 0, 0), (day,))]))
    assert math.isnan(told.days[0].tmin_c)
    assert math.isnan(told.days[0].tmax_c)
    assert told.days[0].rain_mm == 0.0


def code_of(data: bytes) -> str:
    """Why a pack is refused, "" when it is not; another error than ours fails the test."""
    try:
        list(places_of(data))
    except PublisherError as error:
        return error.code
    return ""


def test_whatever_is_hostile_is_refused_by_name() -> None:
    """Bits turned, cut, random, inside and outside of the frame: only one kind of error comes."""
    rng = random.Random(9)
    good = encode_pack([week(1)])
    body = zstandard.decompress(good[len(MARK) :])
    codes = Counter[str]()
    for turn in range(1200):
        data = bytearray(good if turn % 3 == 0 else body)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        if turn % 5 == 0:
            data = data[: rng.randrange(len(data))]
        whole = bytes(data) if turn % 3 == 0 else MARK + zstandard.compress(bytes(data), 1)
        codes[code_of(whole)] += 1
    assert set(codes) == {"", "bad_weather_pack"}
    assert codes["bad_weather_pack"] > 600  # what turned only figures is for the signature


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        zstandard.compress(b""),
        zstandard.compress(bytes(100 << 20)),
        zstandard.compress(b"\x01" + b"\xff" * 40),
        zstandard.compress(b"\x02" * 4000),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"\x00"),
    ],
    ids=["empty", "nothing", "bomb", "endless number", "junk", "without a size"],
)
def test_a_bomb_is_refused_before_it_is_inflated(frame: bytes) -> None:
    with pytest.raises(PublisherError) as caught:
        list(places_of(MARK + frame))
    assert caught.value.code == "bad_weather_pack"


def test_a_place_that_is_there_twice_is_refused() -> None:
    with pytest.raises(PublisherError):
        list(places_of(encode_pack([week(1), week(1)])))


def test_more_places_than_a_node_takes_are_not_packed() -> None:
    with pytest.raises(PersonError) as caught:
        encode_pack([week(1)] * 5001)
    assert caught.value.code == "pack_too_large"
