"""What a node signs when it asks the hub for something (docs/sync.md), for both sides.  Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from field_data.errors import PublisherError
from field_data.ids import is_id
from sync.keys import PublicKey, SecretKey

SCHEME = "Ghalla"
_MOST_HEADER = 200


@dataclass(frozen=True, slots=True)
class Signed:
    """An ``Authorization`` header taken apart: who, when by their clock, and the signature."""

    node: str
    time_s: int
    signature: bytes


def body_word(body: bytes) -> str:
    """What stands for a body under the signature: its SHA-256, lower-case hex."""
    return hashlib.sha256(body).hexdigest()


def request_message(hub: str, method: str, path: str, time_s: int, word: str) -> bytes:
    """The bytes that are signed.  ``word`` is `body_word`, of a ``PATCH`` its ``Upload-Offset``."""
    return "\n".join(("ghalla request 1", hub, method.upper(), path, str(time_s), word)).encode()


def authorization(
    key: SecretKey, node: str, hub: str, method: str, path: str, time_s: int, word: str
) -> str:
    """The header ``Authorization`` of a node's request."""
    signature = key.sign(request_message(hub, method, path, time_s, word))
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return f"{SCHEME} {node}:{time_s}:{text}"


def read_authorization(header: str) -> Signed:
    """The parts of a header; nothing is checked but their form.

    Raises:
        PublisherError: ``bad_signature``.
    """
    try:
        if len(header) > _MOST_HEADER:
            raise ValueError("too long")
        scheme, rest = header.split(" ", 1)
        node, time_s, text = rest.split(":")
        signature = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if scheme != SCHEME or not is_id(node) or not time_s.isascii() or not time_s.isdigit():
            raise ValueError("not of this form")
        return Signed(node, int(time_s), signature)
    except (ValueError, binascii.Error) as error:
        raise PublisherError("bad_signature", f"no Authorization of a node: {error}") from error


def enrol_message(code: str, node: str, name: str, public_key: bytes) -> bytes:
    """What a node signs with its own key when it comes with a code.

    ``name`` may hold any text: it stands last.
    """
    return "\n".join(("ghalla enrol 1", code, node, public_key.hex(), name)).encode()


def check_enrolment(
    code: str, node: str, name: str, public_key: bytes, signature: bytes
) -> PublicKey:
    """The key of a node that shows that it holds the other half.

    Raises:
        PublisherError: ``bad_signature``.
    """
    key = PublicKey(public_key)
    key.check(enrol_message(code, node, name, public_key), signature)
    return key
