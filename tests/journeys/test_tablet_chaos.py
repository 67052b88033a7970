"""Nothing is lost and nothing doubled while line, node and browser fail at random."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.journeys.chaos import Chaos


@pytest.mark.browser
def test_every_record_arrives_once_through_a_failing_line_node_and_browser(tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        outcome = Chaos(playwright, tmp_path, records=30, seed=4).run()
    assert (outcome.kept, outcome.lost, outcome.doubled, outcome.refused) == (30, 0, 0, 0), outcome
    assert outcome.photos == 30
    # Without these the test would prove nothing.
    assert min(outcome.kills, outcome.closings, outcome.cut) >= 2, outcome
