"""One answer as people write it, made the value that is kept: numbers, dates, texts, places.

Numbers may be typed in Latin, Arabic-Indic or Eastern Arabic digits, in French or Arabic style:
a comma (``,`` ``٫`` ``،``) or a point is the decimal sign, always; thousands are set apart by
spaces or ``٬``.  ``1,234`` is therefore 1.234, with a remark, since some mean 1234.
"""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

# Morocco with its south, in degrees: outside it a place is remarked, not refused.
WEST, SOUTH, EAST, NORTH = -17.5, 20.5, -0.9, 36.1
OLDEST = datetime.date(2000, 1, 1)
COARSE_M = 100.0
# Up to here every whole number is a double of its own.
MOST = 2.0**53
_LONGEST_NUMBER = 40

_FOLD = str.maketrans(
    {
        **{chr(0x0660 + digit): str(digit) for digit in range(10)},
        **{chr(0x06F0 + digit): str(digit) for digit in range(10)},
        **dict.fromkeys("٫،", ","),
        **dict.fromkeys("٬\u00a0\u202f\u2009\t", " "),
        "−": "-",
        # Marks of direction that keyboards put around Arabic numbers.
        **dict.fromkeys("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    }
)
_NUMBER = re.compile(r"([+-]?)((?:\d{1,3}(?: \d{3})+|\d+)?)(?:[.,](\d+))?", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)

Remark = Callable[..., None]  # remark(code, **details)


class Refused(Exception):  # noqa: N818
    """This answer cannot be kept: ``code`` says why."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


def plain_number(value: float) -> int | float:
    """A double as JavaScript writes it in JSON: whole ones without a point."""
    return int(value) if value.is_integer() and abs(value) <= MOST else value


def number(value: Any, remark: Remark) -> int | float:
    """A finite number.

    Raises:
        Refused: ``not_a_number``, ``not_finite``, ``out_of_range`` (above 2^53).
    """
    if isinstance(value, str):
        value = _read_number(value, remark)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("not_a_number")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("not_finite")
    if abs(value) > MOST:
        raise Refused("out_of_range", low=-MOST, high=MOST)
    return plain_number(float(value))


def _read_number(text: str, remark: Remark) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise Refused("not_a_number")
    found = _NUMBER.fullmatch(text.translate(_FOLD).strip())
    if found is None or not (found[2] or found[3]):
        raise Refused("not_a_number", given=text)
    sign, whole, decimals = found[1], found[2] or "0", found[3]
    if decimals and len(decimals) == 3 and " " not in whole and re.fullmatch("[1-9].{0,2}", whole):
        remark("read_as_decimal", given=text)
    return float(f"{sign}{whole.replace(' ', '')}.{decimals or 0}")


def whole(value: Any, remark: Remark) -> int:
    """A whole number; ``12`` and ``12,0`` are.

    Raises:
        Refused: ``not_whole``, or as `number`.
    """
    found = number(value, remark)
    if isinstance(found, float):
        raise Refused("not_whole", given=found)
    return found


def text(value: Any, max_chars: int) -> str:
    """A text without control characters and marks that turn the direction of what follows.

    Raises:
        Refused: ``wrong_type``, ``too_long``.
    """
    if not isinstance(value, str):
        raise Refused("wrong_type")
    # Composing changes the length by little: refuse what is hopeless before working on it.
    if len(value) > 4 * max_chars:
        raise Refused("too_long", most=max_chars)
    kept = "".join(letter for letter in unicodedata.normalize("NFC", value) if _is_kept(letter))
    if len(kept.strip()) > max_chars:
        raise Refused("too_long", most=max_chars)
    return kept.strip()


def _is_kept(letter: str) -> bool:
    return letter == "\n" or (
        unicodedata.category(letter) not in ("Cc", "Cs", "Co", "Cn")
        and letter not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    )


def date(value: Any, today: datetime.date | None) -> str:
    """A day as ``YYYY-MM-DD``; ``31/12/2026`` is read too, day first as in Morocco.

    ``today`` is None when the node's clock cannot be believed: then no day is too late.

    Raises:
        Refused: ``not_a_date``, ``too_old`` (before 2000), ``in_future`` (after tomorrow: a
            tablet's day may have begun before the node's).
    """
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise Refused("not_a_date")
    folded = value.translate(_FOLD).strip()
    if found := _YEAR_FIRST.fullmatch(folded):
        parts = found[1], found[2], found[3]
    elif found := _DAY_FIRST.fullmatch(folded):
        parts = found[3], found[2], found[1]
    else:
        raise Refused("not_a_date", given=value)
    try:
        day = datetime.date(*map(int, parts))
    except ValueError as error:
        raise Refused("not_a_date", given=value) from error
    if day < OLDEST:
        raise Refused("too_old", oldest=OLDEST.isoformat())
    if today is not None and day > today + datetime.timedelta(days=1):
        raise Refused("in_future", today=today.isoformat())
    return day.isoformat()


def place(value: Any, remark: Remark) -> dict[str, float | None]:
    """``{"lon", "lat", "accuracy_m"}`` in degrees and metres; the accuracy may be None.

    Raises:
        Refused: ``not_a_place``, ``out_of_range``, or as `number`.
    """
    if not isinstance(value, Mapping) or not {"lon", "lat"} <= set(value):
        raise Refused("not_a_place")
    if set(value) - {"lon", "lat", "accuracy_m"}:
        raise Refused("not_a_place")
    lon, lat = number(value["lon"], remark), number(value["lat"], remark)
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise Refused("out_of_range", lon=lon, lat=lat)
    accuracy = value.get("accuracy_m")
    accuracy = None if accuracy is None else number(accuracy, remark)
    if accuracy is not None and accuracy < 0:
        raise Refused("out_of_range", accuracy_m=accuracy)
    if accuracy is not None and accuracy > COARSE_M:
        remark("imprecise_place", accuracy_m=accuracy)
    if not _is_near(lon, lat):
        remark("place_swapped" if _is_near(lat, lon) else "place_far_away")
    return {"lon": lon, "lat": lat, "accuracy_m": accuracy}


def _is_near(lon: float, lat: float) -> bool:
    return WEST <= lon <= EAST and SOUTH <= lat <= NORTH
