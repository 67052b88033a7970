"""``ghalla scenes``: satellite scenes of the fields, for the fewest bytes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from field_data.days import date_of, day_of
from field_data.errors import KeeperError, PersonError

if TYPE_CHECKING:
    from field_data.types import Field
    from sat_ingest.pull import Report, Watch, Wish

_MAX_GEOJSON = 16 * 1024 * 1024
# As sat_ingest.windows.BANDS; written again so that --help does not load rasterio.
BANDS = ("blue", "green", "red", "rededge1", "nir", "swir16")
DATE = click.DateTime(["%Y-%m-%d"])
FIELDS = click.option(
    "--fields",
    type=click.Path(path_type=Path, dir_okay=False),
    help="GeoJSON with polygons, instead of the fields that the node knows.",
)


@click.group()
def scenes() -> None:
    """Satellite scenes of the node's fields."""


@scenes.command()
@HOME
@click.option(
    "--catalog",
    default="earth-search",
    show_default=True,
    help="STAC API, static catalogue (address or path), or: earth-search, planetary-computer.",
)
@click.option("--since", type=DATE, required=True, help="First day, YYYY-MM-DD.")
@click.option("--until", type=DATE, help="Last day (default: today).")
@FIELDS
@click.option("--max-bytes", type=click.IntRange(1), help="Stop before this many bytes.")
@click.option(
    "--bands", default=",".join(BANDS), show_default=True, help="Common names, by commas."
)
@JSON
def pull(
    home: Path,
    catalog: str,
    since: datetime,
    until: datetime | None,
    fields: Path | None,
    max_bytes: int | None,
    bands: str,
    as_json: bool,
) -> None:
    """Fetch what is missing of a season: the dates that tell most first, clouds looked at first.

    Stops cleanly at the budget (--max-bytes, and the setting sat_weekly_mb) and goes on next time.
    Exit code 0 also then; 1 when the link failed.
    """

    def action() -> None:
        chosen = fields_of(home, fields)
        wish = wished(catalog, since, until, bands, max_bytes)
        _say(pulled(home, wish, chosen), as_json)

    guarded(as_json, action)


def wished(
    catalog: str, since: datetime, until: datetime | None, bands: str, max_bytes: int | None
) -> Wish:
    """What the options of the command line ask for."""
    from sat_ingest.pull import Wish

    return Wish(catalog, day_number(since), last_day(until), bands_in(bands), max_bytes)


def pulled(home: Path, wish: Wish, chosen: Sequence[Field]) -> Report:
    """Pull into a home, and draw figures: then windows may give way, and pages need not wait.

    Raises:
        KeeperError: ``memory_small``, ``bad_settings``, or the archive's.
    """
    from edge_app.appliance.memory import means_of, memory_bytes
    from edge_app.settings import MB, read_settings
    from field_data.clock import now
    from sat_ingest.archive import ARCHIVE, Archive
    from sat_ingest.figures import draw
    from sat_ingest.pull import SCENES, Puller

    settings = read_settings(home)
    limit = memory_bytes(settings.memory_mb)
    if not means_of(limit, settings.workers, settings.queue).pulls:
        raise KeeperError("memory_small", "too little memory for scenes here: bring window packs")
    quota = settings.sat_archive_mb * MB
    with Archive(home / ARCHIVE, quota) as archive, _Bar() as bar:
        puller = Puller(
            home / SCENES,
            archive,
            now().utc_s,
            weekly_bytes=settings.sat_weekly_mb * MB,
            cache_bytes=settings.sat_cache_mb * MB,
            watch=bar.watch,
        )
        report = puller.pull(wish, chosen)
        for field in chosen:
            draw(archive, field)
    return report


