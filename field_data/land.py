"""What the bodies of farm, field, season and consent records hold: read strictly, or refused.

Pure: no store and no clock.  Whether a farm exists or a field overlaps another one is for
`field_data.registry`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from field_data.errors import PersonError
from field_data.geometry import Note, Outline, Region, outline
from field_data.ids import is_id
from field_data.types import Farm, Field, Season
from field_data.yields import Unit, usual_t_ha

Body = Mapping[str, Any]

LONGEST_TEXT = 120
EARLIEST = date(1990, 1, 1)
SOURCES = ("drawn", "walked", "imported")
# A claim of the tablet that differs by more from the area of the boundary is told.
AREA_AGREES = 0.05

_CROP = re.compile(r"[0-9A-Z][A-Z]{4,5}")
_PURPOSE = re.compile(r"[a-z][a-z_]{1,31}")
_WORDING = re.compile(r"[0-9A-Za-z._-]{1,32}")
_LANG = re.compile(r"[a-z]{2,3}")
# Marks that turn the direction of what follows: a name could dress up the line it stands in.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one ``purpose``, after reading ``wording`` in ``lang``."""

    purpose: str
    wording: str
    lang: str
    given: bool


def farm_of(id: str, body: Body, event: str = "") -> Farm:
    """The farm that a body describes: ``name``, and maybe ``commune``, ``owner``, ``retired``.

    Raises:
        PersonError: ``unknown_key``, ``missing_key``, ``bad_text``, ``bad_id``, ``bad_value``;
            the detail ``key`` names which.
    """
    _keys(body, {"name"}, {"commune", "owner", "retired"})
    owner = body.get("owner")
    return Farm(
        id=id,
        name=_text(body, "name", needed=True),
        commune=_text(body, "commune"),
        owner=None if owner is None else _id(body, "owner"),
        retired=_flag(body, "retired"),
        event=event,
    )


def field_of(id: str, body: Body, region: Region, event: str = "") -> tuple[Field, Outline]:
    """The field that a body describes, and its boundary as it was brought to one form.

    ``farm`` and ``boundary``, and maybe ``name``, ``area_ha`` (what the tablet computed; ours
    counts), ``source``, ``crop``, ``retired``.

    Raises:
        PersonError: as :func:`farm_of`, ``bad_crop``, and those of `field_data.geometry.outline`.
    """
    _keys(body, {"farm", "boundary"}, {"name", "area_ha", "source", "crop", "retired"})
    source = body.get("source", "drawn")
    if source not in SOURCES:
        raise PersonError("bad_value", f"source is one of {', '.join(SOURCES)}", key="source")
    shape = outline(body["boundary"], region)
    field = Field(
        id=id,
        farm=_id(body, "farm"),
        boundary=shape.ring,
        crop=None if body.get("crop") is None else crop_code(body["crop"]),
        name=_text(body, "name"),
        area_ha=round(shape.area_ha, 4),
        source=source,
        retired=_flag(body, "retired"),
        event=event,
    )
    return field, shape


def area_claim(body: Body, area_ha: float) -> tuple[Note, ...]:
    """The note ``area_differs`` when the area that a body claims is not that of its boundary.

    Raises:
        PersonError: ``bad_value`` when it is no positive number.
    """
    said = body.get("area_ha")
    if said is None:
        return ()
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < 1e9:
        raise PersonError("bad_value", "area_ha is a positive number", key="area_ha")
    if abs(said - area_ha) <= AREA_AGREES * area_ha:
        return ()
    return (Note("area_differs", {"said_ha": said, "area_ha": round(area_ha, 4)}),)


