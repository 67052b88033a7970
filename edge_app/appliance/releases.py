"""Which release of Ghalla a box uses, and how the one before it comes back.

``box/update/state.json`` says where the box stands; the links ``current`` (what the node runs) and
``steady`` (what the updater runs: the last release that has proved itself) follow it.  The state is
replaced in one step when a release is whole on the disk, so that a power cut leaves the old one or
the new one.  A new release is *installed*, *probed*, *on trial*, then *confirmed* or rolled back.

The steps are pure: each takes a :class:`Releases` and gives the next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_app.appliance.layout import Layout
from field_data.errors import KeeperError
from field_data.files import exclusive, make_folder, remove_leftovers, sync_folder, write_atomic
from field_data.ids import new_id

MAX_TRIES = 3
STEADY = "steady"
_STATE = "state.json"
_TRIAL = "on-trial"
_SCHEMA = 1
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}([a-z]{1,3}\d{1,4})?(\+[a-z0-9]{1,20})?")
_MOST_REFUSED = 50


@dataclass(frozen=True, slots=True)
class Why:
    """Why a release is not in use: a stable ``code`` and an English ``reason``."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Releases:
    """Where a box stands; releases are named by their version, "" is none.

    active: what runs.  previous: what comes back.  trial: ``active`` has not proved itself yet.
    starts: how often the node began on trial.  candidate: installed, waits for its turn; probed:
    it has worked on a copy.  seen: the highest number of a bundle ever installed; ``newest`` is the
    release that it brought, ``digest`` the SHA-256 of its signed words.  refused: what failed here.
    """

    active: str = ""
    previous: str = ""
    trial: bool = False
    starts: int = 0
    candidate: str = ""
    probed: bool = False
    seen: int = 0
    newest: str = ""
    digest: str = ""
    refused: Mapping[str, Why] = field(default_factory=dict)

    @property
    def steady(self) -> str:
        """The last release that has proved itself."""
        return self.previous if self.trial and self.previous else self.active

    @property
    def kept(self) -> frozenset[str]:
        """Releases that may be wanted yet."""
        return frozenset({self.active, self.previous, self.candidate} - {""})


Step = Callable[[Releases], Releases]


def installed(state: Releases, version: str, number: int, digest: str) -> Releases:
    """``version`` is whole on the disk; it came in the bundle of that number."""
    refused = {each: why for each, why in state.refused.items() if each != version}
    came = {"seen": number, "newest": version, "digest": digest}
    return replace(state, candidate=version, probed=False, refused=refused, **came)  # type: ignore[arg-type]


def probed(state: Releases, version: str) -> Releases:
    """The candidate works on a copy of the store."""
    return replace(state, probed=True) if state.candidate == version else state


def switched(state: Releases) -> Releases:
    """The probed candidate is in use, on trial; one that was on trial is nobody's previous."""
    if not state.candidate or not state.probed:
        return state
    return replace(
        state,
        active=state.candidate,
        previous=state.steady,
        trial=True,
        starts=0,
        candidate="",
        probed=False,
    )


def begun(state: Releases) -> Releases:
    """Before a start of the node on trial; the third in vain was the last."""
    if not state.trial:
        return state
    if state.starts >= MAX_TRIES:
        why = Why("release_crashed", f"the node began {state.starts} times and never stood")
        return failed(state, state.active, why)
    return replace(state, starts=state.starts + 1)


def stood(state: Releases) -> Releases:
    """The node of the release on trial has answered: the starts so far were not in vain."""
    return replace(state, starts=0) if state.trial else state


def confirmed(state: Releases, version: str) -> Releases:
    """``version`` has proved itself; the one before stays, for the keeper."""
    return replace(state, trial=False, starts=0) if state.active == version else state


def failed(state: Releases, version: str, why: Why) -> Releases:
    """``version`` stays off; if it was on trial, the one before it is in use again."""
    kept = dict(list(state.refused.items())[-_MOST_REFUSED:])
    state = replace(state, refused={**kept, version: why})
    if state.candidate == version:
        state = replace(state, candidate="", probed=False)
    return rolled_back(state) if state.active == version else state


def rolled_back(state: Releases) -> Releases:
    """The release before is in use again, without a trial; unchanged where there is none."""
    if not state.previous:
        return replace(state, trial=False, starts=0)
    return replace(state, active=state.previous, previous="", trial=False, starts=0)


