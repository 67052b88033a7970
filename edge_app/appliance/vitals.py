"""How the box itself is: warmth, power, and the card its home lives on.

Everything is read from files of the kernel, none of which every machine has: what is not there is
not said (None).  Nothing here needs a right, and nothing raises.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_SECTOR_BYTES = 512
# Bits of the Raspberry Pi firmware's answer; the same 16 higher: since the start.
_UNDER_VOLTAGE, _SLOWED = 0x1, 0x2 | 0x4 | 0x8
_SINCE_START = 16


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the kernel tells; tests give folders of their own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


@dataclass(frozen=True, slots=True)
class Power:
    """What the firmware says of the power supply: now, and since the start."""

    weak: bool
    slowed: bool
    was_weak: bool
    was_slowed: bool


@dataclass(frozen=True, slots=True)
class Card:
    """The disk or card of a home.

    ``written_bytes`` since the start of the box, of the whole disk; ``errors`` of the ext4 file
    system since it was made; ``life_used_percent`` as the card itself estimates (steps of ten,
    110 for "beyond its life"); ``spare`` is 1 usual, 2 four fifths used up, 3 nearly gone.
    """

    read_only: bool = False
    written_bytes: int | None = None
    errors: int | None = None
    life_used_percent: int | None = None
    spare: int | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """All of it, at one moment; degrees Celsius."""

    temperature_c: float | None
    power: Power | None
    card: Card


def vitals(home: Path, roots: Roots | None = None) -> Vitals:
    """What this box says of itself now; costs a dozen small files."""
    roots = roots or Roots()
    return Vitals(_temperature(roots.sys), _power(roots.sys), card_of(home, roots))


def _temperature(sys: Path) -> float | None:
    zones = (_number(zone) for zone in sys.glob("class/thermal/thermal_zone*/temp"))
    # A zone that is asleep says nonsense below freezing or above any chip.
    sane = [each / 1000 for each in zones if each is not None and -40_000 < each < 150_000]
    return max(sane, default=None)


def _power(sys: Path) -> Power | None:
    for path in sys.glob("devices/platform/*/*firmware/get_throttled"):
        bits = _number(path, 16)
        if bits is not None:
            return power_of(bits)
    return None


def power_of(bits: int) -> Power:
    """The firmware's ``get_throttled`` in words."""
    past = bits >> _SINCE_START
    return Power(
        weak=bool(bits & _UNDER_VOLTAGE),
        slowed=bool(bits & _SLOWED),
        was_weak=bool(past & _UNDER_VOLTAGE),
        was_slowed=bool(past & _SLOWED),
    )


def card_of(home: Path, roots: Roots | None = None) -> Card:
    """The card under a home; what lies on no disk of its own (a network, memory) says little."""
    roots = roots or Roots()
    try:
        device, flags = home.stat().st_dev, os.statvfs(home).f_flag
    except OSError:
        return Card()
    number = f"{os.major(device)}:{os.minor(device)}"
    block = (roots.sys / "dev/block" / number).resolve()
    disk = block.parent if (block / "partition").exists() else block
    lives = _numbers(disk / "device/life_time", 16)
    return Card(
        read_only=bool(flags & os.ST_RDONLY) or _given_up(roots.proc, number),
        written_bytes=_written(roots.proc, disk.name),
        errors=_number(roots.sys / "fs/ext4" / block.name / "errors_count"),
        life_used_percent=10 * max(lives) if lives and 0 < max(lives) <= 11 else None,
        spare=_number(disk / "device/pre_eol_info", 16),
    )


def _given_up(proc: Path, number: str) -> bool:
    """Whether the kernel writes nothing any more; from Linux 6.15 on that is no read-only mount."""
    lines = (line.split() for line in _text(proc / "self/mountinfo").splitlines())
    return any(number in words[2:3] and "emergency_ro" in words[-1].split(",") for words in lines)


def _written(proc: Path, disk: str) -> int | None:
    """Of ``/proc/diskstats``: the tenth column, in sectors of 512 bytes whatever the disk's."""
    for line in _text(proc / "diskstats").splitlines():
        words = line.split()
        if len(words) > 9 and words[2] == disk and words[9].isdecimal():
            return int(words[9]) * _SECTOR_BYTES
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _numbers(path: Path, base: int = 10) -> list[int]:
    try:
        return [int(word, base) for word in _text(path).split()]
    except ValueError:
        return []


def _number(path: Path, base: int = 10) -> int | None:
    found = _numbers(path, base)
    return found[0] if found else None
