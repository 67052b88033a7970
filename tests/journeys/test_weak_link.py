"""What ten records cost over TLS, counted as IP packets between two network namespaces."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import NO_TUN
from tests.hub_view import HubView
from tests.journeys.weak_link import CLEAN, demo, enrol
from tests.link import cannot_here


def test_ten_records_cost_what_was_promised_and_are_there_once(tmp_path: Path) -> None:
    if why := cannot_here():
        pytest.skip(NO_TUN if os.geteuid() == 0 else why)
    with demo(CLEAN, "no loss", tmp_path) as shown:
        enrol(shown, tmp_path / "tls" / "ca.crt")
        link = shown.connection(0)
        shown.visits(10)
        full = shown.measured("Ghalla", 10, partial(shown.run, 0, link))
        shown.visits(10)
        resumed = shown.measured("Ghalla, TLS resumed", 10, partial(shown.run, 0, link))
        assert full.bytes <= 4_200
        assert resumed.bytes <= 3_300
        rows = HubView(shown.settings.database).events(shown.boxes[0].ground.node)
        seqs = [row.seq for row in rows]
        assert seqs == list(range(1, shown.boxes[0].ground.events.last_seq() + 1))
