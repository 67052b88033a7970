"""``ghalla box update``: releases of Ghalla itself on this box (docs/updates.md)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edge_app.cli_box import ROOT, box
from edge_app.cli_common import JSON, guarded, say
from field_data.errors import KeeperError, PersonError

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@box.group()
def update() -> None:
    """Releases of Ghalla itself: taken in signed, tried, and back by themselves if they fail."""


@update.command()
@ROOT
@JSON
def run(root: Path, as_json: bool) -> None:
    """Do what is asked for, or go on where the power failed; what the service does (root)."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from edge_app.appliance.machine import Box
        from edge_app.appliance.updating import Updater

        layout = Layout(root)
        outcome = Updater(layout, Box(layout)).run()
        say(asdict(outcome), as_json, f"{outcome.code or 'ready'} {outcome.version} "
                                      f"{outcome.reason}".rstrip())  # fmt: skip

    guarded(as_json, action)


@update.command()
@ROOT
@JSON
def status(root: Path, as_json: bool) -> None:
    """Which release is in use, on trial, waiting, refused; and what was done last."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from edge_app.appliance.releases import ReleaseStore
        from edge_app.appliance.software import read_outcome

        layout = Layout(root)
        state, last = ReleaseStore(layout).read(), read_outcome(layout)
        said = {**asdict(state), "last": last}
        lines = [f"in use: {state.active or 'none'}{' (on trial)' if state.trial else ''}"]
        lines += [f"before: {state.previous}"] if state.previous else []
        lines += [f"waits for a quiet moment: {state.candidate}"] if state.candidate else []
        lines += [f"refused: {v}: {w.code}: {w.reason}" for v, w in state.refused.items()]
        lines += [f"last: {last.get('code')} {last.get('version')}"] if last else []
        say(said, as_json, "\n".join(lines))

    guarded(as_json, action)


@update.command()
@ROOT
@JSON
@click.argument("bundle", type=_FILE)
def take(root: Path, as_json: bool, bundle: Path) -> None:
    """Hand BUNDLE (.ghb of software) to the updater, which tries it and switches by itself."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from edge_app.appliance.requests import ask
        from edge_app.appliance.software import HANDED, REQUEST
        from field_data.files import replacing

        layout = _box(Layout(root))
        try:
            with bundle.open("rb") as file, replacing(layout.requests / HANDED) as out:
                while chunk := file.read(1 << 20):
                    out.write(chunk)
        except FileNotFoundError as error:
            raise PersonError("no_such_file", f"cannot read {bundle}") from error
        ask(layout, REQUEST, verb="install")
        say({"asked": str(bundle)}, as_json, f"{bundle}: handed to the updater")

    guarded(as_json, action)


@update.command()
@ROOT
@JSON
def back(root: Path, as_json: bool) -> None:
    """Ask the updater to use the release before again."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from edge_app.appliance.releases import ReleaseStore
        from edge_app.appliance.requests import ask
        from edge_app.appliance.software import REQUEST

        layout = _box(Layout(root))
        before = ReleaseStore(layout).read().previous
        if not before:
            raise PersonError("nothing_to_roll_back", "there is no release before this one")
        ask(layout, REQUEST, verb="back")
        say({"asked": before}, as_json, f"{before} was asked for")

    guarded(as_json, action)


@update.command()
@ROOT
@JSON
@click.argument("version")
def adopt(root: Path, as_json: bool, version: str) -> None:
    """Use the release VERSION that the installer put there; what the installer does (root)."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from edge_app.appliance.releases import ReleaseStore

        state = ReleaseStore(Layout(root)).adopt(version)
        say(asdict(state), as_json, f"{state.active} is in use")

    guarded(as_json, action)


@update.command()
@ROOT
@JSON
@click.argument("roots", type=_FILE)
def trust(root: Path, as_json: bool, roots: Path) -> None:
    """Believe the publishers of software that ROOTS names, from the first root on (root)."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from sync.roots import read_chain, root_of, trust_first, update_root

        etc, chain = Layout(root).etc, read_chain(roots)
        if root_of(etc) is None:
            trust_first(etc, chain[-1])
        else:
            update_root(etc, chain)
        now = root_of(etc)
        version = now.root.version if now else 0
        say({"root": version}, as_json, f"root {version} is believed by this box")

    guarded(as_json, action)


@update.command()
@click.option("--version", required=True, help="Name of the release, as 0.2.0.")
@click.option("--python", required=True, help="The Python that the wheels are for, as 3.13.")
@click.option("--arch", required=True, help="The machine that they are for, as aarch64.")
@click.option("--number", type=click.IntRange(1), help="Only grows (default: the time in s).")
@click.option("--out", type=_FILE, required=True, help="The bundle to write (.ghb).")
@JSON
@click.argument("wheels", type=_FOLDER)
def pack(
    version: str, python: str, arch: str, number: int | None, out: Path, as_json: bool, wheels: Path
) -> None:
    """Make an unsigned bundle of software of all WHEELS of one machine and Python."""

    def action() -> None:
        from edge_app.appliance.software import pack_release

        made = pack_release(wheels, out, version, python, arch, number)
        said = {"file": str(out), "name": made.name, "version": made.version,
                "bytes": out.stat().st_size}  # fmt: skip
        say(said, as_json, f"{out}: software/{made.name} {made.version}, {said['bytes']} bytes; "
                           "not signed")  # fmt: skip

    guarded(as_json, action)


def _box(layout: Any) -> Any:
    if not layout.requests.is_dir():
        raise KeeperError("no_box", f"no box is installed under {layout.root}")
    return layout
