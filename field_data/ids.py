"""Random names that nobody has to hand out, and short codes that a person can read aloud."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

# Sixteen letters: no vowel (no words appear by chance), nothing that looks like a digit or like
# another letter (I, L, O, Q, S, U, V, Z).
CODE_LETTERS = "BCDFGHJKMNPRTWXY"
_ID = re.compile(r"[a-z2-7]{26}")


def new_id() -> str:
    """128 random bits as 26 lower-case base32 letters and digits (RFC 4648, no padding)."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of `new_id`; ask before using one that came from outside."""
    return _ID.fullmatch(text) is not None


def short_code(id: str, letters: int = 6) -> str:
    """A code for people, the same for the same id: 4 bits a letter, 16.8 million with six.

    It helps two persons to point at the same record; it does not replace the id.
    """
    digest = hashlib.sha256(id.encode()).digest()
    return "".join(CODE_LETTERS[byte % len(CODE_LETTERS)] for byte in digest[:letters])
