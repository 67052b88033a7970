"""``ghalla weather``: past and coming weather of the fields' places."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from edge_app.cli_scenes import DATE
from edge_app.cli_series import named
from field_data.errors import NetworkError, PersonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_app.weather_desk import FieldWeather
    from field_data.weather import WeatherPlace
    from sat_ingest.weather.asking import Pulled, Span
    from sat_ingest.weather.quality import Doubt
    from sat_ingest.weather.stations import Station

_FILE = click.Path(path_type=Path, dir_okay=False)
# A reanalysis is some five days late.
_LATE_DAYS = 6


@click.group()
def weather() -> None:
    """Weather of the fields: pull it or import it, pack it for other nodes, show it."""


@weather.command()
@HOME
@click.option("--source", help="open-meteo, era5, power or a .toml file (default: the setting).")
@click.option("--at", "points", multiple=True, metavar="LAT,LON",
              help="A place besides those of the fields; may be repeated.")  # fmt: skip
@click.option("--since", type=DATE, help="First day, of a source of the past.")
@click.option("--until", type=DATE, help="Last day (default: six days ago).")
@click.option("--max-bytes", type=click.IntRange(1), help="Stop before this many bytes.")
@JSON
def pull(
    home: Path,
    source: str | None,
    points: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    max_bytes: int | None,
    as_json: bool,
) -> None:
    """Fetch the weather of the cells of 0.1° that the fields lie in; never of a field itself.

    Stops cleanly at the budget, and goes on next time.  Exit code 1 when the link failed.
    """

    def action() -> None:
        from edge_app.settings import read_settings
        from edge_app.weather_job import pull_places

        name = source or read_settings(home).weather_source
        if not name:
            raise PersonError("no_weather_source", "say --source, or set weather_source")
        places = _places(home, points)
        if not places:
            raise PersonError("no_fields", "no field is known here: ghalla fields add, or --at")
        with _bar(len(places)) as each:
            told = pull_places(
                home, name, places, span=_span(since, until), limit=max_bytes, each=each
            )
        _say_pulled(told, as_json)
        if told.stopped and told.stopped != "sat_budget_spent":
            sys.exit(EXIT.get(NetworkError, 1))

    guarded(as_json, action)


def _places(home: Path, points: Sequence[str]) -> list[WeatherPlace]:
    from edge_app.home import open_ground
    from edge_app.weather_job import cells_of
    from sat_ingest.weather.cells import cell_of

    with open_ground(home) as ground:
        cells = {cell.id: cell for cell in cells_of(ground.registry.fields())}
    for lat, lon in map(_point, points):
        cell = cell_of(lon, lat)
        cells[cell.id] = cell
    return [cells[id] for id in sorted(cells)]


def _point(text: str) -> tuple[float, float]:
    try:
        lat, lon = map(float, text.split(","))
    except ValueError:
        lat = lon = math.nan
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise PersonError("bad_place", f"{text!r} is no LAT,LON in degrees")
    return lat, lon


def _span(since: datetime | None, until: datetime | None) -> Span | None:
    from field_data.clock import now
    from field_data.days import date_of
    from sat_ingest.weather.asking import Span

    if since is None:
        return None
    last = until.date() if until else date_of(int(now().utc_s // 86_400) - _LATE_DAYS)
    if since.date() > last:
        raise PersonError("bad_dates", "the first day comes after the last")
    return Span(since.date(), last)


@contextmanager
def _bar(size: int) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    hidden = not sys.stderr.isatty()
    with tqdm(total=size, unit="place", delay=2, disable=hidden, file=sys.stderr) as bar:

        def each(more: int) -> None:
            bar.update(more)

        yield each


def _say_pulled(told: Pulled, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(told), ensure_ascii=False))
        return
    click.echo(f"{told.fetched} places fetched, {told.fresh} were fresh, {told.bytes} bytes")
    _say_doubts(told.doubts)
    if told.stopped:
        click.echo(f"stopped: {told.message}", err=True)


def _say_doubts(doubts: Sequence[Doubt]) -> None:
    for each in doubts:
        click.echo(f"  not believed: {each.count} of {each.figure} ({each.reason})")


@weather.command()
@HOME
@click.option("--out", type=_FILE, required=True, help="The pack to write (.ghy).")
@click.option("--place", "ids", multiple=True, help="Only this place; may be repeated.")
@click.option("--past-days", type=click.IntRange(0, 20_000), default=7, show_default=True,
              help="Days before today; thousands give nodes their climate.")  # fmt: skip
@JSON
def pack(home: Path, out: Path, ids: tuple[str, ...], past_days: int, as_json: bool) -> None:
    """Write the weather that HOME keeps into one small file for other nodes.

    `ghalla bundle build weather FILE --name … --out …` makes a bundle of it, to be signed.
    """

    def action() -> None:
        from sat_ingest.weather.cutting import cut
        from sat_ingest.weather.packs import SUFFIX, write_pack

        if out.suffix != SUFFIX:
            raise PersonError("bad_name", f"a weather pack is called …{SUFFIX}")
        with _archive(home) as archive:
            known = [p for p in archive.places() if not ids or p.id in ids]
            found = [cut(archive, place, past_days) for place in known]
        chosen = [each for each in found if each.days]
        if not chosen:
            raise PersonError("no_weather", "nothing is known of those places")
        size = write_pack(out, chosen)
        said = {"file": str(out), "bytes": size, "places": len(chosen)}
        per = size // len(chosen)
        text = f"{out}: {len(chosen)} places, {size} bytes ({per} each)"
        click.echo(json.dumps(said) if as_json else text)

    guarded(as_json, action)


@contextmanager
def _archive(home: Path) -> Iterator[Any]:
    from edge_app.health import store_of
    from sat_ingest.weather.archive import ARCHIVE, WeatherArchive

    if not (home / ARCHIVE).is_file():
        store_of(home)  # says so when this is no home
        raise PersonError("no_weather", "no weather is kept here: ghalla weather pull, or import")
    with WeatherArchive(home / ARCHIVE) as archive:
        yield archive


@weather.command("import")
@HOME
@click.option("--place", help="Id of the station, of a CSV file (default: the file's name).")
@click.option("--name", default="", help="Its name.")
@click.option("--at", "point", metavar="LAT,LON", help="Where it stands, to a hundredth degree.")
@click.option("--elevation", type=click.FloatRange(-500, 9000), help="Metres above sea.")
@click.option("--origin", type=click.Choice(["observed", "reanalysis"]), default="observed",
              show_default=True, help="What the figures of a CSV file are.")  # fmt: skip
@JSON
@click.argument("file", type=_FILE)
def import_(
    home: Path,
    place: str | None,
    name: str,
    point: str | None,
    elevation: float | None,
    origin: str,
    as_json: bool,
    file: Path,
) -> None:
    """Take a weather pack (.ghy) or the daily CSV of a station into the archive.

    Columns as Meteostat or AEMET call them; blanks are missing, never zero.  A pack is believed
    because you bring it; nodes that take packs by themselves want a signed bundle.
    """

    def action() -> None:
        from edge_app.health import store_of

        store_of(home)
        if file.suffix == ".ghy":
            _import_pack(home, file, as_json)
            return
        if point is None or elevation is None:
            raise click.UsageError("of a CSV file say --at LAT,LON and --elevation")
        _import_station(home, file, _station_place(file, place, name, point, elevation), origin,
                        as_json)  # fmt: skip

    guarded(as_json, action)


def _import_pack(home: Path, file: Path, as_json: bool) -> None:
    from edge_app.weather_packs import import_pack

    told = import_pack(home, file)
    if as_json:
        click.echo(json.dumps(asdict(told)))
        return
    click.echo(f"{told.places} places, {told.days} days")
    _say_doubts(told.doubts)


def _station_place(
    file: Path, id: str | None, name: str, point: str, elevation: float
) -> WeatherPlace:
    from field_data.weather import WeatherPlace

    lat, lon = _point(point)
    return WeatherPlace((id or file.stem)[:60], name[:60], round(lat, 2), round(lon, 2), elevation)


def _import_station(
    home: Path, file: Path, place: WeatherPlace, origin: str, as_json: bool
) -> None:
    from field_data.days import date_of
    from field_data.weather import Origin
    from sat_ingest.weather.archive import ARCHIVE, WeatherArchive

    station = _read_station(file)
    with WeatherArchive(home / ARCHIVE) as archive:
        archive.put_days(place, Origin(origin), station.first, station.figures)
    days = len(station.figures)
    span = [date_of(station.first), date_of(station.first + days - 1)]
    if as_json:
        said = {"place": place.id, "days": days, "first": str(span[0]), "last": str(span[1])}
        said |= {"missing": dict(station.missing), "ignored": list(station.ignored)}
        click.echo(json.dumps(said | {"doubts": [asdict(each) for each in station.doubts]}))
        return
    click.echo(f"{place.id}: {days} days, {span[0]} to {span[1]}")
    for figure, count in station.missing.items():
        click.echo(f"  {figure}: {count} missing ({count / days:.0%})")
    _say_doubts(station.doubts)
    if station.ignored:
        click.echo(f"  columns that say nothing here: {', '.join(station.ignored)}")


def _read_station(file: Path) -> Station:
    from sat_ingest.weather.stations import MOST_BYTES, read_station

    try:
        with file.open("rb") as opened:
            return read_station(opened.read(MOST_BYTES + 1))
    except OSError as error:
        raise PersonError("no_such_file", f"cannot read {file}: {error.strerror}") from error


@weather.command()
@HOME
@click.option("--as-of", type=DATE, help="As it was known on that day (default: today).")
@click.option("--past-days", type=click.IntRange(0, 4000), default=7, show_default=True)
@click.option("--ahead-days", type=click.IntRange(0, 15), default=10, show_default=True)
@JSON
@click.argument("field")
def show(
    home: Path,
    as_of: datetime | None,
    past_days: int,
    ahead_days: int,
    as_json: bool,
    field: str,
) -> None:
    """The weather of FIELD, day by day, with where each figure comes from.

    Exit code 1 when nothing is known of it.
    """

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.weather_desk import WeatherDesk
        from field_data.clock import now
        from field_data.days import date_of

        with open_ground(home) as ground:
            chosen = named(field, ground.registry.fields())
            desk = WeatherDesk(home, ground.registry, ground.events, ground.settings)
            try:
                day = as_of.date() if as_of else date_of(int(now().utc_s // 86_400))
                told = desk.of(chosen, day, past_days=past_days, ahead_days=ahead_days)
            finally:
                desk.close()
        _say(told, as_json)
        if told.weather is None:
            sys.exit(EXIT[PersonError])

    guarded(as_json, action)


def _say(told: FieldWeather, as_json: bool) -> None:
    from edge_app.weather_words import as_plain, lines

    if as_json:
        click.echo(json.dumps(as_plain(told), ensure_ascii=False))
        return
    for line in lines(told):
        click.echo(line)


@weather.command()
@HOME
@JSON
def status(home: Path, as_json: bool) -> None:
    """What is kept: places, years, forecasts, how old the latest is, what fetching cost."""

    def action() -> None:
        from edge_app.settings import read_settings
        from edge_app.weather_job import month_of
        from field_data.clock import now
        from field_data.days import date_of

        settings = read_settings(home)
        with _archive(home) as archive:
            kept, spent = archive.status(), archive.spent(month_of(now()))
        issued = kept.issued_utc_s
        said = {
            "places": kept.places,
            "place_years": kept.years,
            "forecasts": kept.forecasts,
            "issued": None if issued is None else date_of(int(issued // 86_400)).isoformat(),
            "issued_days_ago": issued and round((now().utc_s - issued) / 86_400, 1),
            "last_measured_day": None if kept.last_day is None else str(date_of(kept.last_day)),
            "file_bytes": kept.file_bytes,
            "source": settings.weather_source or None,
            "fetched_bytes_this_month": spent,
            "budget_bytes_a_month": settings.weather_monthly_mb * 1_000_000 or None,
        }
        if as_json:
            click.echo(json.dumps(said))
            return
        for name, value in said.items():
            click.echo(f"{name.replace('_', ' '):26} {'none' if value is None else value}")

    guarded(as_json, action)
