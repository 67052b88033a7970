"""``ghalla scenes scale``: a country's fields on many cores or a cluster."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from edge_app.cli_common import JSON, guarded
from edge_app.cli_scenes import BANDS, DATE, bands_in, day_number, fields_in, last_day, scenes
from edge_app.cli_series import INDICES


@scenes.command()
@click.option("--catalog", required=True, help="STAC API or static catalogue, as for pull.")
@click.option(
    "--fields",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="GeoJSON with polygons.",
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
    as_json: bool,
) -> None:
    """Figures and seasons of many fields as GeoParquet in OUT/parts; goes on where it stopped.

    Needs: pip install 'ghalla[scale]'.  Workers of a cluster must see the folder OUT.
    """

    def action() -> None:
        from tqdm import tqdm

        from sat_ingest.pull import Wish
        from sat_ingest.scale import Job, run

        wish = Wish(catalog, day_number(since), last_day(until), bands_in(bands))
        bar = tqdm(unit="group", delay=2, disable=not sys.stderr.isatty(), file=sys.stderr)

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        with bar:
            done = run(
                Job(wish, out.absolute(), index),
                fields_in(path),
                scheduler=scheduler,
                workers=workers,
                size=group,
                progress=progress,
            )
        total = {
            "groups": len(done),
            "already_done": sum(each.again for each in done),
            "fields": sum(each.fields for each in done),
            "days": sum(each.days for each in done),
            "bytes": sum(each.bytes for each in done),
        }
        if as_json:
            click.echo(json.dumps(total))
        else:
            click.echo(f"{total['fields']} fields in {total['groups']} groups; results in {out}")

    guarded(as_json, action)
