"""The life of one model on one node: which version speaks, on trial or not, and which were refused.

Pure: every step takes a :class:`Life` and gives the next.  A try (a start of the node, the first
answer) is written down before it is made and struck out when it succeeded; so a try during which
the process died still counts, and after three the version is switched off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from field_data.errors import KeeperError
from models.manifest import is_name, is_version

BUILTIN = "builtin"
MAX_TRIES = 3
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a version stays off: a stable ``code`` and an English ``reason``."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """Where one model stands.  Versions are ``builtin`` (shipped with the software) or ``1.2.0``.

    active: the version that speaks; previous: the last one that was confirmed before it.
    confirmed: it has answered a photo.  starts, answers: tries under way that have not succeeded.
    refused: versions that failed here; fallen: the one that was switched off by itself, until the
    keeper activates another.
    """

    active: str = BUILTIN
    previous: str | None = None
    confirmed: bool = True
    starts: int = 0
    answers: int = 0
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    fallen: str | None = None


def activated(life: Life, version: str) -> Life:
    """``version`` speaks from now on, on trial; activating the active one clears ``fallen``."""
    refused = {v: why for v, why in life.refused.items() if v != version}
    if version == life.active:
        return replace(life, refused=refused, fallen=None)
    previous = life.active if life.confirmed else life.previous
    return Life(version, previous if previous != version else None, version == BUILTIN,
                refused=refused)  # fmt: skip


def rolled_back(life: Life) -> Life:
    """The previous version speaks again, without a trial; the builtin one where there is none."""
    return Life(life.previous or BUILTIN, refused=life.refused)


def refused(life: Life, version: str, why: Refusal) -> Life:
    """``version`` stays off; if it was speaking, the previous one does again."""
    life = replace(life, refused={**life.refused, version: why})
    if life.active != version or version == BUILTIN:
        return life
    return replace(rolled_back(life), fallen=version)


def next_start(life: Life) -> Life:
    """Before the active version is loaded: a try is counted, or was the last one in vain."""
    if life.active == BUILTIN:
        return life
    for tries, what in ((life.starts, "start"), (life.answers, "answer")):
        if tries >= MAX_TRIES:
            reason = f"the node died {tries} times when it was to {what}"
            return next_start(refused(life, life.active, Refusal("model_crashed", reason)))
    return replace(life, starts=life.starts + 1)


def started(life: Life, version: str) -> Life:
    """``version`` was loaded and has answered its golden samples."""
    return replace(life, starts=0) if life.active == version else life


def next_answer(life: Life, version: str) -> Life:
    """Before the first photo of a person."""
    return replace(life, answers=life.answers + 1) if life.active == version else life


def spared(life: Life, version: str) -> Life:
    """The photo could not be read, so the model was not asked."""
    return replace(life, answers=max(0, life.answers - 1)) if life.active == version else life


def answered(life: Life, version: str) -> Life:
    """``version`` has answered a person's photo: the trial is over."""
    return replace(life, confirmed=True, answers=0) if life.active == version else life


def to_json(lives: Mapping[str, Life]) -> bytes:
    """The state file of a node: every model by name."""
    models = {name: asdict(life) for name, life in sorted(lives.items())}
    return json.dumps({"schema": _SCHEMA, "models": models}, indent=1).encode() + b"\n"


def _is_spoken(version: Any) -> bool:
    return version == BUILTIN or (isinstance(version, str) and is_version(version))


def _life(raw: dict[str, Any]) -> Life:
    refusals = {version: Refusal(**why) for version, why in raw["refused"].items()}
    life = Life(**{**raw, "refused": refusals})
    versions = (life.active, *(v for v in (life.previous, life.fallen) if v is not None), *refusals)
    counts = (life.starts, life.answers)
    if not all(map(_is_spoken, versions)) or not all(type(n) is int and n >= 0 for n in counts):
        raise ValueError("a version or a count is none")
    return life


def from_json(data: bytes) -> dict[str, Life]:
    """What :func:`to_json` wrote.

    Raises:
        KeeperError: ``model_state_damaged``.
    """
    try:
        raw = json.loads(data)
        if raw["schema"] != _SCHEMA:
            raise ValueError(f"schema {raw['schema']}")
        return {name: _life(each) for name, each in raw["models"].items() if is_name(name)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KeeperError(
            "model_state_damaged", f"not the state of the models: {error!r}"
        ) from error
