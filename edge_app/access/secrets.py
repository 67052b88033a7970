"""PINs and passphrases: which are good enough, and their hashes (the one door to argon2)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from edge_app.turnstile import Turnstile
from field_data.errors import PersonError
from field_data.people import Role, name_key

# OWASP's second choice for argon2id (19 MiB, two passes, one lane): 0.2 s on a Raspberry Pi 4.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Every hash in the making holds those 19 MiB: one at a time, few wait, the others come back.
TURN = Turnstile(1, 4)

LEAST_DIGITS = 6
LEAST_LETTERS = 10
MOST_LETTERS = 200
_WITH_PIN = frozenset({Role.FARMER, Role.AGENT})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a secret was right, and the hash to keep from now on if it should be another."""

    right: bool
    rehashed: str | None = None


def normal(secret: str) -> str:
    """One writing for what people type the same: NFKC, and the digits of all scripts as 0 to 9.

    A PIN has no spaces, however it is grouped.  What is far too long is cut before it costs time.
    """
    text = unicodedata.normalize("NFKC", secret[: 5 * MOST_LETTERS]).strip()
    plain = "".join(_plain_digit(letter) for letter in text)
    digits = "".join(plain.split())
    return digits if digits.isdecimal() else plain


def _plain_digit(letter: str) -> str:
    value = unicodedata.decimal(letter, None)
    return letter if value is None else str(value)


def hashed(secret: str) -> str:
    """The argon2id hash of a secret, to be kept.  Raises BusyError."""
    with TURN.place():
        return _HASHER.hash(normal(secret))


@cache
def _nobodys() -> str:
    """Compared with when nobody has that name, so that the answer takes as long."""
    return _HASHER.hash("nobody has this secret")


def check(kept: str | None, secret: str) -> Verdict:
    """Compare; with nothing kept (an unknown name) it takes as long and is wrong.

    To be called inside ``TURN.place()``.
    """
    text = normal(secret)[:MOST_LETTERS]
    right = _matches(kept or _nobodys(), text) and kept is not None
    if not right or kept is None or not _HASHER.check_needs_rehash(kept):
        return Verdict(right)
    return Verdict(True, _HASHER.hash(text))


def _matches(kept: str, text: str) -> bool:
    try:
        return _HASHER.verify(kept, text)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def wants_passphrase(role: Role) -> bool:
    """Whether a PIN is not enough for that role."""
    return role not in _WITH_PIN


def refuse_weak(secret: str, role: Role, name: str = "") -> None:
    """Raise PersonError ``weak_pin`` or ``weak_passphrase`` unless the secret is good enough.

    Farmers and agents may have a PIN: six digits or more that are no row, no pattern, no day and
    no telephone number.  Everybody may have a passphrase of ten letters or more.
    """
    text = normal(secret)
    digits = text.replace(" ", "")
    if role in _WITH_PIN and (digits.isdecimal() or not text):
        if _guessable(digits):
            raise PersonError("weak_pin", "a PIN has six digits or more and is not easy to guess")
        return
    own = bool(name) and name_key(name) in name_key(text)
    if not LEAST_LETTERS <= len(text) <= MOST_LETTERS or len(set(text)) < 5 or own:
        code = "weak_pin" if role in _WITH_PIN else "weak_passphrase"
        raise PersonError(code, "a passphrase has ten letters or more, several different ones")


def _guessable(pin: str) -> bool:
    if not LEAST_DIGITS <= len(pin) <= MOST_LETTERS or len(set(pin)) < 3:
        return True
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(pin)}
    pattern = any(pin == (pin[:n] * len(pin))[: len(pin)] for n in range(1, len(pin) // 2 + 1))
    phone = len(pin) == 10 and pin[:2] in {"05", "06", "07"}
    return len(steps) == 1 or pattern or phone or _is_day(pin)


def _is_day(pin: str) -> bool:
    """Whether the digits can be read as a day: DDMMYY, YYMMDD, MMDDYY, DDMMYYYY or YYYYMMDD."""
    if len(pin) == 8:
        years = (pin[4:], pin[:2] + pin[2:4])
        parts = ((pin[:2], pin[2:4]), (pin[4:6], pin[6:]))
        return any(
            1900 <= int(year) <= 2099 and _day_month(*part)
            for year, part in zip(years, parts, strict=True)
        )
    if len(pin) != 6:
        return False
    return (
        _day_month(pin[:2], pin[2:4])
        or _day_month(pin[2:4], pin[:2])
        or (_day_month(pin[4:], pin[2:4]))
    )


def _day_month(one: str, two: str) -> bool:
    """A day and a month, in either order."""
    small, large = sorted((int(one), int(two)))
    return 1 <= small <= 12 and 1 <= large <= 31
