"""What every reader of boundary files hands on, and the limits they share."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from field_data.errors import PersonError
from field_data.geometry import Note

MAX_FILE = 20_000_000
MAX_TEXT = 10_000_000
MAX_FEATURES = 5_000
MAX_PARTS = 100

# Attributes that hold a field's name, best first.
_NAMES = (
    *("name", "nom", "name_fr", "nom_fr", "parcelle", "nom_parcel", "libelle", "label"),
    *("اسم", "الاسم", "title", "field", "id"),
)

# Rings as the file has them, not yet checked: the outer one first, then holes.
Rings = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One feature of a file: its polygons, or the ``problem`` that it has none we could read."""

    name: str
    polygons: tuple[Rings, ...] = ()
    problem: PersonError | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The features of a file, read as they are asked for, and notes about the whole file."""

    features: Iterable[Found]
    notes: tuple[Note, ...] = ()


def name_from(properties: Mapping[str, object]) -> str:
    """The name among a feature's attributes, "" when there is none."""
    known = {key.casefold(): value for key, value in properties.items()}
    return next(filter(None, (_said(known.get(key)) for key in _NAMES)), "")


def _said(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


def not_a_polygon(kind: object) -> PersonError:
    """The problem of a feature that is a point, a line or something else."""
    return PersonError("not_a_polygon", f"a field is a polygon, not {kind!s:.40}")


def crs_unsupported(crs: str) -> PersonError:
    """The refusal of coordinates that are not degrees on WGS 84, with what to do."""
    message = (
        f"the coordinates are in {crs:.80}; export the file again in WGS 84 longitude and latitude "
        "(EPSG:4326)"
    )
    return PersonError("crs_unsupported", message, crs=crs[:80])


def decoded(data: bytes) -> str:
    """UTF-8 text with or without its mark, or UTF-16 with it.

    Raises:
        PersonError: ``file_too_large``, ``not_utf8``.
    """
    if len(data) > MAX_TEXT:
        raise too_large(MAX_TEXT)
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise PersonError("not_utf8", "the file is not UTF-8 text") from error


def too_large(limit: int) -> PersonError:
    """The refusal of a file, or of what unfolds from it."""
    return PersonError("file_too_large", f"more than {limit / 1e6:.0f} MB", limit=limit)
