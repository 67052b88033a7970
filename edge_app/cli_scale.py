"""``ghalla scenes scale``: a country's fields on many cores or a cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_app.cli_common import JSON, guarded
from edge_app.cli_packs import QUANTUM, sign_pack
from edge_app.cli_scenes import BANDS, DATE, bands_in, day_number, fields_in, last_day, scenes
from edge_app.cli_series import INDICES

if TYPE_CHECKING:
    from field_data.types import Field
    from sat_ingest.scale import Done


@scenes.command()
@click.option("--catalog", required=True, help="STAC API or static catalogue, as for pull.")
@click.option(
    "--fields",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="Polygons as GeoParquet (.parquet) or GeoJSON.",
)
@click.option("--since", type=DATE, required=True, help="First day, YYYY-MM-DD.")
@click.option("--until", type=DATE, help="Last day (default: today).")
@click.option("--bands", default=",".join(BANDS), show_default=True, help="Common names.")
@click.option("--index", type=click.Choice(INDICES), default="ndvi", help="Read seasons from it.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--scheduler", help="Address of a Dask cluster: tcp://host:8786.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 for threads.")
@click.option(
    "--group", type=click.IntRange(1), default=100, show_default=True, help="Fields a task."
)
@click.option("--packs", is_flag=True, help="Also write a window pack a group, in OUT/packs.")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sign the packs with this key (ghalla keys new).",
)
@QUANTUM
@JSON
def scale(
    catalog: str,
    path: Path,
    since: datetime,
    until: datetime | None,
    bands: str,
    index: str,
    out: Path,
    scheduler: str | None,
    workers: int,
    group: int,
    packs: bool,
    key: Path | None,
    quantum: int,
    as_json: bool,
) -> None:
    """Figures and seasons of many fields as GeoParquet in OUT/parts; goes on where it stopped.

    Needs: pip install 'ghalla[scale]'.  Workers of a cluster must see the folder OUT.
    """

    def action() -> None:
        from sat_ingest.pull import Wish
        from sat_ingest.scale import Job, need_extra, run
        from sync.keys import read_secret

        need_extra()
        secret = read_secret(key) if key else None
        wish = Wish(catalog, day_number(since), last_day(until), bands_in(bands))
        job = Job(wish, out.absolute(), index, quantum if packs else 0)
        fields = _fields(path)
        with _bar() as progress:
            done = run(
                job, fields, scheduler=scheduler, workers=workers, size=group, progress=progress
            )
        files = [file for each in done if (file := job.pack_of(each.group)).is_file()]
        if secret:
            for file in files:
                sign_pack(file, secret)
        _say(done, len(files) if packs else 0, out, as_json)

    if key and not packs:
        raise click.UsageError("--key signs packs: say --packs")
    guarded(as_json, action)


def _fields(path: Path) -> list[Field]:
    if path.suffix.lower() == ".parquet":
        from sat_ingest.scale_tables import parquet_fields

        return parquet_fields(path)
    return fields_in(path)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    with tqdm(unit="group", delay=2, disable=not sys.stderr.isatty(), file=sys.stderr) as bar:

        def show(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        yield show


def _say(done: Sequence[Done], packs: int, out: Path, as_json: bool) -> None:
    total = {
        "groups": len(done),
        "already_done": sum(each.again for each in done),
        "fields": sum(each.fields for each in done),
        "days": sum(each.days for each in done),
        "bytes": sum(each.bytes for each in done),
        "packs": packs,
    }
    if as_json:
        click.echo(json.dumps(total))
    else:
        told = f", {packs} packs" if packs else ""
        click.echo(f"{total['fields']} fields in {total['groups']} groups{told}; results in {out}")
