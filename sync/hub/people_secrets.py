"""Passwords of the hub's people and their hashes (the hub's one door to argon2)."""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from field_data.errors import PersonError

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
LEAST_LETTERS = 12
MOST_LETTERS = 200


def _normal(secret: str) -> str:
    """One writing for what people type the same, cut before it costs time."""
    return unicodedata.normalize("NFKC", secret[: 5 * MOST_LETTERS]).strip()[:MOST_LETTERS]


def hashed(secret: str, name: str = "") -> str:
    """The argon2id hash of a password.

    Raises:
        PersonError: ``weak_password``: shorter than 12 letters, few different ones, or the name.
    """
    text = _normal(secret)
    own = bool(name) and name.casefold() in text.casefold()
    if len(text) < LEAST_LETTERS or len(set(text)) < 6 or own:
        raise PersonError("weak_password", "a password has 12 letters or more, six different ones")
    return _HASHER.hash(text)


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")


def matches(kept: str | None, secret: str) -> bool:
    """Whether it is the one; with nothing kept (an unknown name) it takes as long and is wrong."""
    try:
        return _HASHER.verify(kept or _nobodys(), _normal(secret)) and kept is not None
    except (VerificationError, InvalidHashError):
        return False