class _Bar:
    """A bar for people who watch: days looked at, bytes received."""

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        self._bar = tqdm(unit="day", delay=2, disable=not sys.stderr.isatty(), file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    @property
    def watch(self) -> Watch:
        def show(done: int, of: int, spent: int) -> None:
            self._bar.total = of
            self._bar.set_postfix_str(_size(spent), refresh=False)
            self._bar.update(done - self._bar.n)

        return show


def day_number(at: datetime) -> int:
    """Days since 1970-01-01."""
    return day_of(at.date())


def last_day(until: datetime | None) -> int:
    """The day asked for, else today where this machine's clock can be believed."""
    from field_data.clock import now
    from field_data.types import Trust

    if until is not None:
        return day_number(until)
    today = now()
    if today.trust is Trust.UNKNOWN:
        raise PersonError("clock_unknown", "this machine does not know the date: say --until")
    return int(today.utc_s // 86400)


def bands_in(text: str) -> tuple[str, ...]:
    """Common names of bands, separated by commas.

    Raises:
        PersonError: ``unknown_band``.
    """
    wanted = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in BANDS]
    if unknown or not wanted:
        raise PersonError("unknown_band", f"unknown band {unknown}; known are {', '.join(BANDS)}")
    return wanted


def fields_of(home: Path, geojson: Path | None) -> list[Field]:
    """The fields in a GeoJSON file, else those that the node knows.

    Raises:
        PersonError: ``bad_geojson``; KeeperError: ``no_home`` or the store's own.
    """
    if geojson is not None:
        return fields_in(geojson)
    from edge_app.home import open_ground

    with open_ground(home) as ground:
        return ground.registry.fields()


def fields_in(path: Path) -> list[Field]:
    """Fields from a GeoJSON FeatureCollection of polygons (RFC 7946); holes are not kept.

    A field is called by its ``id``, or ``name``, or its place in the file; ``crop`` is its crop.

    Raises:
        PersonError: ``bad_geojson``.
    """
    try:
        if path.stat().st_size > _MAX_GEOJSON:
            raise PersonError("bad_geojson", f"{path} is longer than 16 MiB")
        said = json.loads(path.read_bytes())
        features = said["features"] if said.get("type") == "FeatureCollection" else [said]
        found = [_field(feature, place) for place, feature in enumerate(features, 1)]
    except OSError as error:
        raise PersonError("bad_geojson", f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PersonError("bad_geojson", f"{path}: not a list of polygons: {error}") from error
    if len({each.id for each in found}) != len(found):
        raise PersonError("bad_geojson", f"{path}: two fields share a name")
    return found


def _field(feature: dict[str, Any], place: int) -> Field:
    from field_data.types import Field

    said = feature.get("properties") or {}
    name = feature.get("id") or said.get("id") or said.get("name") or place
    geometry = feature["geometry"]
    if geometry["type"] != "Polygon":
        raise ValueError(f"a {geometry['type']} is no polygon")
    ring = tuple((float(point[0]), float(point[1])) for point in geometry["coordinates"][0])
    crop = said.get("crop")
    return Field(str(name)[:100], "", ring, None if crop is None else str(crop)[:20])


def _say(report: Report, as_json: bool) -> None:
    if as_json:
        said = asdict(report)
        said["left"] = [iso(day) for day in report.left]
        for each in (*said["used"], *said["skipped"]):
            each["day"] = None if each["day"] is None else iso(each["day"])
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        for line in _lines(report):
            click.echo(line)
    if report.stopped and report.stopped != "sat_budget_spent":
        click.echo(f"ghalla: {report.message}", err=True)
        keeper = report.stopped in {"sat_quota_full", "archive_full", "disk_full"}
        sys.exit(EXIT[KeeperError if keeper else PersonError])


def _lines(report: Report) -> list[str]:
    lines = [f"used     {iso(u.day)}  {u.scene}  {_fields(u.fields)}" for u in report.used]
    for each in report.skipped:
        when = "          " if each.day is None else iso(each.day)
        what = each.scene or each.detail
        lines.append(f"skipped  {when}  {what}  {each.reason}  {_fields(each.fields)}".rstrip())
    lines += [f"noted    {note}" for note in report.notes[:20]]
    why = Counter(each.reason for each in report.skipped)
    summary = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
    lines.append(
        f"{_size(report.bytes)} in {report.requests} requests: {report.windows} windows from "
        f"{len(report.used)} scenes; skipped: {summary or 'none'}"
    )
    if report.left:
        lines.append(f"left for next time: {len(report.left)} days, {_span(report.left)}")
    if report.stopped:
        lines.append(f"stopped: {report.message}")
    return lines


def _fields(count: int) -> str:
    return f"{count} field{'s' if count != 1 else ''}" if count else ""


def iso(day: int) -> str:
    """A day since 1970-01-01 as YYYY-MM-DD."""
    return date_of(day).isoformat()


def _span(days: Sequence[int]) -> str:
    return f"{iso(min(days))} to {iso(max(days))}"


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
