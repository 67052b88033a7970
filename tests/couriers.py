"""What carries a node's records in tests: the node's own uplink, over a line that may be bad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from edge_app.uplink import Uplinks
from field_data.errors import KeeperError
from sync.client import Patience
from sync.hub.app import Hub
from sync.hub.enrolment import new_code
from sync.transport import Allowance, HubAddress
from tests.bad_line import ADDRESS, BadLine, BadLink
from tests.boxes import Box

_HASTE = Patience(attempts=3, sleep=lambda _seconds: None, chance=lambda: 0.0)


def rendered(jpeg: bytes, name: str) -> bytes:
    """In place of an AVIF, which takes long to make: the bytes of the photo itself, labelled."""
    return name.encode() + jpeg[: 1500 if name == "thumb" else None]


class Courier:
    """Sends what the node of ``box`` has over ``line``."""

    def __init__(self, box: Box, line: BadLine) -> None:
        self._box, self._line = box, line
        self.uplinks = Uplinks(box.ground, rendered)

    def restart(self) -> None:
        """The node starts again, from what is in its home now."""
        self._box.open()
        self.uplinks = Uplinks(self._box.ground, rendered)

    def enrol(self, hub: Hub) -> None:
        """Let in by a code."""
        with self._over_the_line():
            code = new_code(hub.database, "Coop", "Meknes")
            self.uplinks.enrol(HubAddress(ADDRESS, insecure=True), code, "node")

    def run(self, max_bytes: int | None = None) -> str:
        """One run; the code of what stopped it, "" when all is sent."""
        with self._over_the_line():
            try:
                return self.uplinks.run("", Allowance(bytes=max_bytes), patience=_HASTE).reason
            except KeeperError as error:
                return error.code

    @contextmanager
    def _over_the_line(self) -> Iterator[None]:
        def link(_: HubAddress, allowance: Allowance | None = None) -> BadLink:
            return BadLink(self._line, allowance)

        with patch("edge_app.uplink.Link", link):
            yield
