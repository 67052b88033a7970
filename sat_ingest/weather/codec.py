"""Weather of one place as few bytes: whole numbers, differences, a byte for most values.

A value is told as its difference to the one before, or to that of the same hour a day earlier,
whichever is shorter for the column; 0 says that a value is missing.  Bytes are then small and
alike, which zstd halves.  Whoever made the bytes may be hostile: every count is checked before its
loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from field_data.errors import PublisherError
from field_data.types import Instant, Trust
from field_data.weather import (
    DAY_FIGURES,
    STEP_FIGURES,
    STEP_S,
    DayWeather,
    Origin,
    StepWeather,
    Weather,
    WeatherPlace,
)
from sat_ingest.weather.quanta import (
    MOST,
    PER_DAY_UNIT,
    PER_STEP_UNIT,
    day_from,
    step_from,
    whole,
)

MOST_DAYS = 20_000
MOST_STEPS = 2_000
_MOST_TEXT = 200
_MOST_VARINT = 10
# Days since 1970-01-01: 1840 to 2106; what is outside is nobody's weather.
_FIRST_DAY, _LAST_DAY = -47_500, 50_000
_LAGS = (1, 8)
# Told by their place: new ones only at the end.
_ORIGINS = tuple(Origin)
_TRUSTS = tuple(Trust)
_PLACE_PER, _HEIGHT_PER = 10_000, 10


def bad(why: str) -> PublisherError:
    """``bad_weather_pack``."""
    return PublisherError("bad_weather_pack", f"no weather pack: {why}")


@dataclass(slots=True)
class Writer:
    """Numbers and texts into ``data``."""

    data: bytearray = field(default_factory=bytearray)

    def count(self, number: int) -> None:
        """A number that is not negative: seven bits a byte, the lowest first."""
        while number > 127:
            self.data.append(number & 127 | 128)
            number >>= 7
        self.data.append(number)

    def signed(self, number: int) -> None:
        """A number, its sign folded in: 0, -1, 1, -2 …"""
        self.count(_folded(number))

    def text(self, text: str) -> None:
        """A text of at most 200 bytes; a longer one is cut."""
        told = text.encode()[:_MOST_TEXT].decode(errors="ignore").encode()
        self.count(len(told))
        self.data += told


@dataclass(slots=True)
class Reader:
    """The inverse of `Writer`.

    Raises:
        PublisherError: ``bad_weather_pack`` for whatever is not there or out of range.
    """

    data: bytes
    at: int = 0

    def count(self, most: int) -> int:
        """A number from 0 to ``most``."""
        number = 0
        for place in range(_MOST_VARINT):
            if self.at >= len(self.data):
                raise bad("it ends too early")
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 127) << 7 * place
            if byte < 128:
                break
        else:
            raise bad("a number without end")
        if number > most:
            raise bad(f"{number} is more than {most}")
        return number

    def signed(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``."""
        number = _unfolded(self.count(2 * max(abs(low), abs(high)) + 1))
        if not low <= number <= high:
            raise bad(f"{number} is not {low} to {high}")
        return number

    def text(self) -> str:
        """A text."""
        size = self.count(_MOST_TEXT)
        told = bytes(self.data[self.at : self.at + size])
        self.at += size
        try:
            text = told.decode()
        except UnicodeDecodeError as error:
            raise bad("a text is not UTF-8") from error
        if len(told) < size or not (text.isprintable() or not text):
            raise bad("a text is cut or holds signs that cannot be shown")
        return text


def write_weather(out: Writer, weather: Weather) -> None:
    """One place with its days and steps.

    Raises:
        ValueError: more than `MOST_DAYS` days or `MOST_STEPS` steps, or steps that do not lie on
            one grid of three hours.
    """
    starts = [step.start_utc_s for step in weather.steps]
    slots = (starts[-1] - starts[0]) // STEP_S + 1 if starts else 0
    if len(weather.days) > MOST_DAYS or slots > MOST_STEPS:
        raise ValueError("too many days or steps")
    if any((start - starts[0]) % STEP_S for start in starts):
        raise ValueError("steps lie on one grid")
    _write_head(out, weather)
    out.count(len(weather.days))
    out.signed(weather.days[0].day if weather.days else 0)
    _write_origins(out, [day.origin for day in weather.days])
    _write_origins(out, [day.rain_origin for day in weather.days])
    for name in DAY_FIGURES:
        _write_column(out, [whole(getattr(d, name), PER_DAY_UNIT[name]) for d in weather.days])
    _write_steps(out, weather.steps, slots)


def read_weather(source: Reader) -> Weather:
    """The inverse of `write_weather`.

    Raises:
        PublisherError: ``bad_weather_pack``.
    """
    place, issued, credit, height = _read_head(source)
    days = _read_days(source)
    steps = _read_steps(source)
    return Weather(place, days, steps, issued, credit, height)


