"""Records on a tablet while everything fails: ``python -m tests.journeys.chaos --records 500``.

The line cuts a fifth of the replies after the request has reached the node, the node is killed
(``kill -9``) and started again, the browser is closed and opened again, all at random moments.
What the tablet said it had kept must be on the node once: nothing lost, nothing doubled.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

from edge_app import webassets
from field_data.events import REFUSED
from tests.cutting_proxy import CuttingProxy
from tests.serving import ServedNode
from tests.tablets import Agent, Tablet, agent_of, opened, photo, records_of

CUT_SHARE = 0.2
# One visit in so many is made by tapping, the others through the app's own modules, to save time.
TAPPED = 10
_RECORD = """
async ([seed, author]) => {
  const base = new URL('.', document.querySelector('script[type=module]').src);
  const [db, photos, fill, sync, land] = await Promise.all(
    ['db', 'photos', 'fill', 'sync', 'land'].map((name) => import(new URL(name + '.js', base))));
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
  const pen = canvas.getContext('2d');
  for (let n = 0; n < 60; n++) {
    pen.fillStyle = `hsl(${(seed * 37 + n * 53) % 360} 60% ${20 + ((seed + n * 7) % 60)}%)`;
    pen.fillRect((n * 97 + seed * 13) % 600, (n * 61 + seed * 29) % 440, 60, 40);
  }
  pen.fillText(String(seed), 20, 20);
  const blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.9));
  const small = await photos.shrunk(new File([blob], 'a.jpg', { type: 'image/jpeg' }));
  const form = (await db.meta('forms')).said.forms.find((each) => each.id === 'scouting');
  const { fields } = await land.land();
  const draft = await fill.begin(form, [...fields.values()][seed % fields.size], author);
  const answers = { stage: 'bbch6', condition: 'healthy', plants: 20, photos: [small.sha256] };
  Object.assign(draft.values, answers);
  draft.photos = [small.sha256];
  await db.attachPhoto(draft, small);
  await fill.keep(draft, draft.values);
  sync.sync();
}
"""


@dataclass
class Outcome:
    """What came of a run."""

    kept: int
    arrived: int
    doubled: int
    refused: int
    photos: int
    kills: int
    closings: int
    replies: int
    cut: int
    seconds: float

    @property
    def lost(self) -> int:
        """Kept on the tablet and not on the node."""
        return self.kept - self.arrived

    def __str__(self) -> str:
        return (
            f"{self.kept} records kept on the tablet, {self.arrived} on the node: "
            f"{self.lost} lost, {self.doubled} doubled, {self.refused} refused; "
            f"{self.photos} photos; {self.cut} of {self.replies} replies cut, "
            f"node killed {self.kills} times, browser closed {self.closings} times; "
            f"{self.seconds:.0f} s"
        )


class Chaos:
    """One run in ``folder``: ``records`` visits, ``seed`` decides what fails when."""

    def __init__(self, playwright: Playwright, folder: Path, records: int, seed: int) -> None:
        self._playwright = playwright
        self._folder = folder
        self._records = records
        self._random = random.Random(seed)
        self._agent: Agent = agent_of(folder / "home")
        self._proxy = CuttingProxy(0.0, seed)
        self.kills = self.closings = 0

    def run(self) -> Outcome:
        """Record, fail, come back, send; then look at both ends."""
        started = time.monotonic()
        self._start()
        with self._proxy:
            tablet = self._tablet(self._agent.token)
            tablet.settled()
            self._proxy.share = CUT_SHARE
            for seed in range(self._records):
                self._record(tablet, seed)
                tablet = self._fail(tablet)
            states = self._send_all(tablet)
            tablet.close()
            self._node.stop()
        return self._outcome(states, time.monotonic() - started)

    def _start(self) -> None:
        self._node = ServedNode(self._agent.home)
        self._proxy.target = int(self._node.address.rsplit(":", 1)[1])

    def _tablet(self, token: str = "") -> Tablet:
        profile = self._folder / "profile"
        tablet = Tablet(self._playwright, profile, self._proxy.address, token)
        tablet.open()
        return tablet

    def _record(self, tablet: Tablet, seed: int) -> None:
        if seed % TAPPED == 0:
            tablet.visit("Parcelle 2", [photo(seed)])
        else:
            tablet.page.evaluate(_RECORD, [seed, self._agent.id])

    def _fail(self, tablet: Tablet) -> Tablet:
        """Maybe kill the node, maybe close the browser, each a few times in a run."""
        often = min(0.15, 12 / self._records)
        if self._random.random() < often:
            time.sleep(self._random.random())
            self._node.kill()
            self.kills += 1
            self._start()
            self._nudge(tablet)
        if self._random.random() < often:
            time.sleep(self._random.random())
            tablet.close()
            self.closings += 1
            return self._tablet()
        return tablet

    @staticmethod
    def _nudge(tablet: Tablet) -> None:
        tablet.page.evaluate("window.dispatchEvent(new Event('online'))")

    def _send_all(self, tablet: Tablet) -> Counter[str]:
        """Until nothing waits; the states of the tablet's observations then."""
        end = time.monotonic() + 60 + 2 * self._records
        tablet.page.evaluate("location.hash = '#/'")
        while tablet.unsent() or not tablet.page.query_selector("#state.idle"):
            assert time.monotonic() < end, f"{tablet.unsent()} records never arrived"
            if tablet.page.query_selector("#state.unreachable, #state.trouble"):
                self._nudge(tablet)
            time.sleep(0.3)
        return Counter(
            tablet.page.evaluate(
                """async () => {
                  const base = new URL('.', document.querySelector('script[type=module]').src);
                  const db = await import(new URL('db.js', base));
                  return (await db.records()).filter((each) => each.event.kind === 'observation')
                    .map((each) => each.state);
                }"""
            )
        )

    def _outcome(self, states: Counter[str], seconds: float) -> Outcome:
        there = records_of(self._agent.home)
        shown = Counter(sha for event in there for sha in event.photos)
        store, _ = opened(self._agent.home)
        with store:
            refused = len(store.table(REFUSED)) + states["refused"]
        return Outcome(
            kept=states.total(),
            arrived=len({event.id for event in there}),
            doubled=len(there) - len(shown),
            refused=refused,
            photos=len(shown),
            kills=self.kills,
            closings=self.closings,
            replies=self._proxy.replies,
            cut=self._proxy.cut,
            seconds=seconds,
        )


def main() -> None:
    """Run once and print; exit code 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    webassets.compile_catalogues()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        outcome = Chaos(playwright, Path(folder), chosen.records, chosen.seed).run()
    print(outcome)
    raise SystemExit(bool(outcome.lost or outcome.doubled or outcome.refused))


if __name__ == "__main__":
    main()
