"""A few phones for half a day, and a small box under everything at once: short runs of both."""

from __future__ import annotations

import pytest

from edge_app import webassets
from tests.conftest import KERNEL_REFUSES
from tests.journeys.memory_ladder import STEPS, can_group, climbed, table
from tests.journeys.soak import Window, judged, row, soaked


def test_a_node_bears_phones_that_ask_break_off_and_erase() -> None:
    windows = soaked(5, 12, 0.3)
    print("\n".join(map(row, windows)))
    assert [w.faults for w in windows] == [0, 0]
    assert all(w.photos for w in windows)
    assert windows[1].files - windows[0].files < 40  # each thread opens its own
    assert windows[1].rss_mib < 1.25 * windows[0].rss_mib


def _steady(**changed: float) -> list[Window]:
    usual = Window(6, 700, 70, 0, 0, 190.0, 90, 20.0, 70.0, 400.0)
    last = {name: changed.get(name, getattr(usual, name)) for name in Window.__slots__}
    return [usual] * 8 + [Window(**last)] * 4


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rss_mib": 195.0}, "memory grew"),
        ({"files": 96}, "more files are open"),
        ({"p95_ms": 140.0}, "times as slow"),
        ({"faults": 1}, "faults"),
        ({"photos": 0}, "nothing was asked"),
    ],
)
def test_a_soak_that_went_wrong_is_told(changed: dict[str, float], problem: str) -> None:
    assert judged(_steady()) == []
    [told] = judged(_steady(**changed))
    assert problem in told


def test_a_box_of_half_a_gibibyte_switches_parts_off_and_lives() -> None:
    if not can_group():
        pytest.skip(KERNEL_REFUSES)
    webassets.compile_catalogues()
    taken = climbed(STEPS[1], 3.0)
    print(table([taken]))
    assert taken.wrong == []
    assert taken.off == "memory_small"
    assert "memory_small" in taken.pull