def season_of(id: str, body: Body, event: str = "", latest: date | None = None) -> Season:
    """The season that a body describes: ``field``, ``crop``, and maybe ``sown``, ``harvested``
    (ISO dates), ``variety``, ``usual_t_ha`` (what the field usually gives of that crop),
    ``retired``.

    ``latest`` is the last day that can be meant; None leaves that open.

    Raises:
        PersonError: as :func:`farm_of`, ``bad_crop``, ``bad_date``, ``date_unlikely``,
            ``dates_swapped``, ``yield_unlikely``.
    """
    _keys(body, {"field", "crop"}, {"sown", "harvested", "variety", "usual_t_ha", "retired"})
    sown, harvested = (_date(body, key, latest) for key in ("sown", "harvested"))
    if sown and harvested and harvested < sown:
        raise PersonError("dates_swapped", "harvested before it was sown")
    crop = crop_code(body["crop"])
    return Season(
        id=id,
        field=_id(body, "field"),
        crop=crop,
        sown=sown,
        harvested=harvested,
        variety=_text(body, "variety"),
        usual_t_ha=_usual(body, crop),
        retired=_flag(body, "retired"),
        event=event,
    )


def decision_of(body: Body) -> Decision:
    """The consent, or its withdrawal, that a body holds.

    Raises:
        PersonError: ``unknown_key``, ``missing_key``, ``bad_value``.
    """
    _keys(body, {"purpose", "wording", "lang", "given"}, set())
    for key, form in (("purpose", _PURPOSE), ("wording", _WORDING), ("lang", _LANG)):
        if not isinstance(body[key], str) or not form.fullmatch(body[key]):
            raise PersonError("bad_value", f"{key} cannot be {body[key]!r:.40}", key=key)
    return Decision(body["purpose"], body["wording"], body["lang"], _flag(body, "given"))


def crop_code(value: object) -> str:
    """An EPPO code by its form (``TRZAX``, ``1CIDG``).

    Raises:
        PersonError: ``bad_crop``.
    """
    if not isinstance(value, str) or not _CROP.fullmatch(value):
        raise PersonError("bad_crop", f"{value!r:.40} is no EPPO code of a crop")
    return value


def clean_name(text: str) -> str:
    """A name from outside made fit to keep: one line, composed letters, at most `LONGEST_TEXT`."""
    letters = unicodedata.normalize("NFC", text)
    plain = "".join(letter for letter in letters if letter.isspace() or _may_stand(letter))
    return " ".join(plain.split())[:LONGEST_TEXT].strip()


def _keys(body: Body, needed: set[str], may: set[str]) -> None:
    if not isinstance(body, Mapping):
        raise PersonError("bad_value", "a record is an object", key="")
    for key in body:
        if key not in needed | may:
            raise PersonError("unknown_key", f"nothing here is called {key!r:.40}", key=key[:40])
    for key in sorted(needed):
        if body.get(key) is None:
            raise PersonError("missing_key", f"{key} is missing", key=key)


def _text(body: Body, key: str, *, needed: bool = False) -> str:
    value = body.get(key, "")
    good = isinstance(value, str) and len(value) <= LONGEST_TEXT and all(map(_may_stand, value))
    if not good or (needed and not value.strip()):
        message = f"{key} is a line of at most {LONGEST_TEXT} letters"
        raise PersonError("bad_text", message, key=key)
    return str(value)


def _may_stand(letter: str) -> bool:
    """Letters, marks and joiners; no control characters, lone surrogates or turning marks."""
    return unicodedata.category(letter) not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") and (
        letter not in _TURNING
    )


def _id(body: Body, key: str) -> str:
    value = body[key]
    if not isinstance(value, str) or not is_id(value):
        raise PersonError("bad_id", f"{key} is the id of a record", key=key)
    return value


def _flag(body: Body, key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise PersonError("bad_value", f"{key} is true or false", key=key)
    return value


def _usual(body: Body, crop: str) -> float | None:
    said = body.get("usual_t_ha")
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise PersonError("bad_value", "usual_t_ha is a number", key="usual_t_ha")
    return usual_t_ha(float(said), Unit.T_HA, crop)


def _date(body: Body, key: str, latest: date | None) -> date | None:
    value = body.get(key)
    if value is None:
        return None
    try:
        # Exactly this form: Python reads week dates and dates without dashes as well.
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            raise ValueError
        day = date.fromisoformat(value)
    except ValueError:
        raise PersonError("bad_date", f"{key} is a date such as 2026-11-05", key=key) from None
    if day < EARLIEST or (latest is not None and day > latest):
        raise PersonError("date_unlikely", f"{key} cannot be {value}", key=key)
    return day
