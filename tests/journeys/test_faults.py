"""A few faults of the table, at each test run; `tests.journeys.faults` tries all of them."""

from __future__ import annotations

import pytest

from tests.conftest import KERNEL_REFUSES
from tests.journeys.faults import FAULTS, can_make_disks, table, tried

CHOSEN = ("clock ten years ahead", "disk full to the last byte")


@pytest.mark.parametrize("name", CHOSEN)
def test_pages_answer_health_names_it_and_the_node_recovers(name: str) -> None:
    [fault] = [each for each in FAULTS if each.name == name]
    if fault.disk and not can_make_disks():
        pytest.skip(KERNEL_REFUSES)
    seen = tried(fault)
    print(table([seen]))
    assert seen.sound, table([seen])
    assert seen.after == "uncertain"  # it looks at photos again


def test_every_fault_has_another_name_and_is_told_in_the_table() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert set(CHOSEN) < {fault.name for fault in FAULTS}
