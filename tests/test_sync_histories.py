"""Any history of two nodes and a hub ends with everything at the hub once (`tests.histories`).

``python -m tests.journeys.sync_histories`` tells longer ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.bad_line import Fault
from tests.boxes import PURPOSES
from tests.histories import Folk, Village, World

_MEMORY = Path("/dev/shm")
_FIRST = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)

villages = st.integers(0, 1)
folks = st.integers(0, 1)


@cache
def first_world() -> World:
    """Two nodes that a hub let in, at rest; every history begins with a copy."""
    world = World(Path(_FIRST.name) / "first")
    world.close()
    return world


class Histories(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        like = first_world()
        self._folder = tempfile.TemporaryDirectory(dir=_FIRST.name)
        self.world = World(Path(self._folder.name) / "world", like=like)

    def _who(self, village: int, folk: int) -> tuple[Village, Folk]:
        there = self.world.villages[village]
        return there, there.folk[folk]

    @rule(village=villages, folk=folks, photos=st.integers(0, 2))
    def visit(self, village: int, folk: int, photos: int) -> None:
        self.world.visit(*self._who(village, folk), photos)

    @rule(village=villages, folk=folks, which=st.integers(0, 5))
    def correct(self, village: int, folk: int, which: int) -> None:
        self.world.correct(*self._who(village, folk), which)

    @rule(village=villages, folk=folks)
    def accident(self, village: int, folk: int) -> None:
        self.world.accident(*self._who(village, folk))

    @rule(village=villages)
    def review(self, village: int) -> None:
        self.world.review(self.world.villages[village])

    @rule(village=villages, folk=folks, purpose=st.sampled_from(PURPOSES), given=st.booleans())
    def consent(self, village: int, folk: int, purpose: str, given: bool) -> None:
        self.world.consent(*self._who(village, folk), purpose, given)

    @rule(village=villages, folk=folks)
    def erase(self, village: int, folk: int) -> None:
        self.world.erase(*self._who(village, folk))

    @rule(
        village=villages,
        faults=st.lists(st.sampled_from(Fault), max_size=6),
        max_bytes=st.sampled_from((None, 900, 2_500, 8_000)),
    )
    def sync(self, village: int, faults: Sequence[Fault], max_bytes: int | None) -> None:
        self.world.sync(self.world.villages[village], faults, max_bytes)

    @rule(village=villages)
    def fill_stick(self, village: int) -> None:
        self.world.fill_stick(self.world.villages[village])

    @rule(village=villages, copies=st.integers(1, 2))
    def bring_stick(self, village: int, copies: int) -> None:
        self.world.bring_stick(self.world.villages[village], copies)

    @rule(village=villages)
    def return_stick(self, village: int) -> None:
        self.world.return_stick(self.world.villages[village])

    @rule(village=villages)
    def take_image(self, village: int) -> None:
        self.world.take_image(self.world.villages[village])

    @rule(village=villages)
    def restore(self, village: int) -> None:
        self.world.restore(self.world.villages[village])

    @rule()
    def settle(self) -> None:
        self.world.settle()

    def teardown(self) -> None:
        try:
            self.world.settle()
        finally:
            self.world.close()
            self._folder.cleanup()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_what_is_erased_after_it_arrived_goes_with_its_photos(tmp_path: Path) -> None:
    """A history that chance seldom tells."""
    world = World(tmp_path / "world", like=first_world())
    try:
        there = world.villages[0]
        world.consent(there, there.folk[0], "photos", given=True)
        world.visit(there, there.folk[0], 2)
        world.settle()
        world.erase(there, there.folk[0])
        world.settle()
    finally:
        world.close()
