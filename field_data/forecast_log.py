"""Every yield forecast that a node made, kept beside its events so that it can be scored later.

Rows are added, never changed: the same inputs give the same row, whoever asks and however often.
They belong to their field and go with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from tinydb import where

from field_data.document_store import DocumentStore
from field_data.types import Driver, Evidence, Instant, LevelSource, ModelRef, Trust, YieldForecast

TABLE = "yield_forecasts"


@dataclass(frozen=True, slots=True)
class Kept:
    """A forecast, the SHA-256 of all that it was worked out from, and when that first happened."""

    inputs: str
    made: Instant
    forecast: YieldForecast


class ForecastLog:
    """The forecasts of the node whose records are in ``store``."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._rows = store.table(TABLE)
        for key in ("inputs", "field"):
            store.index(TABLE, key)

    def keep(self, inputs: str, made: Instant, forecast: YieldForecast) -> None:
        """Keep a forecast once; durable when this returns.

        Raises:
            KeeperError: ``disk_full``, or the store's own.
        """
        if self._rows.contains(where("inputs") == inputs):
            return
        with self._store.transaction():
            if not self._rows.contains(where("inputs") == inputs):
                self._rows.insert(_row(Kept(inputs, made, forecast)))

    @property
    def changes(self) -> tuple[int, int]:
        """Another value after every forecast that is kept or erased."""
        return self._rows.last_id(), len(self._rows)

    def of(self, field: str) -> list[Kept]:
        """The forecasts of a field in the order of their making."""
        return [_kept(row) for row in self._rows.search(where("field") == field)]

    def all(self) -> list[Kept]:
        """All forecasts in the order of their making."""
        return [_kept(row) for row in self._rows.all()]

    def forget(self, ids: Sequence[str]) -> None:
        """Erase the forecasts of these fields; ids of other things do no harm."""
        gone = set(ids)
        if any(self._rows.contains(where("field") == id) for id in gone):
            with self._store.erasing():
                self._rows.remove(_among(gone))


def _among(ids: Collection[str]) -> Any:
    return where("field").one_of(list(ids))


def _row(kept: Kept) -> dict[str, Any]:
    """As JSON keeps it: dates in text."""
    said = asdict(kept.forecast)
    said["as_of"] = kept.forecast.as_of.isoformat()
    field, made = kept.forecast.field, asdict(kept.made)
    return {"inputs": kept.inputs, "field": field, "made": made, "forecast": said}


def _kept(row: Mapping[str, Any]) -> Kept:
    said = dict(row["forecast"])
    said |= {
        "as_of": date.fromisoformat(said["as_of"]),
        "level_source": LevelSource(said["level_source"]),
        "evidence": Evidence(**said["evidence"]),
        "drivers": tuple(Driver(**each) for each in said["drivers"]),
        "model": ModelRef(**said["model"]),
    }
    made = Instant(row["made"]["utc_s"], Trust(row["made"]["trust"]))
    return Kept(row["inputs"], made, YieldForecast(**said))
