"""``ghalla scenes status`` and ``ghalla scenes tiles``: what is kept of the sky, and a way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from edge_app.cli_scenes import scenes
from field_data.days import date_of
from field_data.errors import PersonError


@scenes.command()
@HOME
@JSON
def status(home: Path, as_json: bool) -> None:
    """What is kept: fields, windows, how old the newest is, how much room it takes."""

    def action() -> None:
        told = _status(home)
        if as_json:
            click.echo(json.dumps(told))
            return
        for name, value in told.items():
            click.echo(f"{name.replace('_', ' '):22} {'none' if value is None else value}")

    guarded(as_json, action)


def _status(home: Path) -> dict[str, Any]:
    from edge_app.health import store_of
    from edge_app.settings import MB, read_settings
    from sat_ingest.archive import ARCHIVE
    from sat_ingest.pull import SCENES

    if not (home / ARCHIVE).is_file():
        store_of(home)  # says so when this is no home
    settings = read_settings(home)
    return {
        **_windows(home / ARCHIVE, settings.sat_archive_mb * MB),
        **_tiles(home, settings.sat_tiles_mb * MB),
        "scene_blocks_bytes": sum(  # sparse files: what the disk holds, not their length
            path.stat().st_blocks * 512 for path in (home / SCENES).rglob("*") if path.is_file()
        ),
        "scene_blocks_quota_bytes": settings.sat_cache_mb * MB,
    }


def _windows(path: Path, quota: int) -> dict[str, Any]:
    from field_data.clock import now
    from sat_ingest.archive import Archive

    if not path.is_file():
        return {"fields": 0, "windows": 0, "newest": None, "age_days": None}
    with Archive(path, quota) as archive:
        kept = archive.status()
    newest = kept.last_day
    return {
        "fields": kept.fields,
        "windows": kept.windows,
        "figures": kept.figures,
        "oldest": _iso(kept.first_day),
        "newest": _iso(newest),
        "age_days": None if newest is None else int(now().utc_s // 86_400) - newest,
        "windows_bytes": kept.bytes,
        "windows_quota_bytes": kept.quota_bytes,
        "archive_file_bytes": kept.file_bytes,
    }


def _tiles(home: Path, quota: int) -> dict[str, Any]:
    from sat_ingest.tile_cache import CACHE, TileCache

    if not (home / CACHE).is_file():
        return {"tile_layers": 0, "tiles_bytes": 0, "tiles_quota_bytes": quota}
    with TileCache(home / CACHE, quota) as cache:
        layers, size = len(cache.layers()), cache.size_bytes()
    return {"tile_layers": layers, "tiles_bytes": size, "tiles_quota_bytes": quota}


def _iso(day: int | None) -> str | None:
    return None if day is None else date_of(day).isoformat()


@scenes.command()
@HOME
@click.option("--index", default="ndvi", show_default=True, help="Which map.")
@click.option("--day", required=True, help="YYYY-MM-DD, or two with .. between for the change.")
@click.option("--zoom", default="10-16", show_default=True, help="Zoom levels, first-last.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@JSON
def tiles(home: Path, index: str, day: str, zoom: str, out: Path, as_json: bool) -> None:
    """Draw the map of a day and write it as an MBTiles file for other programs."""

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.sky import View
        from sat_ingest.tile_cache import CACHE, TileCache

        first, last = _zooms(zoom)
        view = View.named(index, day)
        with open_ground(home) as ground:
            try:
                ground.sky.draw_all(view, range(first, last + 1))
            finally:
                ground.sky.close()
        with TileCache(home / CACHE) as cache:
            count = cache.export(view.name, out)
        told = {"layer": view.name, "tiles": count, "file": str(out)}
        click.echo(json.dumps(told) if as_json else f"{count} tiles of {view.name} in {out}")

    guarded(as_json, action)


def _zooms(text: str) -> tuple[int, int]:
    from sat_ingest.mercator import MAX_ZOOM

    try:
        first, _, last = text.partition("-")
        found = int(first), int(last or first)
    except ValueError:
        found = (1, 0)
    if not 0 <= found[0] <= found[1] <= MAX_ZOOM:
        raise PersonError("bad_zoom", f"{text!r} are no zoom levels from 0 to {MAX_ZOOM}")
    return found
