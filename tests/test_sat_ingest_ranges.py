"""Bytes over a bad link: nothing twice, nothing beyond the budget, every refusal named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from field_data.errors import NetworkError, PublisherError
from sat_ingest.ranges import Budget, BudgetSpentError, Patience, Ranges, RemoteChangedError
from sat_ingest.sources import TokenSigner
from tests.range_server import Fault, NginxServer, RangeServer

DATA = bytes(n * 7 % 251 for n in range(600_000))
FAST = Patience(attempts=3, base_s=0.001, read_s=0.5, connect_s=0.5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "f").write_bytes(DATA)
    with RangeServer(tmp_path) as running:
        yield running


def received(ranges: Ranges, url: str, start: int, stop: int) -> bytes:
    parts: list[bytes] = []
    try:
        ranges.fetch(url, start, stop, lambda _, part: parts.append(part))
    finally:
        ranges.close()
    return b"".join(parts)


class TestContract:
    """What every range server does, ours or a real one."""

    @pytest.fixture(params=[RangeServer, NginxServer])
    def running(
        self, request: pytest.FixtureRequest, tmp_path: Path
    ) -> Iterator[RangeServer | NginxServer]:
        (tmp_path / "f").write_bytes(DATA)
        with request.param(tmp_path) as found:
            yield found

    def test_a_range_is_what_was_asked(self, running: RangeServer) -> None:
        ranges = Ranges(patience=FAST)
        assert received(ranges, running.url("f"), 1000, 200_000) == DATA[1000:200_000]
        assert running.sent == 199_000
        assert ranges.budget.requests == len(running.asked) == 1
        assert 199_000 < ranges.budget.spent < 200_000

    def test_behind_the_end_there_is_nothing(self, running: RangeServer) -> None:
        assert received(Ranges(patience=FAST), running.url("f"), 599_000, 700_000) == DATA[599_000:]
        with pytest.raises(PublisherError) as caught:
            received(Ranges(patience=FAST), running.url("f"), 600_000, 700_000)
        assert caught.value.code == "cog_truncated"

    def test_a_replaced_file_is_refused_without_its_bytes(self, running: RangeServer) -> None:
        ranges = Ranges(patience=FAST)
        remote = ranges.fetch(running.url("f"), 0, 10, lambda *_: None)
        (running.folder / "f").write_bytes(DATA[::-1][:-1])
        before = running.sent
        with pytest.raises(RemoteChangedError):
            ranges.fetch(running.url("f"), 10, 500_000, lambda *_: None, remote)
        ranges.close()
        assert running.sent - before < 1000

    def test_a_missing_file_is_its_publishers_matter(self, running: RangeServer) -> None:
        with pytest.raises(PublisherError) as caught:
            received(Ranges(patience=FAST), running.url("g"), 0, 10)
        assert caught.value.code == "scene_gone"


def test_a_cut_range_goes_on_at_the_byte_reached(server: RangeServer) -> None:
    server.cut_every = 100_000
    assert received(Ranges(patience=FAST), server.url("f"), 0, 600_000) == DATA
    assert server.sent == 600_000
    starts = [each.span[0] for each in server.asked if each.span]
    assert starts == list(range(0, 600_000, 100_000))


def test_a_link_that_brings_nothing_is_given_up(server: RangeServer) -> None:
    server.faults.extend([Fault("status"), Fault("cut", after=1), Fault("hang")])
    with pytest.raises(NetworkError) as caught:
        received(Ranges(patience=FAST), server.url("f"), 0, 1000)
    server.stopped.set()
    assert caught.value.code == "link_failed"


def test_waiting_grows_is_jittered_and_as_long_as_the_server_asks(server: RangeServer) -> None:
    waits: list[float] = []
    patience = Patience(attempts=4, base_s=10, sleep=waits.append, chance=lambda: 0.5)
    server.faults.extend([
        Fault("status", status=503),
        Fault("status", status=429, headers={"Retry-After": "7"}),
        Fault("status", status=503, headers={
            "Retry-After": "Tue, 01 Jan 2030 00:01:00 GMT", "Date": "Tue, 01 Jan 2030 00:00:00 GMT",
        }),
    ])  # fmt: skip
    assert received(Ranges(patience=patience), server.url("f"), 0, 5) == DATA[:5]
    assert waits[:2] == [5.0, 7 + 10.0]
    assert 60 <= waits[2] <= 80


def test_a_server_that_asks_for_hours_is_left_alone(server: RangeServer) -> None:
    server.faults.append(Fault("status", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(NetworkError) as caught:
        received(Ranges(patience=FAST), server.url("f"), 0, 5)
    assert caught.value.code == "server_busy"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("whole"), "no_ranges"),
        (Fault("shifted"), "bad_range"),
        (Fault("status", status=403), "access_refused"),
        (Fault("status", status=418), "bad_answer"),
        (Fault("status", status=206), "bad_range"),
    ],
)
def test_a_wrong_answer_is_named_at_once(server: RangeServer, fault: Fault, code: str) -> None:
    server.faults.append(fault)
    with pytest.raises(PublisherError) as caught:
        received(Ranges(patience=FAST), server.url("f"), 100, 5000)
    assert caught.value.code == code
    assert len(server.asked) == 1


def test_a_small_file_needs_no_ranges(server: RangeServer) -> None:
    server.whole = True
    (server.folder / "small").write_bytes(DATA[:3000])
    assert received(Ranges(patience=FAST), server.url("small"), 0, 6000) == DATA[:3000]


def test_the_budget_is_used_and_never_exceeded(server: RangeServer) -> None:
    budget, parts = Budget(250_000), list[bytes]()
    ranges = Ranges(budget, patience=FAST)
    with pytest.raises(BudgetSpentError):
        ranges.fetch(server.url("f"), 0, 600_000, lambda _, part: parts.append(part))
    ranges.close()
    assert b"".join(parts) == DATA[: server.sent]
    assert 240_000 < server.sent < budget.spent <= 250_000


def test_a_document_that_was_cut_counts_too(server: RangeServer) -> None:
    server.faults.extend(Fault("cut", after=60_000) for _ in range(3))
    ranges = Ranges(Budget(), patience=FAST)
    with pytest.raises(NetworkError):
        ranges.document(server.url("f"))
    ranges.close()
    assert 180_000 == server.sent < ranges.budget.spent


def test_a_document_larger_than_the_budget_is_not_read(server: RangeServer) -> None:
    (server.folder / "d").write_text(json.dumps(["x" * 400_000]))
    ranges = Ranges(Budget(100_000), patience=FAST)
    with pytest.raises(BudgetSpentError):
        ranges.document(server.url("d"))
    ranges.close()
    assert ranges.budget.spent < 100_000


def test_a_token_is_asked_for_once_and_renewed_when_refused(server: RangeServer) -> None:
    keys = iter(["one", "two", "three"])
    server.pages["/token"] = lambda *_: {
        "msft:expiry": "2030-01-01T00:00:00Z",
        "token": f"key={next(keys)}",
    }
    ranges, clock = Ranges(patience=FAST), [0.0]
    # The wall clock stands at 1970: by it the token is good for sixty years.
    signer = TokenSigner(
        server.url("token"), "127.0.0.1", ranges.document, lambda: 0.0, lambda: clock[0]
    )
    ranges.signer = lambda url, *, renew=False: (
        url if url.endswith("/token") else signer(url, renew=renew)
    )

    def paths_of_a_fetch() -> list[str]:
        server.asked.clear()
        ranges.fetch(server.url("f"), 0, 10, lambda *_: None)
        return [each.path for each in server.asked]

    server.key = "one"
    assert paths_of_a_fetch() == ["/token", "/f"]
    assert paths_of_a_fetch() == ["/f"]
    server.key = "two"
    assert paths_of_a_fetch() == ["/f", "/token", "/f"]
    clock[0], server.key = 3600.0, "three"
    assert paths_of_a_fetch() == ["/token", "/f"]
    server.key = "four"
    server.pages["/token"] = lambda *_: {"no": "token"}
    with pytest.raises(PublisherError) as caught:
        paths_of_a_fetch()
    assert caught.value.code == "bad_token"
    ranges.close()
