"""Cases that once told something are read again, and some changes of them, by every parser."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.__main__ import KEPT
from tests.fuzz.one import mutated
from tests.fuzz.targets import TARGETS

SLOW = {"workbook": 20}


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_answers_whatever_it_is_given(name: str) -> None:
    target = TARGETS[name]
    seeds = [*target.seeds(), *(path.read_bytes() for path in sorted((KEPT / name).glob("*")))]
    taken = [target.run(data) for data in seeds]
    assert any(taken), "none of the cases is sound: the target reads nothing"
    for data in mutated(seeds, SLOW.get(name, 200), random.Random(name)):
        target.run(data)
