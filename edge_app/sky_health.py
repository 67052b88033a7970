"""How what the node keeps of the sky is: how old, how large, whether it can be read."""

from __future__ import annotations

from pathlib import Path

from edge_app.seam import Part
from edge_app.settings import MB, Settings
from edge_app.sky import today
from field_data.clock import now, plausible
from field_data.days import date_of
from field_data.errors import GhallaError
from sat_ingest.archive import ARCHIVE, Archive, ArchiveStatus
from sat_ingest.tile_cache import CACHE

# Clouds may hide fields for a month; after two nobody is bringing pictures any more.
OLD_DAYS = 60


def satellite_part(home: Path, settings: Settings, *, whole: bool = False) -> Part:
    """The pictures of the fields; with ``whole`` the whole file is read, not only its head.

    A node without any is sound: it may have no fields.  Drawn tiles need no care: a damaged cache
    of them begins anew.
    """
    if not (home / ARCHIVE).is_file():
        return Part("satellite", True, "no_scenes", "no picture yet: ghalla scenes pull, or import")
    try:
        with Archive(home / ARCHIVE, settings.sat_archive_mb * MB) as archive:
            if whole:
                archive.check()
            status = archive.status()
    except GhallaError as error:
        detail = f"{error}; set {home / ARCHIVE} aside and bring the scenes again"
        return Part("satellite", False, error.code, detail)
    detail = f"{_age(status)}; {status.windows} windows, {_sizes(home, status, settings)}"
    if _is_old(status):
        return Part("satellite", False, "pictures_old", detail)
    return Part("satellite", True, "ok", detail)


def _age(status: ArchiveStatus) -> str:
    if status.last_day is None:
        return "no picture yet"
    return f"newest picture {date_of(status.last_day)}, {today() - status.last_day} days old"


def _is_old(status: ArchiveStatus) -> bool:
    """Not judged while the clock says what cannot be."""
    if status.last_day is None or not plausible(now()):
        return False
    return today() - status.last_day > OLD_DAYS


def _sizes(home: Path, status: ArchiveStatus, settings: Settings) -> str:
    tiles = home / CACHE
    drawn = tiles.stat().st_size if tiles.is_file() else 0
    return (
        f"{status.bytes / MB:.1f} of {settings.sat_archive_mb} MB; "
        f"map tiles {drawn / MB:.1f} of {settings.sat_tiles_mb} MB"
    )
