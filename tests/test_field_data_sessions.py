"""When a session ends by which clock: running time, a calendar that is trusted, and 1970."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from field_data.document_store import DocumentStore
from field_data.running_time import RunningTime
from field_data.sessions import Limits, Session, Sessions
from field_data.types import Instant, Trust

DAY_S = 86400.0
NOW = 1_790_000_000.0
LIMITS = Limits(idle_s=DAY_S, absolute_s=30 * DAY_S)


class Clocks:
    """Both clocks of a node, as the test sets them."""

    def __init__(self, home: Path) -> None:
        self.running_s, self.at = 0.0, Instant(NOW, Trust.NTP)
        self.store = DocumentStore(home / "store.sqlite")
        running = RunningTime(self.store, lambda: self.running_s)
        self.sessions = Sessions(self.store, running, lambda: self.at)

    def find(self, token: str) -> Session | None:
        return self.sessions.find(token)


@pytest.fixture
def clocks(tmp_path: Path) -> Iterator[Clocks]:
    made = Clocks(tmp_path)
    yield made
    made.store.close()


def test_a_box_that_was_off_for_a_week_ends_a_session_by_the_calendar(clocks: Clocks) -> None:
    token = clocks.sessions.open("p", "phone", LIMITS)
    clocks.at = Instant(NOW + 7 * DAY_S, Trust.RTC)
    assert clocks.find(token) is None


@pytest.mark.parametrize("utc_s", [0.0, 4e9])
def test_a_clock_that_nobody_vouches_for_ends_nothing(clocks: Clocks, utc_s: float) -> None:
    token = clocks.sessions.open("p", "phone", LIMITS)
    clocks.at = Instant(utc_s, Trust.UNKNOWN)
    assert clocks.find(token) is not None
    clocks.running_s += DAY_S + 1  # a day of use without it does
    assert clocks.find(token) is None


def test_a_session_of_1970_goes_on_when_the_clock_is_set(clocks: Clocks) -> None:
    clocks.at = Instant(100.0, Trust.UNKNOWN)
    token = clocks.sessions.open("p", "tablet", LIMITS)
    clocks.at = Instant(NOW, Trust.NTP)
    clocks.running_s += 60
    found = clocks.find(token)
    assert found is not None
    assert found.started.at == found.seen.at == Instant(NOW, Trust.NTP)
    clocks.at = Instant(NOW + 2 * DAY_S, Trust.NTP)  # from now on the calendar counts
    assert clocks.find(token) is None


def test_a_clock_that_is_set_back_ends_nothing(clocks: Clocks) -> None:
    token = clocks.sessions.open("p", "phone", LIMITS)
    clocks.at = Instant(NOW - 300 * DAY_S, Trust.RTC)
    assert clocks.find(token) is not None


def test_running_time_goes_on_where_it_was_kept_and_never_back(tmp_path: Path) -> None:
    s = 100.0
    with DocumentStore(tmp_path / "store.sqlite") as store:
        served = RunningTime(store, lambda: s)
        s = 400.0
        assert served.keep() == 300.0
        beside = RunningTime(store, lambda: s)  # the command line
        s = 1000.0
        assert served.keep() == 900.0
        s = 1001.0
        beside.keep()
        assert RunningTime(store, lambda: 5.0).now_s() >= 900.0


def test_being_used_is_written_down_seldom(clocks: Clocks) -> None:
    token = clocks.sessions.open("p", "phone", LIMITS)
    for _ in range(5):
        clocks.running_s += 50
        found = clocks.find(token)
        assert found is not None
        assert found.seen.running_s == 0.0
    clocks.running_s += 60
    found = clocks.find(token)
    assert found is not None
    assert found.seen.running_s == 310.0


def test_sessions_that_ended_are_tidied_away(clocks: Clocks) -> None:
    clocks.sessions.open("p", "old", LIMITS)
    clocks.running_s += DAY_S
    lasting = clocks.sessions.open("p", "new", LIMITS)
    clocks.running_s += 10
    assert clocks.sessions.tidy() == 1
    assert clocks.find(lasting) is not None