def _write_head(out: Writer, weather: Weather) -> None:
    place = weather.place
    out.text(place.id)
    out.text(place.name)
    out.signed(round(place.lat * _PLACE_PER))
    out.signed(round(place.lon * _PLACE_PER))
    out.signed(round(place.elevation_m * _HEIGHT_PER))
    known = math.isfinite(weather.model_elevation_m)
    out.count(known)
    if known:
        out.signed(round(weather.model_elevation_m * _HEIGHT_PER))
    out.count(0 if weather.issued is None else 1 + _TRUSTS.index(weather.issued.trust))
    if weather.issued is not None:
        out.count(max(0, round(weather.issued.utc_s)))
    out.text(weather.source)


def _read_head(source: Reader) -> tuple[WeatherPlace, Instant | None, str, float]:
    id, name = source.text(), source.text()
    lat = source.signed(-90 * _PLACE_PER, 90 * _PLACE_PER) / _PLACE_PER
    lon = source.signed(-180 * _PLACE_PER, 180 * _PLACE_PER) / _PLACE_PER
    height = _height(source)
    if not id:
        raise bad("a place has no id")
    ground = _height(source) if source.count(1) else math.nan
    trust = source.count(len(_TRUSTS))
    moment = float(source.count(_LAST_DAY * 86_400)) if trust else 0.0
    issued = Instant(moment, _TRUSTS[trust - 1]) if trust else None
    return WeatherPlace(id, name, lat, lon, height), issued, source.text(), ground


def _height(source: Reader) -> float:
    return source.signed(-500 * _HEIGHT_PER, 9000 * _HEIGHT_PER) / _HEIGHT_PER


def _write_origins(out: Writer, origins: Sequence[Origin]) -> None:
    """Runs of the same origin."""
    changes = [i for i, each in enumerate(origins) if i == 0 or each != origins[i - 1]]
    out.count(len(changes))
    for start, stop in pairwise([*changes, len(origins)]):
        out.count(_ORIGINS.index(origins[start]))
        out.count(stop - start)


def _read_origins(source: Reader, size: int) -> list[Origin]:
    found: list[Origin] = []
    for _ in range(source.count(size)):
        origin = _ORIGINS[source.count(len(_ORIGINS) - 1)]
        found += [origin] * source.count(size - len(found))
    if len(found) != size:
        raise bad("days without an origin")
    return found


def _read_days(source: Reader) -> tuple[DayWeather, ...]:
    size = source.count(MOST_DAYS)
    first = source.signed(_FIRST_DAY, _LAST_DAY - size)
    origins, rain = _read_origins(source, size), _read_origins(source, size)
    columns = [_read_column(source, size, PER_DAY_UNIT[name]) for name in DAY_FIGURES]
    rows = zip(*columns, strict=True)
    return tuple(day_from(first + i, row, origins[i], rain[i]) for i, row in enumerate(rows))


def _write_steps(out: Writer, steps: Sequence[StepWeather], slots: int) -> None:
    """Gaps are steps of which nothing is known."""
    out.count(slots)
    if not steps:
        return
    first = steps[0].start_utc_s
    out.count(first)
    there = {(step.start_utc_s - first) // STEP_S: step for step in steps}
    gap = StepWeather(0)
    grid = [there.get(slot, gap) for slot in range(slots)]
    _write_origins(out, [step.origin for step in grid])
    for name in STEP_FIGURES:
        _write_column(out, [whole(getattr(s, name), PER_STEP_UNIT[name]) for s in grid])


def _read_steps(source: Reader) -> tuple[StepWeather, ...]:
    slots = source.count(MOST_STEPS)
    if not slots:
        return ()
    first = source.count(_LAST_DAY * 86_400)
    origins = _read_origins(source, slots)
    columns = [_read_column(source, slots, PER_STEP_UNIT[name]) for name in STEP_FIGURES]
    rows = enumerate(zip(*columns, strict=True))
    return tuple(
        step_from(first + i * STEP_S, row, origins[i])
        for i, row in rows
        if not all(map(math.isnan, row))
    )


def _write_column(out: Writer, values: Sequence[int | None]) -> None:
    told = {lag: list(_differences(values, lag)) for lag in _LAGS}
    lag = min(_LAGS, key=lambda lag: sum(told[lag]))
    out.count(lag)
    for number in told[lag]:
        out.count(number)


def _differences(values: Iterable[int | None], lag: int) -> Iterable[int]:
    """0 for a missing value, else 1 + the folded difference to the last known ``lag`` before."""
    before = [0] * lag
    for place, value in enumerate(values):
        if value is None:
            yield 0
        else:
            yield 1 + _folded(value - before[place % lag])
            before[place % lag] = value


def _read_column(source: Reader, size: int, per_unit: int) -> list[float]:
    lag = source.count(max(_LAGS))
    if lag not in _LAGS:
        raise bad("a column without order")
    before, found = [0] * lag, []
    for place in range(size):
        told = source.count(4 * MOST + 3)
        if told:
            value = before[place % lag] + _unfolded(told - 1)
            if abs(value) > MOST:
                raise bad("a value out of range")
            before[place % lag] = value
        found.append(before[place % lag] / per_unit if told else math.nan)
    return found


def _folded(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _unfolded(number: int) -> int:
    return -(number + 1) // 2 if number & 1 else number // 2
