"""Figures of a field: a few numbers a day drawn from its windows, kept when those are given up."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from field_data.errors import KeeperError, PersonError
from field_data.types import Field
from sat_ingest.archive import Archive, outline_key
from sat_ingest.cube import Cube, cube_of
from sat_ingest.grid import field_grid
from sat_ingest.zonal import Weights, field_weights, zonal, zonal_mean

# Half a pixel: where the neighbour's crop, the track and the error of position shine in most.
INSET_M = 5.0
# The order in the file; a change of it is a new _FORMAT.
INDICES = ("ndvi", "evi2", "ndre", "ndmi", "ndwi", "msavi")
STATISTICS = ("mean", "std", "p10", "p50", "p90")
_FORMAT = 1
_ROW = struct.Struct(f"<B2f{len(INDICES) * (1 + len(STATISTICS))}f")
# A year of pictures of a large field would not fit the memory of a node.
_DAYS_AT_ONCE = 24


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Of one field, by day: ``days`` int32 [n] since 1970-01-01; ``usable`` and ``snow`` float32
    [n], shares of its area; ``valid`` float32 [n, index] the share with a value; ``table`` float32
    [n, index, statistic] in the order of `INDICES` and `STATISTICS`, NaN where nothing was seen."""

    days: NDArray[np.int32]
    usable: NDArray[np.float32]
    snow: NDArray[np.float32]
    valid: NDArray[np.float32]
    table: NDArray[np.float32]


def draw(archive: Archive, field: Field) -> int:
    """Draw what is due of a field from its windows and keep it; how many days that was.

    Windows on another grid were cut for a boundary that is corrected since: nothing is drawn.

    Raises:
        KeeperError: the archive's.
    """
    key, drawn = _key(field), 0
    due = archive.undrawn(field.id, key) if _fits(archive, field) else []
    for start in range(0, len(due), _DAYS_AT_ONCE):
        days = due[start : start + _DAYS_AT_ONCE]
        kept = archive.windows(field.id, days[0], days[-1])
        cube = cube_of(window for window in kept if window.day in days)
        if cube is not None:
            weights = field_weights(field.boundary, cube.grid, INSET_M)
            archive.put_figures(field.id, key, list(_rows(cube, weights)))
            drawn += len(cube.days)
    return drawn


def _fits(archive: Archive, field: Field) -> bool:
    grid = archive.grid(field.id)
    try:
        return grid is not None and grid == field_grid(field.boundary)
    except PersonError:  # corrected to one that is too large
        return False


def read(archive: Archive, field: Field) -> Figures:
    """All figures of a field inside its present boundary, days that clouds hid among them.

    Raises:
        KeeperError: ``archive_damaged``, or the archive's.
    """
    rows = archive.figures(field.id, _key(field))
    try:
        numbers = [_ROW.unpack(data) for _, data in rows]
    except struct.error as error:
        raise KeeperError("archive_damaged", f"{archive.path}: {field.id}: {error}") from error
    if any(row[0] != _FORMAT for row in numbers):
        raise KeeperError("archive_newer", f"{archive.path} was written by a newer Ghalla")
    indices = len(INDICES)
    columns = 3 + indices * (1 + len(STATISTICS))
    known = [day for day, _ in rows]
    hidden = sorted(set(archive.hidden(field.id, outline_key(field.boundary))) - set(known))
    nothing = [(_FORMAT, *[0.0] * (2 + indices), *[np.nan] * (columns - 3 - indices))]
    days = np.array(known + hidden, np.int32)
    table = np.array(numbers + nothing * len(hidden), np.float32).reshape(len(days), columns)[:, 1:]
    order = np.argsort(days)
    days, table = days[order], table[order]
    return Figures(
        days=days,
        usable=table[:, 0],
        snow=table[:, 1],
        valid=table[:, 2 : 2 + indices],
        table=table[:, 2 + indices :].reshape(len(days), indices, len(STATISTICS)),
    )


def _key(field: Field) -> str:
    """Figures belong to a boundary and to how it is used here."""
    return f"{outline_key(field.boundary)}-{INSET_M:g}-{_FORMAT}"


def _rows(cube: Cube, weights: Weights) -> Iterator[tuple[int, bytes]]:
    usable, snow = (_share(mask, weights) for mask in (cube.mask.usable, cube.mask.snow))
    found = [zonal(cube.index(name), weights) for name in INDICES]
    for i, day in enumerate(cube.days):
        valid = [float(each.valid[i]) for each in found]
        table = [(e.mean[i], e.std[i], *e.quantiles[i]) for e in found]
        numbers: Sequence[float] = [usable[i], snow[i], *valid, *(n for row in table for n in row)]
        yield int(day), _ROW.pack(_FORMAT, *map(float, numbers))


def _share(mask: NDArray[np.bool_], weights: Weights) -> NDArray[np.float32]:
    """Share of the field's area under a mask, of each day."""
    share: NDArray[np.float32] = zonal_mean(mask.astype(np.float32), weights)[0]
    return share
