"""Which numbering a batch belongs to, and whose its numbers are.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from field_data.errors import HubError
from sync.types import RecordBatch, Refusal

# Two boxes of one image are both alive when they speak within this time.
BOTH_ALIVE_S = 3600.0
_NO_END = 1 << 62


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A row of `STREAMS`: ``seq`` is the number up to which nothing is missing."""

    epoch: int
    token: bytes
    base: int
    seq: int
    heard_s: float


def judge(
    batch: RecordBatch, known: Sequence[StreamRow], now_s: float, late: bool = False
) -> StreamRow:
    """The stream of the batch, known or new.

    ``late`` is for a stick, which may carry what was written long ago: an epoch that was superseded
    since, or before later events.

    Raises:
        HubError: ``diverged``, ``superseded``, ``cloned``; ``epoch`` and ``seq`` are the newest.
    """
    stream = batch.stream
    newest = max(known, key=lambda each: each.epoch, default=None)
    if newest is None:
        return StreamRow(stream.epoch, stream.token, stream.base, 0, now_s)
    if stream.epoch > newest.epoch:
        mark = min(stream.base, newest.seq)
        return StreamRow(stream.epoch, stream.token, stream.base, mark, now_s)
    same = [s for s in known if s.epoch == stream.epoch and s.token == stream.token]
    if not same or not (late or same[0] is newest):
        raise _stale(batch, newest, now_s)
    if batch.last < same[0].seq and not late:
        raise refusal(Refusal.DIVERGED, "the node has fewer events than the hub", newest)
    return same[0]


def _stale(batch: RecordBatch, newest: StreamRow, now_s: float) -> HubError:
    if now_s - newest.heard_s < BOTH_ALIVE_S:
        return refusal(Refusal.CLONED, "another box speaks under the name of this node", newest)
    if batch.stream.epoch < newest.epoch:
        return refusal(Refusal.SUPERSEDED, "the node has begun a later epoch", newest)
    return refusal(Refusal.DIVERGED, "this epoch was begun by another state of the node", newest)


def refusal(reason: Refusal, detail: str, newest: StreamRow) -> HubError:
    """A refusal that tells the node where the hub stands."""
    return HubError(reason, detail, seq=newest.seq, epoch=newest.epoch)


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers above ``low`` up to ``high`` belong to ``epoch``."""

    epoch: int
    low: int
    high: int


class Numbering:
    """To which epoch each number belongs, as the epoch ``epoch`` sees it."""

    def __init__(self, streams: Iterable[StreamRow], epoch: int) -> None:
        self.spans: list[Span] = []
        high = _NO_END
        for each in sorted(streams, key=lambda each: -each.epoch):
            if each.epoch <= epoch and each.base < high:
                self.spans.append(Span(each.epoch, each.base, high))
                high = each.base
        last = self.spans[-1]  # what came before the first epoch known here
        self.spans[-1] = Span(last.epoch, 0, last.high)

    def owner(self, seq: int) -> int:
        """The epoch of a number."""
        return next(span.epoch for span in self.spans if span.low < seq)

    def above(self, seq: int) -> list[Span]:
        """Spans that hold numbers above ``seq``, cut to those."""
        kept = (s for s in self.spans if s.high > seq)
        return [Span(s.epoch, max(s.low, seq), s.high) for s in kept]


def contiguous(mark: int, have: set[int]) -> int:
    """The number up to which nothing is missing, from ``mark`` on."""
    while mark + 1 in have:
        mark += 1
    return mark
