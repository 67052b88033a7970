"""The node's settings: one dataclass, read from ``settings.toml`` and the environment.

``GHALLA_<NAME>`` in the environment wins over the file.  Unknown keys are refused, so that a typing
mistake is seen at once.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from field_data.errors import KeeperError, PublisherError
from field_data.review_queue import Shares
from sync.slots import BUNDLES, Slots

PREFIX = "GHALLA_"
FILE = "settings.toml"
MB = 1_000_000
# What a bundle may set: nothing that opens a door, forgets or shows anything.
FROM_AFAR = frozenset(
    {"sat_weekly_mb", "sat_tiles_mb", "review_sample_percent", "review_second_percent"}
)
# Variables that are no settings of the node.
_OTHERS = frozenset({"GHALLA_DATA", "GHALLA_HOME"})
_HUBS = "GHALLA_HUB_"
_HOUR = r"([01]\d|2[0-3]):[0-5]\d"
_HOURS = re.compile(rf"({_HOUR}-{_HOUR})?", re.ASCII)


def _setting(default: int | str, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; :func:`documented` prints them."""

    host: str = _setting(
        "127.0.0.1", "Address to listen on; :: for all phones on the Wi-Fi, 0.0.0.0 for IPv4 alone."
    )
    port: int = _setting(8080, "TCP port of the farmer pages.")
    https_port: int = _setting(0, "TCP port for agents' tablets over https; 0 for none.")
    workers: int = _setting(2, "Diagnoses computed at the same time; more need more memory.")
    queue: int = _setting(30, "Diagnoses that may wait; the next one is told to come back.")
    min_free_mb: int = _setting(200, "Below this free space the health page warns, in megabytes.")
    photo_quota_mb: int = _setting(8000, "Photos kept, in megabytes; 0 for as many as fit.")
    memory_mb: int = _setting(
        0, "Memory that the node may count on, in megabytes; 0: what the machine says."
    )
    teach_pin: str = _setting("", "PIN of the page /teach, 6 characters or more; without, no page.")
    box_root: str = _setting(
        "", "On a box: root of its system, /. The portal and the first-run pages work then."
    )
    tablet_url: str = _setting("", "Address in the QR code of a tablet; empty: as the page's own.")
    keep_answers_days: int = _setting(0, "Answers and photos go after so many days; 0: never.")
    keep_observation_photos_days: int = _setting(
        0, "Photos of agents' records go after so many days, sent or not; 0: never."
    )
    keep_audit_days: int = _setting(0, "Entries of the audit log go after so many days; 0: never.")

    hub_every_minutes: int = _setting(
        60, "The node sends to its hub after so many minutes; 0: only when somebody says so."
    )
    hub_hours: str = _setting(
        "", "Hours of the day in which it sends by itself, as 22:00-06:00; empty: always."
    )
    hub_monthly_mb: int = _setting(
        0, "Data that it sends and receives by itself in a month, in megabytes; 0: no limit."
    )

    sat_weekly_mb: int = _setting(
        20, "Satellite scenes fetched in a week at most, in megabytes; 0 for no limit."
    )
    sat_cache_mb: int = _setting(500, "Disk that parts of satellite scenes may take, in megabytes.")
    sat_archive_mb: int = _setting(
        2000, "Disk that the fields' own pixels may take, in megabytes; the oldest give way."
    )
    sat_tiles_mb: int = _setting(
        200, "Disk that drawn map tiles may take, in megabytes; they are drawn again when asked."
    )
    weather_source: str = _setting(
        "", "Where weather is fetched from once a day: open-meteo or a TOML file; empty: nowhere."
    )
    weather_monthly_mb: int = _setting(
        10, "Weather fetched by itself in a month at most, in megabytes; 0: no limit."
    )
    weather_max_km: int = _setting(
        25, "A place further from a field says nothing of its weather, in kilometres."
    )
    review_sample_percent: int = _setting(5, "Share of all answers that people check at random.")
    review_second_percent: int = _setting(20, "Share of reviews that a second person makes again.")

    def __post_init__(self) -> None:
        days = (self.keep_answers_days, self.keep_observation_photos_days, self.keep_audit_days)
        wrong = {
            "keep_…_days must not be negative": min(days) < 0,
            "tablet_url must begin with http:// or https://": not self.tablet_url.startswith(
                ("https://", "http://")
            )
            and self.tablet_url != "",
            "port must be 0 to 65535": not 0 <= self.port <= 65535,
            "https_port must be 0 to 65535": not 0 <= self.https_port <= 65535,
            "workers must be 1 to 16": not 1 <= self.workers <= 16,
            "queue must be 0 to 500": not 0 <= self.queue <= 500,
            "min_free_mb must not be negative": self.min_free_mb < 0,
            "memory_mb must not be negative": self.memory_mb < 0,
            "hub_every_minutes must not be negative": self.hub_every_minutes < 0,
            "hub_monthly_mb must not be negative": self.hub_monthly_mb < 0,
            "hub_hours must be like 22:00-06:00": not _HOURS.fullmatch(self.hub_hours),
            "sat_weekly_mb must not be negative": self.sat_weekly_mb < 0,
            "sat_cache_mb must be 10 or more": self.sat_cache_mb < 10,
            "sat_archive_mb must be 10 or more": self.sat_archive_mb < 10,
            "sat_tiles_mb must be 1 or more": self.sat_tiles_mb < 1,
            "weather_monthly_mb must not be negative": self.weather_monthly_mb < 0,
            "weather_max_km must be 1 to 200": not 1 <= self.weather_max_km <= 200,
            "photo_quota_mb must not be negative": self.photo_quota_mb < 0,
            "review_sample_percent must be 0 to 100": not 0 <= self.review_sample_percent <= 100,
            "review_second_percent must be 0 to 100": not 0 <= self.review_second_percent <= 100,
            "teach_pin must have 6 characters or more": 0 < len(self.teach_pin) < 6,
        }
        for problem, found in wrong.items():
            if found:
                raise KeeperError("bad_settings", problem)

    @property
    def shares(self) -> Shares:
        """What is reviewed at random, and twice."""
        return Shares(self.review_sample_percent / 100, self.review_second_percent / 100)


