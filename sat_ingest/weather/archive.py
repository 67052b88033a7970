"""The weather a node keeps: days by place, origin and year, and the forecasts of the last weeks.

One SQLite file, ``home/weather.sqlite``.  A year of one place is one row of some kilobytes, so that
a thousand places with years of past weather stay small, and a season is read in a few rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import zstandard

from field_data.days import date_of, day_of
from field_data.errors import KeeperError, PublisherError
from field_data.files import make_folder
from field_data.sqlite_session import Session, connect, sqlite_errors
from field_data.weather import DAY_FIGURES, Origin, Weather, WeatherPlace
from sat_ingest.weather.codec import Reader, Writer, read_weather, write_weather
from sat_ingest.weather.quanta import MISSING, Floats, Whole, plain_days, table_of, whole_days

ARCHIVE = "weather.sqlite"
BUSY_S = 30.0
# Earlier forecasts are of use only to see what was known then.
KEEP_FORECASTS_S = 30 * 86_400.0
# Where days of the past may come from, the most trusted first.
PAST = (Origin.OBSERVED, Origin.REANALYSIS, Origin.FORECAST)
_VERSION = 1
_YEAR = (366, len(DAY_FIGURES))
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS places (id TEXT PRIMARY KEY, name TEXT NOT NULL,
       lat REAL NOT NULL, lon REAL NOT NULL, elevation_m REAL NOT NULL,
       source TEXT NOT NULL DEFAULT '') WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS years (place TEXT NOT NULL, origin TEXT NOT NULL,
       year INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (place, origin, year))
       WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS forecasts (place TEXT NOT NULL, issued REAL NOT NULL,
       tag TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (place, issued)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS spent (month TEXT PRIMARY KEY, bytes INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS edition (number INTEGER NOT NULL)",
    "INSERT INTO edition SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM edition)",
    f"PRAGMA user_version={_VERSION}",
)


@dataclass(frozen=True, slots=True)
class WeatherStatus:
    """What is kept; ``issued_utc_s`` of the latest forecast, None where there is none."""

    places: int
    years: int
    forecasts: int
    issued_utc_s: float | None
    last_day: int | None
    file_bytes: int


class WeatherArchive:
    """The archive at ``path``; threads may share it.  Close it, or use it with ``with``.

    Raises:
        KeeperError: ``store_damaged``, ``store_failed``, ``disk_full``, ``archive_newer``,
            ``archive_damaged`` when a row cannot be read.
        BusyError: another process writes for longer than `BUSY_S`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        self._lock = threading.RLock()
        self._session = Session(connect(path, BUSY_S))
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._session.con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Join what is said inside into one durable step."""
        with self._lock, sqlite_errors(self.path), self._session.level():
            yield

    # --- what comes in -----------------------------------------------------------------------

    def put(self, weather: Weather, tag: str = "") -> None:
        """Keep the days and steps of a place; durable when it returns.

        Days before a forecast was issued are past; those of the forecast also count as past once
        they are over, until something better comes.  A value that is known is never overwritten by
        NaN, nor by an older forecast.  ``tag`` names who brought it, to be taken back by `forget`.
        """
        with self.transaction():
            late = self._is_late(weather)
            self._put_place(weather)
            for origin in {day.origin for day in weather.days} | {
                day.rain_origin for day in weather.days
            }:
                if origin in PAST:
                    self._put_origin(weather, origin, keep=late)
            if weather.issued is not None and Origin.FORECAST in {d.origin for d in weather.days}:
                self._put_forecast(weather, tag)
            self._run("UPDATE edition SET number = number + 1")

    def put_days(self, place: WeatherPlace, origin: Origin, first: int, figures: Floats) -> None:
        """Days from ``first`` on, figures [days, `DAY_FIGURES`]; NaN changes nothing."""
        with self.transaction():
            self._put_place(Weather(place, ()))
            self._put_table(place.id, origin, first, figures, keep=False)
            self._run("UPDATE edition SET number = number + 1")

    def forget(self, tag: str) -> int:
        """Take back the forecasts that were brought under a tag; how many."""
        with self.transaction():
            rows = self._all("DELETE FROM forecasts WHERE tag=? RETURNING 1", tag)
            self._run("UPDATE edition SET number = number + 1")
        return len(rows)

    def tidy(self, now_utc_s: float) -> int:
        """Forecasts that are too old go, but for the latest of each place; how many."""
        sql = """DELETE FROM forecasts WHERE issued < ? AND issued < (SELECT max(issued)
                 FROM forecasts f WHERE f.place = forecasts.place) RETURNING 1"""
        with self.transaction():
            return len(self._all(sql, now_utc_s - KEEP_FORECASTS_S))

    # --- what is known -----------------------------------------------------------------------

    def places(self) -> list[WeatherPlace]:
        """Every place of which anything is kept, by id."""
        rows = self._all("SELECT id, name, lat, lon, elevation_m FROM places ORDER BY id")
        return [WeatherPlace(*row) for row in rows]

    def place(self, id: str) -> WeatherPlace | None:
        """One of them."""
        row = self._one("SELECT id, name, lat, lon, elevation_m FROM places WHERE id=?", id)
        return WeatherPlace(*row) if row else None

    def source(self, id: str) -> str:
        """Who is to be credited for a place, "" where nobody said."""
        row = self._one("SELECT source FROM places WHERE id=?", id)
        return str(row[0]) if row else ""

    def days(self, place: str, origin: Origin, first: int, last: int) -> Floats:
        """Figures [days, `DAY_FIGURES`] of ``first`` to ``last`` (inclusive); NaN is not known."""
        found = np.full((last - first + 1, _YEAR[1]), np.nan)
        for year in range(date_of(first).year, date_of(last).year + 1):
            kept = self._year(place, origin, year)
            if kept is None:
                continue
            start = day_of(date(year, 1, 1))
            a, b = max(first, start), min(last, start + _YEAR[0] - 1, day_of(date(year, 12, 31)))
            found[a - first : b - first + 1] = plain_days(kept[a - start : b - start + 1])
        return found

    def span(self, place: str) -> tuple[int, int] | None:
        """First and last day of the years in which past days of a place are kept."""
        row = self._one("SELECT min(year), max(year) FROM years WHERE place=?", place)
        if not row or row[0] is None:
            return None
        return day_of(date(row[0], 1, 1)), day_of(date(row[1], 12, 31))

    def forecasts(self, place: str, until_utc_s: float, most: int = 8) -> list[Weather]:
        """The forecasts issued before a moment, the latest first."""
        sql = "SELECT data FROM forecasts WHERE place=? AND issued<=? ORDER BY issued DESC LIMIT ?"
        return [self._weather(row[0]) for row in self._all(sql, place, until_utc_s, most)]

    def issued(self, place: str) -> float | None:
        """When the latest forecast of a place was made, seconds since 1970; None without one."""
        row = self._one("SELECT max(issued) FROM forecasts WHERE place=?", place)
        return None if row is None or row[0] is None else float(row[0])

    def revision(self) -> int:
        """Another number whenever something came or went."""
        row = self._one("SELECT number FROM edition")
        return int(row[0]) if row else 0

    def status(self) -> WeatherStatus:
        """Counts, ages and bytes."""
        places, years, forecasts, issued = self._all(
            """SELECT (SELECT count(*) FROM places), (SELECT count(*) FROM years),
               (SELECT count(*) FROM forecasts), (SELECT max(issued) FROM forecasts)"""
        )[0]
        size = self.path.stat().st_size
        return WeatherStatus(places, years, forecasts, issued, self._last_day(), size)

    def check(self) -> None:
        """Read everything.

        Raises:
            KeeperError: ``store_damaged``, ``archive_damaged``.
        """
        if self._all("PRAGMA quick_check") != [("ok",)]:
            raise KeeperError("store_damaged", f"{self.path} is damaged")
        for place, origin, year in self._all("SELECT place, origin, year FROM years"):
            self._year(place, Origin(origin), year)
        for place, issued in self._all("SELECT place, issued FROM forecasts"):
            sql = "SELECT data FROM forecasts WHERE place=? AND issued=?"
            self._weather(self._all(sql, place, issued)[0][0])

    # --- what fetching cost ------------------------------------------------------------------

    def spent(self, month: str) -> int:
        """Bytes that were fetched by itself in a month (``2026-11``)."""
        row = self._one("SELECT bytes FROM spent WHERE month=?", month)
        return int(row[0]) if row else 0

    def spend(self, month: str, more: int) -> None:
        """Note bytes that were fetched."""
        sql = """INSERT INTO spent VALUES (?,?)
                 ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes"""
        with self.transaction():
            self._run(sql, month, more)

    # --- rows --------------------------------------------------------------------------------

    def _is_late(self, weather: Weather) -> bool:
        """Whether a newer forecast of the place is here already."""
        known = self.issued(weather.place.id)
        return weather.issued is not None and known is not None and known > weather.issued.utc_s

    def _put_place(self, weather: Weather) -> None:
        place = weather.place
        self._run(
            """INSERT INTO places VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET name=excluded.name,
               lat=excluded.lat, lon=excluded.lon, elevation_m=excluded.elevation_m,
               source=iif(excluded.source='', source, excluded.source)""",
            *(place.id, place.name, place.lat, place.lon, place.elevation_m, weather.source),
        )

    def _put_origin(self, weather: Weather, origin: Origin, *, keep: bool) -> None:
        """The figures of a pack that have one origin; the rain may have another than the rest."""
        table = table_of(weather.days)
        rain = DAY_FIGURES.index("rain_mm")
        others = np.array([day.origin == origin for day in weather.days])
        wet = np.array([day.rain_origin == origin for day in weather.days])
        column = np.where(wet, table[:, rain], np.nan)
        table[~others] = np.nan
        table[:, rain] = column
        self._put_table(weather.place.id, origin, weather.days[0].day, table, keep=keep)

    def _put_table(
        self, place: str, origin: Origin, first: int, figures: Floats, *, keep: bool
    ) -> None:
        """With ``keep`` what is known already stays."""
        done = 0
        while done < len(figures):
            year = date_of(first + done).year
            start = day_of(date(year, 1, 1))
            size = min(len(figures) - done, day_of(date(year, 12, 31)) - first - done + 1)
            at = first + done - start
            new = whole_days(figures[done : done + size])
            kept = self._year(place, origin, year)
            kept = np.full(_YEAR, MISSING, np.int16) if kept is None else kept
            part = kept[at : at + size]
            take = (new != MISSING) & ((part == MISSING) | (not keep))
            if take.any():
                part[take] = new[take]
                self._put_year(place, origin, year, kept)
            done += size

    def _put_year(self, place: str, origin: Origin, year: int, kept: Whole) -> None:
        # Column by column: what is alike lies side by side.
        data = zstandard.compress(kept.T.astype("<i2").tobytes(), 6)
        sql = "INSERT INTO years VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET data=excluded.data"
        self._run(sql, place, str(origin), year, data)

    def _year(self, place: str, origin: Origin, year: int) -> Whole | None:
        sql = "SELECT data FROM years WHERE place=? AND origin=? AND year=?"
        row = self._one(sql, place, str(origin), year)
        if row is None:
            return None
        size = 2 * _YEAR[0] * _YEAR[1]
        try:
            data = zstandard.decompress(row[0], max_output_size=size)
            flat = np.frombuffer(data, "<i2").reshape(_YEAR[::-1])
        except (zstandard.ZstdError, ValueError) as error:
            raise KeeperError("archive_damaged", f"{self.path}: {place} {year}: {error}") from error
        return np.ascontiguousarray(flat.T).astype(np.int16)

    def _put_forecast(self, weather: Weather, tag: str) -> None:
        out = Writer()
        write_weather(out, replace(weather, days=_recent(weather)))
        issued = weather.issued.utc_s if weather.issued else 0.0
        data = zstandard.compress(bytes(out.data), 9)
        sql = """INSERT INTO forecasts VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET
                 data=excluded.data, tag=excluded.tag"""
        self._run(sql, weather.place.id, issued, tag, data)

    def _weather(self, data: bytes) -> Weather:
        try:
            return read_weather(Reader(zstandard.decompress(data, max_output_size=1 << 20)))
        except (zstandard.ZstdError, PublisherError) as error:
            raise KeeperError("archive_damaged", f"{self.path}: a forecast: {error}") from error

    def _last_day(self) -> int | None:
        """The last day on which anything but a forecast is known of some place."""
        sql = """SELECT place, origin, year FROM years WHERE origin != ? AND year =
                 (SELECT max(year) FROM years WHERE origin != ?)"""
        forecast = str(Origin.FORECAST)
        last = None
        for place, origin, year in self._all(sql, forecast, forecast):
            kept = self._year(place, Origin(origin), year)
            if kept is not None and (kept != MISSING).any():
                at = int(np.flatnonzero((kept != MISSING).any(axis=1))[-1])
                last = max(last or 0, day_of(date(year, 1, 1)) + at)
        return last

    def _prepare(self) -> None:
        with self.transaction():
            row = self._one("PRAGMA user_version")
            if row and row[0] > _VERSION:
                raise KeeperError("archive_newer", f"{self.path} was made by a later Ghalla")
            for statement in _SCHEMA:
                self._run(statement)

    def _run(self, sql: str, *values: Any) -> None:
        with self._lock, sqlite_errors(self.path):
            self._session.con.execute(sql, values)

    def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, sqlite_errors(self.path):
            return self._session.con.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        found: Sequence[tuple[Any, ...]] = self._all(sql, *values)
        return found[0] if found else None


def _recent(weather: Weather) -> tuple[Any, ...]:
    """The days that a forecast is about: from two days before it was issued."""
    issued = int((weather.issued.utc_s if weather.issued else 0.0) // 86_400)
    return tuple(day for day in weather.days if day.day >= issued - 2)
