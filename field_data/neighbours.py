"""Where fields lie: each is noted in the cells of 0.02° that it touches, each farm has a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.geometry import Ring, bounds
from field_data.types import Field

CELLS, BOXES = "land_cells", "land_boxes"
# About 2 km; a field is at most 10 km across and so in at most some 36 cells.
_A_DEGREE = 50

# West, south, east, north in degrees.
Box = Sequence[float]


class Neighbours:
    """The cells of all fields and the boxes of all farms, in ``store``."""

    def __init__(self, store: DocumentStore) -> None:
        self._cells = store.table(CELLS)
        self._boxes = store.table(BOXES)
        for key in ("cell", "field", "farm"):
            store.index(CELLS, key)
        store.index(BOXES, "farm")

    def put(self, field: Field) -> None:
        """Note where a field is now; one that is retired is nowhere."""
        before = self._cells.search(where("field") == field.id)
        self._cells.remove(doc_ids=[row.doc_id for row in before])
        for farm in {row["farm"] for row in before}:
            self._boxes.remove(where("farm") == farm)
        if field.retired:
            return
        box = list(bounds(field.boundary))
        row = {"field": field.id, "farm": field.farm, "box": box}
        self._cells.insert_multiple({**row, "cell": cell} for cell in _cells(box))
        known = self._boxes.get(where("farm") == field.farm)
        if known is not None:
            self._boxes.update({"box": _around(known["box"], box)}, doc_ids=[known.doc_id])

    def clear(self) -> None:
        """Forget all."""
        self._cells.truncate()
        self._boxes.truncate()

    def near(self, ring: Ring) -> list[str]:
        """Ids of the fields whose box of degrees meets that of a ring."""
        west, south, east, north = box = bounds(ring)
        found = {}
        for cell in _cells(box):
            for row in self._cells.search(where("cell") == cell):
                w, s, e, n = row["box"]
                if w < east and west < e and s < north and south < n:
                    found[row["field"]] = True
        return list(found)

    def farm_box(self, farm: str) -> Box | None:
        """The box around a farm's fields, None when it has none.

        Kept while fields are added; after one was moved or retired it is taken anew.
        """
        known = self._boxes.get(where("farm") == farm)
        if known is not None:
            return list(known["box"])
        boxes = [row["box"] for row in self._cells.search(where("farm") == farm)]
        if not boxes:
            return None
        box: Box = reduce(_around, boxes)
        self._boxes.insert({"farm": farm, "box": box})
        return box


def _around(a: Box, b: Box) -> list[float]:
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def _cells(box: Box) -> list[str]:
    west, south, east, north = (math.floor(degrees * _A_DEGREE) for degrees in box)
    return [f"{x},{y}" for x in range(west, east + 1) for y in range(south, north + 1)]