def _value(name: str, raw: object, where: str) -> int | str:
    wanted = type(next(f.default for f in fields(Settings) if f.name == name))
    try:
        value = int(raw) if wanted is int and isinstance(raw, str) else raw
    except ValueError:
        value = raw
    if type(value) is not wanted:
        raise KeeperError("bad_settings", f"{where}: {name} must be {wanted.__name__}, not {raw!r}")
    return value  # type: ignore[return-value]


def read_settings(home: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings of a home folder; defaults where nothing is said.

    Raises:
        KeeperError: ``bad_settings``, naming the file or variable and the key.
    """
    given: dict[str, tuple[Any, str]] = {}
    for path in (*_bundled(home), home / FILE):
        if path.is_file():
            given |= {key: (value, str(path)) for key, value in _read(path).items()}
    for key, value in environ.items():
        if key.startswith(PREFIX) and key not in _OTHERS and not key.startswith(_HUBS):
            given[key.removeprefix(PREFIX).lower()] = (value, key)
    known = {f.name for f in fields(Settings)}
    for name, (_, where) in given.items():
        if name not in known:
            raise KeeperError("bad_settings", f"{where}: unknown setting {name!r}")
    return Settings(**{name: _value(name, *said) for name, said in given.items()})  # type: ignore[arg-type]


def check_bundled(path: Path) -> None:
    """Whether a bundle may set what it sets: few keys, and values that the node can work with.

    Raises:
        PublisherError: ``bad_settings`` or ``setting_not_allowed``.
    """
    try:
        said = _read(path)
        if not said.keys() <= FROM_AFAR:
            wrong = ", ".join(sorted(said.keys() - FROM_AFAR))
            raise PublisherError("setting_not_allowed", f"no bundle may set {wrong[:200]}")
        Settings(**{name: _value(name, value, str(path)) for name, value in said.items()})  # type: ignore[arg-type]
    except (KeeperError, OSError, RecursionError) as error:
        raise PublisherError("bad_settings", str(error)) from error


def _bundled(home: Path) -> list[Path]:
    """What bundles set; the home's own file and the environment win over it.

    What another version of the software let in and this one does not is left out: nothing that
    came from afar keeps a node from starting.
    """
    if not (home / BUNDLES).is_dir():
        return []
    return [path for each in Slots(home).in_use("settings") if _allowed(path := each / FILE)]


def _allowed(path: Path) -> bool:
    try:
        check_bundled(path)
    except PublisherError:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeeperError("bad_settings", f"{path}: {error}") from error


def documented() -> str:
    """A ``settings.toml`` with every setting, its meaning and its default, commented out."""
    lines = ["# Settings of this Ghalla node. Remove the # of a line to change it.\n"]
    for each in fields(Settings):
        default = f'"{each.default}"' if isinstance(each.default, str) else each.default
        lines.append(f"# {each.metadata['doc']}\n# {each.name} = {default}\n")
    return "\n".join(lines)
