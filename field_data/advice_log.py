"""Every advice that a node gave for a season, kept with what was known then.

The same thing said again is the same row, however often the page is opened; what is said otherwise
is another row.  Rows are added and in time dropped, never changed.  They belong to their field and
go with it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.season_advice import AdviceItem, Confidence, Source, Topic, Urgency
from field_data.types import Instant, Trust

TABLE = "season_advice"
# Three seasons are enough to judge advice by.
KEPT_DAYS = 3 * 366
_AMOUNTS = ("amount", "low", "high")


@dataclass(frozen=True, slots=True)
class KeptAdvice:
    """``id`` names what was said, ``inputs`` is the SHA-256 of all that it was worked out from.

    ``day`` counts from 1970-01-01: when it was first said, by the calendar; ``made`` by the clock.
    """

    id: str
    inputs: str
    day: int
    made: Instant
    item: AdviceItem


class AdviceLog:
    """The advice of the node whose records are in ``store``."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._rows = store.table(TABLE)
        for key in ("id", "field", "day"):
            store.index(TABLE, key)

    def keep(self, items: Iterable[AdviceItem], day: int, made: Instant) -> None:
        """Keep what is new among these in one step; durable when this returns.

        Raises:
            KeeperError: ``disk_full``, or the store's own.
        """
        new = {name_of(each): each for each in items}
        for id in [id for id in new if self._rows.contains(where("id") == id)]:
            del new[id]
        if new:
            with self._store.transaction():
                self._rows.insert_multiple(
                    _row(KeptAdvice(id, inputs_of(item), day, made, item))
                    for id, item in new.items()
                    if not self._rows.contains(where("id") == id)
                )

    @property
    def changes(self) -> tuple[int, int]:
        """Another value after every advice that is kept or erased."""
        return self._rows.last_id(), len(self._rows)

    def get(self, id: str) -> KeptAdvice | None:
        """The advice of that id."""
        row = self._rows.get(where("id") == id)
        return None if row is None else _kept(row)

    def of(self, field: str) -> list[KeptAdvice]:
        """The advice for a field in the order of its making."""
        return [_kept(row) for row in self._rows.search(where("field") == field)]

    def tidy(self, today: int) -> None:
        """Drop what is older than `KEPT_DAYS`."""
        if self._rows.contains(where("day") < today - KEPT_DAYS):
            with self._store.transaction():
                self._rows.remove(where("day") < today - KEPT_DAYS)

    def forget(self, ids: Sequence[str]) -> None:
        """Erase the advice for these fields; ids of other things do no harm."""
        gone = set(ids)
        if any(self._rows.contains(where("field") == id) for id in gone):
            with self._store.erasing():
                self._rows.remove(_among(gone))


def name_of(item: AdviceItem) -> str:
    """16 hex digits for what an item says: to which field, what, when and how much."""
    amount = None if math.isnan(item.amount) else round(item.amount)
    said = [item.field, item.code, item.pest, item.first_day, item.last_day, amount, item.unit]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def inputs_of(item: AdviceItem) -> str:
    """SHA-256 in hex of an item with its figures, evidence and source."""
    return hashlib.sha256(json.dumps(plain(item), sort_keys=True).encode()).hexdigest()


def plain(item: AdviceItem) -> dict[str, Any]:
    """The item as JSON keeps it: what is not known is None."""
    said = asdict(item) | {"facts": _known(item.facts), "evidence": _known(item.evidence)}
    return said | {key: _number(said[key]) for key in _AMOUNTS}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _number(value) for key, value in values.items()}


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _among(ids: Collection[str]) -> Any:
    return where("field").one_of(list(ids))


def _row(kept: KeptAdvice) -> dict[str, Any]:
    return {
        "id": kept.id,
        "inputs": kept.inputs,
        "field": kept.item.field,
        "day": kept.day,
        "made": asdict(kept.made),
        "item": plain(kept.item),
    }


def _kept(row: Mapping[str, Any]) -> KeptAdvice:
    said = dict(row["item"])
    said |= {key: math.nan if said[key] is None else said[key] for key in _AMOUNTS}
    said |= {
        "topic": Topic(said["topic"]),
        "urgency": Urgency(said["urgency"]),
        "confidence": Confidence(said["confidence"]),
        "source": Source(**said["source"]),
    }
    made = Instant(row["made"]["utc_s"], Trust(row["made"]["trust"]))
    return KeptAdvice(row["id"], row["inputs"], row["day"], made, AdviceItem(**said))
