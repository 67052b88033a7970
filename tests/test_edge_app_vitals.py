"""What the box says of itself: kernels' files made up, and what the health page makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_app import health_box
from edge_app.appliance.memory import MIB, means_of, memory_bytes
from edge_app.appliance.vitals import Card, Roots, power_of, vitals
from edge_app.settings import Settings
from field_data.types import Instant, Trust

YEAR_S = 365.25 * 86_400


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def raspberry(root: Path, home: Path) -> Roots:
    """The files of a Raspberry Pi whose home lies on the second partition of an eMMC."""
    device = home.stat().st_dev
    disk = root / "sys/devices/platform/mmc/block/mmcblk0"
    _write(disk / "mmcblk0p2/partition", "2\n")
    _write(disk / "device/life_time", "0x02 0x03\n")
    _write(disk / "device/pre_eol_info", "0x01\n")
    link = root / "sys/dev/block" / f"{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(disk / "mmcblk0p2")
    _write(root / "sys/fs/ext4/mmcblk0p2/errors_count", "0\n")
    _write(root / "sys/class/thermal/thermal_zone0/temp", "61300\n")
    _write(root / "sys/class/thermal/thermal_zone1/temp", "-274000\n")
    _write(root / "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    _write(
        root / "proc/diskstats",
        " 179 0 mmcblk0 9 0 9 9 3 0 2000 9 0 9 9\n 179 2 mmcblk0p2 9 0 9 9 3 0 7 9 0 9 9\n",
    )
    return Roots(root / "sys", root / "proc")


def test_a_raspberry_tells_warmth_power_and_how_worn_its_card_is(tmp_path: Path) -> None:
    found = vitals(tmp_path, raspberry(tmp_path / "pi", tmp_path))
    assert found.temperature_c == pytest.approx(61.3)
    assert found.power == power_of(0x50005)
    assert found.power.weak
    assert found.power.was_slowed
    assert found.card == Card(False, 2000 * 512, 0, 30, 1)


def test_what_a_machine_does_not_tell_is_not_said(tmp_path: Path) -> None:
    found = vitals(tmp_path, Roots(tmp_path / "none", tmp_path / "none"))
    assert (found.temperature_c, found.power) == (None, None)
    assert found.card == Card()
    assert vitals(tmp_path / "no home").card == Card()


def test_a_card_that_the_kernel_has_given_up_is_read_only(tmp_path: Path) -> None:
    roots = raspberry(tmp_path / "pi", tmp_path)
    device = tmp_path.stat().st_dev
    ours = f"43 27 {os.major(device)}:{os.minor(device)} / / rw - ext4 /dev/x rw"
    _write(
        roots.proc / "self/mountinfo",
        f"44 27 999:9 / /y rw - ext4 /dev/y rw,emergency_ro\n{ours}\n",
    )
    assert not vitals(tmp_path, roots).card.read_only
    _write(roots.proc / "self/mountinfo", f"{ours},abort,emergency_ro\n")
    assert vitals(tmp_path, roots).card.read_only


@pytest.mark.parametrize("nonsense", ["", "x", "0xzz", "9" * 400, "\x00\xff"])
def test_nonsense_of_a_driver_is_not_believed(tmp_path: Path, nonsense: str) -> None:
    roots = raspberry(tmp_path / "pi", tmp_path)
    for path in (tmp_path / "pi").rglob("*"):
        if path.is_file():
            path.write_text(nonsense)
    found = vitals(tmp_path, roots)
    assert found.temperature_c is None
    assert found.card.life_used_percent is None
    assert found.card.written_bytes is None


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (Card(), "ok"),
        (Card(read_only=True, errors=3), "card_read_only"),
        (Card(errors=1, life_used_percent=110), "card_errors"),
        (Card(life_used_percent=100), "card_worn"),
        (Card(life_used_percent=90, spare=1), "ok"),
        (Card(spare=2), "card_worn"),
    ],
)
def test_the_worst_of_a_card_is_told(card: Card, code: str) -> None:
    part = health_box.card_part(card)
    assert (part.code, part.ok) == (code, code == "ok")


def test_a_hot_box_and_a_weak_supply_are_named_until_they_are_over() -> None:
    assert health_box.heat_part(79.9).ok
    assert health_box.heat_part(80.0).code == "box_hot"
    assert health_box.power_part(power_of(0x1)).code == "power_weak"
    before = health_box.power_part(power_of(0x10000))
    assert (before.ok, before.code) == (True, "power_was_weak")
    assert health_box.power_part(power_of(0)).code == "ok"


def test_photos_are_told_before_their_room_is_used_up() -> None:
    settings = Settings(photo_quota_mb=100)
    full, some = (health_box.photos_part(taken, settings) for taken in (95_000_000, 94_000_000))
    assert full is not None
    assert some is not None
    assert (full.code, some.code) == ("photos_full", "ok")
    assert health_box.photos_part(1, Settings(photo_quota_mb=0)) is None


@pytest.mark.parametrize(
    ("years", "trust", "code"),
    [
        (-10, Trust.UNKNOWN, "clock_past"),
        (0, Trust.UNKNOWN, "clock_unknown"),
        (0, Trust.RTC, "ok"),
        (10, Trust.UNKNOWN, "clock_future"),
        (10, Trust.NTP, "ok"),
        (1e9, Trust.UNKNOWN, "clock_future"),
    ],
)
def test_a_time_that_cannot_be_is_a_fault(years: float, trust: Trust, code: str) -> None:
    part = health_box.clock_part(Instant(1_790_000_000.0 + years * YEAR_S, trust))
    assert (part.code, part.ok) == (code, code in ("ok", "clock_unknown"))


class TestMemory:
    """The least of machine and control groups counts."""

    def _roots(self, root: Path, groups: str, **limits: str) -> Roots:
        _write(root / "proc/meminfo", "MemTotal:        1900000 kB\nMemFree: 1 kB\n")
        _write(root / "proc/self/cgroup", groups)
        for place, value in limits.items():
            _write(root / "sys/fs/cgroup" / place.replace("__", "/").replace("_-", "."), value)
        return Roots(root / "sys", root / "proc")

    def test_of_the_machine_alone(self, tmp_path: Path) -> None:
        assert memory_bytes(0, self._roots(tmp_path, "0::/\n")) == 1_900_000 * 1024

    def test_of_a_group_of_the_second_version_above_ours(self, tmp_path: Path) -> None:
        limits = {"a__memory_-max": f"{600 * MIB}\n", "a__b__memory_-max": "max\n"}
        roots = self._roots(tmp_path, "0::/a/b\n", **limits)
        assert memory_bytes(0, roots) == 600 * MIB

    def test_of_a_group_of_the_first_version(self, tmp_path: Path) -> None:
        limits = {"memory__box__memory_-limit_in_bytes": f"{512 * MIB}\n"}
        roots = self._roots(tmp_path, "4:cpu,memory:/box\n0::/\n", **limits)
        assert memory_bytes(0, roots) == 512 * MIB

    def test_the_keepers_word_stands_above_all(self, tmp_path: Path) -> None:
        assert memory_bytes(300, self._roots(tmp_path, "0::/\n")) == 300 * MIB

    def test_nobody_says(self, tmp_path: Path) -> None:
        assert memory_bytes(0, Roots(tmp_path, tmp_path)) is None

    def test_little_memory_switches_parts_off_and_the_page_says_so(self) -> None:
        wide, small = means_of(900 * MIB, 2, 30), means_of(480 * MIB, 2, 30)
        assert (wide.small, wide.workers, wide.queue, wide.pulls) == (False, 2, 30, True)
        assert (small.workers, small.queue, small.drawing_waits, small.pulls) == (
            1,
            10,
            True,
            False,
        )
        assert means_of(None, 2, 30) == wide
        part = health_box.memory_part(480 * MIB, small)
        assert (part.ok, part.code) == (True, "memory_small")
