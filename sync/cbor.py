"""CBOR (RFC 8949) as it stands in segments and receipts: a small part of it, strictly read.

Null, booleans, whole numbers of 64 bits, finite floats, bytes, text, lists and maps with text keys;
all of definite length, no tags, nothing twice in a map, nothing after the end.  ``undefined`` is
`ABSENT`: a key that is not there.
"""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any

import cbor2

MAX_DEPTH = 64
LEAST, MOST = -(1 << 63), (1 << 63) - 1
ABSENT = cbor2.undefined
# Tags make objects (numbers of a gigabyte, regular expressions): every one that cbor2 knows.
_TAGS = (*range(300), 1004, 43000, 55799)


class Unfit(ValueError):  # noqa: N818
    """These bytes are not what they should be; the text says why."""


def dump(value: Any) -> bytes:
    """Keys of maps sorted, floats as short as they can be: the same value, the same bytes."""
    return cbor2.dumps(value, canonical=True)


def load(data: bytes) -> Any:
    """The one value that ``data`` holds; maps are dicts, lists are lists.

    Raises:
        Unfit: not CBOR, or not the part of it that is allowed here.
    """
    file = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        file,
        tag_hook=_no_tags,
        semantic_decoders=dict.fromkeys(_TAGS, _no_tags),
        read_size=max(1, len(data)),
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        value = decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise Unfit(f"not CBOR: {error}") from error
    if file.tell() != len(data):
        raise Unfit("something follows the end")
    _refuse_other_types(value)
    return value


def _no_tags(*_: Any) -> Any:
    raise ValueError("a tag")


def _refuse_other_types(value: Any) -> None:
    kind = type(value)
    if kind is list:
        for inner in value:
            _refuse_other_types(inner)
    elif kind is dict:
        for key, inner in value.items():
            if type(key) is not str:
                raise Unfit("a key of a map is not text")
            _refuse_other_types(inner)
    elif kind is float:
        if not math.isfinite(value):
            raise Unfit("a number is not finite")
    elif kind is int:
        if not LEAST <= value <= MOST:
            raise Unfit("a number beyond 64 bits")
    elif value is not None and value is not ABSENT and kind not in (bool, str, bytes):
        raise Unfit(f"a value of the type {kind.__name__}")
