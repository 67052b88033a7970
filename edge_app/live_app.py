"""The pages of a running node, exchanged while people read them: cards, forms, translations.

When other bundles come into use, a second application is made beside the first; only when it has
answered a round of requests do the people see it, and the first is kept until the second has stood
its first minutes.  Whatever fails on the way brings the first back, with the reason.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

from edge_app.advice import Advice
from edge_app.appliance.software import SOFTWARE, settle_software
from edge_app.bundle_models import has_answered, settle_models
from edge_app.bundle_place import place_of
from edge_app.bundles_node import NodeBundles
from edge_app.home_advice import advice_of
from edge_app.home_forms import forms_of
from edge_app.languages import LANGS
from edge_app.web import create_app
from field_data.errors import GhallaError
from models.registry import state_file
from sync.slots import BUNDLES, Slot, Why, stood

if TYPE_CHECKING:
    from edge_app.node import FarmNode

# How often a running node looks for other bundles, and how it looks after one on trial.
LOOK_S = 2.0
CHECK_S = 20.0
TRIAL_S = 300.0
PAGES = ("advice", "translations", "forms")
_CARDS_TRIED = 12
_log = logging.getLogger(__name__)
_Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def trouble_of(app: Flask, advice: Advice) -> str | None:
    """What is wrong with the pages, after a round of requests; None: nothing."""
    step = max(1, len(advice.cards) // _CARDS_TRIED)
    cards = [f"card/{card.id}" for card in advice.cards[::step]]
    crops = [f"crop/{crop.code}" for crop in advice.crops[:3]]
    client = app.test_client()
    for lang in LANGS:
        for page in ("", "privacy", "staff/login", *cards, *crops):
            answer = client.get(f"/{lang}/{page}")
            if answer.status_code not in (200, 302):
                return f"/{lang}/{page} answers {answer.status_code}"
    return None


class _Door:
    """What the server calls: one application or the other."""

    def __init__(self, inner: _Wsgi) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.inner(environ, start_response)


class LiveApp:
    """The application of a node.  ``app`` is what the server is given, once."""

    def __init__(self, node: FarmNode, advice: Advice) -> None:
        self._node, self._home = node, node.home
        self.bundles = NodeBundles(node.home, place_of(node.home, node.id))
        self._seen, self._versions = self._stamp(), self._in_use()
        self._advice, self._forms = advice, node.ground.forms
        self.app = self._current = create_app(node, advice, self._catalogues())
        self._door = _Door(self.app.wsgi_app)
        self.app.wsgi_app = self._door  # type: ignore[method-assign]
        self._since = self._checked = time.monotonic()
        self._stood = False

    def look(self) -> None:
        """Once in a while: switch where the state says so, look after what is on trial."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._switch()
        if not self._stood:
            self._stand()
        moment = time.monotonic()
        if moment - self._checked >= CHECK_S:
            self._checked = moment
            settle_software(self.bundles)
            self.look_after(moment - self._since >= TRIAL_S)

    def _stand(self) -> None:
        """Right after a start: what is on trial has not kept the node from serving."""
        self._stood = True
        self.look_after(long_enough=False)
        for kind, name in self._trials():
            self.bundles.slots.change(kind, name, stood)

    def look_after(self, long_enough: bool) -> None:
        """Check the health of what is on trial; what has stood its first minutes is confirmed."""
        trials = self._trials()
        if not trials:
            return
        models = [name for kind, name in trials if kind == "model"]
        if models:
            self._node.examine_model()
            settle_models(self.bundles)
        others = [each for each in trials if each[0] != "model"]
        problem = self._health() if others else None
        if problem:
            self._fall({key: trials[key] for key in others}, problem)
        elif long_enough:
            self._confirm(trials)

    def _confirm(self, trials: Mapping[tuple[str, str], int]) -> None:
        still = self._trials()  # a model that failed just now is on trial no more
        for key in [key for key, version in trials.items() if still.get(key) == version]:
            if key[0] != "model" or has_answered(self.bundles, key[1]):
                self.bundles.confirm(*key, trials[key])

    def _health(self) -> str | None:
        try:
            return trouble_of(self._current, self._advice)
        except Exception as error:  # a page may fail in any way at all
            return f"{type(error).__name__}: {error}"

    def _trials(self) -> dict[tuple[str, str], int]:
        """The versions on trial; of pages only those that people see already.

        Not of the software: what becomes of it is not for itself to say.
        """
        slots = [each for each in self._slots().items() if each[0][0] != SOFTWARE]
        trials = {key: slot.active for key, slot in slots if slot.trial}
        seen = self._versions
        return {k: v for k, v in trials.items() if k[0] not in PAGES or seen.get(k) == v}

    def _slots(self) -> dict[tuple[str, str], Slot]:
        try:
            return self.bundles.slots.all()
        except GhallaError as error:
            _log.error("%s: %s", error.code, error)
            return {}

    def _in_use(self) -> dict[tuple[str, str], int]:
        return {key: s.active for key, s in self._slots().items() if key[0] in PAGES and s.active}

    def _switch(self) -> None:
        versions = self._in_use()
        self._since = time.monotonic()
        if versions == self._versions:
            settle_models(self.bundles)
            return
        changed = dict(versions.items() - self._versions.items())
        try:
            self._open()
        except Exception as error:  # whatever it is, these versions do not work here
            if changed:
                self._fall(changed, f"{type(error).__name__}: {error}")
                return
            _log.exception("the pages before go on")
        self._versions = versions

    def _open(self) -> None:
        """Make the application that the state asks for, try it, and let people in.

        Raises:
            Exception: it does not work; the one before goes on.
        """
        advice, (forms, _) = advice_of(self._home), forms_of(self._home)
        app = create_app(self._node, advice, self._catalogues())
        app.extensions["ghalla_tls"] = self.app.extensions.get("ghalla_tls")
        before = self._advice, self._forms
        self._node.speak(advice, forms)
        try:
            problem = trouble_of(app, advice)
            if problem:
                raise RuntimeError(problem)
        except Exception:
            self._node.speak(*before)
            raise
        self._advice, self._forms, self._current = advice, forms, app
        self._door.inner = app.wsgi_app
        gc.collect()  # the application before is a web of cycles, some megabytes

    def _fall(self, changed: Mapping[tuple[str, str], int], problem: str) -> None:
        """Go back to the versions before; what people see changes when that works."""
        for (kind, name), version in changed.items():
            _log.error("bundle %s/%s %s is switched off: %s", kind, name, version, problem)
            self.bundles.fall(kind, name, version, Why("bundle_unhealthy", problem))
        self._seen = self._stamp()
        if self._in_use() != self._versions:
            self._switch()

    def _catalogues(self) -> list[Path]:
        return self.bundles.slots.in_use("translations")

    def _stamp(self) -> list[tuple[int, int] | None]:
        return [_stamp(self._home / BUNDLES / "state.json"), _stamp(state_file(self._home))]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


@contextmanager
def watching(look: Callable[[], None]) -> Iterator[None]:
    """Call ``look`` every `LOOK_S` in the background while inside; what fails is logged."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(LOOK_S):
            try:
                look()
            except Exception:  # the pages go on
                _log.exception("bundles")

    thread = threading.Thread(target=work, name="bundles", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
