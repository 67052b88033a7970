"""What the tables of crops and soils say, read strictly: a row without its source is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from field_data.errors import PublisherError

_HERE = Path(__file__).parent


@cache
def table(name: str) -> Mapping[str, Any]:
    """A table that comes with Ghalla.

    Raises:
        PublisherError: ``bad_water_table`` when it is no TOML or names no source.
    """
    return read_table((_HERE / name).read_text(encoding="utf-8"), name)


def read_table(text: str, name: str) -> Mapping[str, Any]:
    """The table in a text; errors as `table`."""
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise bad_table(name, str(error)) from error
    source = read.get("source")
    if not isinstance(source, Mapping) or not source.get("text") or not source.get("url"):
        raise bad_table(name, "names no source")
    return read


def bad_table(name: str, why: str) -> PublisherError:
    """The error of a table that cannot be used."""
    return PublisherError("bad_water_table", f"{name}: {why}")


def number(row: Mapping[str, Any], key: str, low: float, high: float, where: str) -> float:
    """A number of a row, inside its range.

    Raises:
        PublisherError: ``bad_water_table``.
    """
    value = row.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise bad_table(where, f"{key} must lie between {low:g} and {high:g}, is {value!r}")
    return float(value)
