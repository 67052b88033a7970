"""What became of bundles on a node: shown to its keeper, told to the hub.

``home/bundles/reports.json`` holds the latest; ``told`` says which the hub has heard.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from field_data.clock import now
from field_data.files import exclusive, make_folder, write_atomic
from field_data.ids import new_id
from sync.slots import BUNDLES

INSTALLED, REFUSED, ROLLED_BACK, CONFIRMED = "installed", "refused", "rolled_back", "confirmed"
OUTCOMES = (INSTALLED, REFUSED, ROLLED_BACK, CONFIRMED)
_FILE = "reports.json"
_MOST = 200
_MOST_REASON = 300


@dataclass(frozen=True, slots=True)
class Report:
    """One outcome.  ``bundle``: SHA-256 of the signed words; empty where they were not readable."""

    id: str
    outcome: str
    kind: str
    name: str
    version: int
    bundle: str
    code: str
    reason: str
    at_s: float
    trust: str = "unknown"
    told: bool = False


class Reports:
    """The reports of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / BUNDLES

    def all(self) -> list[Report]:
        """Oldest first; none where the file is damaged, which loses no bundle."""
        try:
            return [Report(**each) for each in json.loads((self._folder / _FILE).read_bytes())]
        except (OSError, ValueError, TypeError, RecursionError):
            return []

    def add(
        self,
        outcome: str,
        kind: str,
        name: str,
        version: int,
        bundle: str,
        code: str = "",
        reason: str = "",
    ) -> Report:
        """Note an outcome, durably; one that is refused again and again is noted once."""
        at = now()
        report = Report(
            new_id(),
            outcome,
            kind,
            name,
            version,
            bundle,
            code,
            reason[:_MOST_REASON],
            at.utc_s,
            at.trust.value,
        )
        with self._changing():
            before = self.all()
            same = [old for old in before if _what(old) == _what(report)]
            if outcome == REFUSED and same:
                return same[-1]
            self._write([*before, report])
        return report

    def waiting(self) -> list[Report]:
        """Those that the hub has not heard."""
        return [each for each in self.all() if not each.told]

    def tell(self, ids: Collection[str]) -> None:
        """The hub has heard these."""
        with self._changing():
            self._write([replace(r, told=r.told or r.id in ids) for r in self.all()])

    def _changing(self) -> AbstractContextManager[None]:
        make_folder(self._folder)
        return exclusive(self._folder / f"{_FILE}.lock")

    def _write(self, reports: list[Report]) -> None:
        listed = [asdict(each) for each in reports[-_MOST:]]
        write_atomic(self._folder / _FILE, json.dumps(listed, ensure_ascii=False).encode())


def _what(report: Report) -> tuple[object, ...]:
    return (report.outcome, report.kind, report.name, report.version, report.bundle, report.code)