def adopted(state: Releases, version: str) -> Releases:
    """Somebody with the box in hand installed ``version``; what was ever seen and refused stays."""
    refused = {each: why for each, why in state.refused.items() if each != version}
    came = {"seen": state.seen, "newest": state.newest, "digest": state.digest}
    return Releases(active=version, refused=refused, **came)  # type: ignore[arg-type]


def is_version(text: str) -> bool:
    """Whether a release can be called so; ask before using one in a path."""
    return _VERSION.fullmatch(text) is not None


class ReleaseStore:
    """The state and the links of one box."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.folder = layout.box / "update"

    def read(self) -> Releases:
        """Where the box stands; before the first update, what the installer's link says.

        Raises:
            KeeperError: ``update_state_damaged``.
        """
        path = self.folder / _STATE
        try:
            return _from_json(path.read_bytes())
        except FileNotFoundError:
            return Releases(active=self._linked("current"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise KeeperError(
                "update_state_damaged", f"{path}: {error!r}; install the box again"
            ) from error

    def change(self, step: Step) -> Releases:
        """Take one step, durably, and let the links follow."""
        make_folder(self.folder)
        with exclusive(self.folder / f"{_STATE}.lock"):
            before = self.read()
            after = step(before)
            if after != before:
                write_atomic(self.folder / _STATE, _to_json(after))
            self._follow(after)
            return after

    def adopt(self, version: str) -> Releases:
        """Use a release that the installer has put there whole, without a trial.

        A damaged state is begun anew: that is the way out of ``update_state_damaged``.

        Raises:
            KeeperError: ``release_missing``: there is no release of that name; nothing changes.
        """
        folder = self.layout.release(version)
        if not is_version(version) or not folder.is_dir():
            raise KeeperError("release_missing", f"{folder} is missing")
        try:
            self.read()
        except KeeperError:
            (self.folder / _STATE).unlink()
        return self.change(lambda state: adopted(state, version))

    def settle(self) -> Releases:
        """After a power cut: the links are as the state says, half things are gone."""
        state = self.change(lambda same: same)
        remove_leftovers(self.folder)
        for path in self.layout.code.glob(".*.link"):
            path.unlink(missing_ok=True)
        return state

    def _follow(self, state: Releases) -> None:
        self._link(STEADY, state.steady)
        self._link("current", state.active)
        trial = self.folder / _TRIAL
        if state.trial and not trial.exists():
            write_atomic(trial, state.active.encode())
        elif not state.trial and trial.exists():
            trial.unlink()
            sync_folder(self.folder)

    def _link(self, name: str, version: str) -> None:
        """Exchange a link in one step; it never leads to what is not there."""
        if not version or self._linked(name) == version:
            return
        if not self.layout.release(version).is_dir():
            raise KeeperError("release_missing", f"{self.layout.release(version)} is missing")
        fresh = self.layout.code / f".{new_id()}.link"
        fresh.symlink_to(Path("releases") / version)
        fresh.replace(self.layout.code / name)
        sync_folder(self.layout.code)

    def _linked(self, name: str) -> str:
        try:
            return (self.layout.code / name).readlink().name
        except OSError:
            return ""


def begin(layout: Layout) -> Releases:
    """What is done before every start of the node, by the steady release: tries are counted.

    Never raises for what is on the disk: the node starts with what ``current`` leads to.
    """
    store = ReleaseStore(layout)
    try:
        state = store.read()
        return store.change(begun) if state.trial else store.settle()
    except (KeeperError, OSError):
        return Releases()


def _to_json(state: Releases) -> bytes:
    return json.dumps({"schema": _SCHEMA, **asdict(state)}, indent=1).encode()


def _from_json(data: bytes) -> Releases:
    said: dict[str, Any] = json.loads(data)
    if said.pop("schema") != _SCHEMA:
        raise ValueError("another schema")
    refused = {version: Why(**why) for version, why in said["refused"].items()}
    state = Releases(**{**said, "refused": refused})
    numbers_fine = all(type(n) is int and n >= 0 for n in (state.starts, state.seen))
    flags_fine = all(type(f) is bool for f in (state.trial, state.probed))
    if not numbers_fine or not flags_fine or not all(map(is_version, state.kept)):
        raise ValueError("a word is none")
    return state
