"""A `RecordBatch` as bytes and back, exactly; see docs/wire-format.md.

Pure: no clock, no key, no file but the dictionaries.  What does not compress (ids, hashes of
photos) stands in front of the columns, raw.
"""

from __future__ import annotations

from typing import Any

import zstandard

from field_data.errors import PublisherError
from sync.cbor import Unfit, dump, load
from sync.columns import HASH_BYTES, ID_BYTES, Pool, Read, id_text, strict
from sync.dictionaries import Dictionary
from sync.record_columns import batch_of, items_of
from sync.types import Record, RecordBatch, Refusal

MAX_PLAIN = 2 << 20
TOKEN_BYTES = 8
_STORED, _ZSTD = 0, 1
_LEVEL = 19
_FORMAT = zstandard.FORMAT_ZSTD1_MAGICLESS


def encode(batch: RecordBatch, dictionary: Dictionary) -> bytes:
    """The batch without its node, which the envelope names; proven to come back the same.

    Bodies are JSON: whole numbers of 64 bits, finite floats, Unicode text, at most 16 levels.

    Raises:
        ValueError: Something cannot travel, or it is too much; `why_not` finds the record.
    """
    pool = Pool()
    plain = dump(items_of(batch, dictionary, pool))
    if len(plain) > MAX_PLAIN:
        raise ValueError(f"{len(plain)} bytes of columns, {MAX_PLAIN} are allowed")
    packed = _compressor(dictionary).compress(plain)
    method, rest = (_ZSTD, packed) if len(packed) < len(plain) else (_STORED, plain)
    ids, hashes = pool.raw()
    head = bytes([method]) + _count(len(ids)) + _count(len(hashes))
    payload = head + batch.stream.token + b"".join((*ids, *hashes)) + rest
    if not _is_same(_decode(payload, batch.stream.node, dictionary), batch):
        raise ValueError("it would not come back the same")
    return payload


def why_not(record: Record, batch: RecordBatch, dictionary: Dictionary) -> str:
    """Why this record of the batch cannot travel, empty when it can: so that one is set aside."""
    alone = RecordBatch(batch.stream, batch.last, batch.acknowledged, batch.sent, (record,))
    try:
        encode(alone, dictionary)
    except ValueError as error:
        return str(error)
    return ""


def decode(payload: bytes, node: str, dictionary: Dictionary) -> RecordBatch:
    """What `encode` wrote, of the node that the envelope names.

    Raises:
        PublisherError: ``bad_segment``.
    """
    try:
        return _decode(payload, node, dictionary)
    except ValueError as error:
        raise PublisherError(Refusal.BAD_SEGMENT, f"not a batch: {error}") from error


def _decode(payload: bytes, node: str, dictionary: Dictionary) -> RecordBatch:
    """Raises `Unfit`, which is a `ValueError`, or another `ValueError`."""
    if not payload or payload[0] not in (_STORED, _ZSTD):
        raise Unfit("written in no known way")
    n_ids, at = _read_count(payload, 1)
    n_hashes, at = _read_count(payload, at)
    token, at = payload[at : at + TOKEN_BYTES], at + TOKEN_BYTES
    middle = at + n_ids * ID_BYTES
    end = middle + n_hashes * HASH_BYTES
    if end > len(payload):
        raise Unfit("cut off")
    ids = [id_text(payload[i : i + ID_BYTES]) for i in range(at, middle, ID_BYTES)]
    hashes = [payload[i : i + HASH_BYTES].hex() for i in range(middle, end, HASH_BYTES)]
    rest = payload[end:]
    plain = rest if payload[0] == _STORED else _unzipped(rest, dictionary)
    return batch_of(load(plain), node, token, dictionary, Read(ids, hashes))


def _unzipped(data: bytes, dictionary: Dictionary) -> bytes:
    """The one frame that ``data`` is; its size is declared, and looked at before it is made."""
    try:
        size = zstandard.get_frame_parameters(data, _FORMAT).content_size
        if size > MAX_PLAIN:
            raise Unfit(f"unfolds to {size} bytes, {MAX_PLAIN} are allowed")
        plain = _decompressor(dictionary).decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Unfit(f"not compressed as it should be: {error}") from error
    if len(plain) != size:
        raise Unfit("of another size than it says")
    return plain


# Made anew each time: an object of zstandard serves one thread at a time.
def _compressor(dictionary: Dictionary) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, format=_FORMAT, write_content_size=True, write_dict_id=False, write_checksum=False
    )
    return zstandard.ZstdCompressor(dict_data=dictionary.trained, compression_params=parameters)


def _decompressor(dictionary: Dictionary) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(
        dict_data=dictionary.trained, max_window_size=2 * MAX_PLAIN, format=_FORMAT
    )


def _count(number: int) -> bytes:
    """LEB128."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _read_count(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place, byte in enumerate(data[at : at + 4]):
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number, at + place + 1
    raise Unfit("a number without an end")


def _is_same(back: RecordBatch, batch: RecordBatch) -> bool:
    """Equal, and of the same types: 1 is not 1.0 and not true."""
    pairs = zip(back.records, batch.records, strict=True)
    same = all(_strict(dict(a.body)) == _strict(dict(b.body)) for a, b in pairs)
    return same and back == batch and _strict(dict(back.health)) == _strict(dict(batch.health))


def _strict(value: Any) -> Any:
    if type(value) is dict:
        return {key: _strict(inner) for key, inner in value.items()}
    return [_strict(inner) for inner in value] if type(value) is list else strict(value)
