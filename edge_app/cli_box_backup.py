"""``ghalla box backup``: a node's home on a stick, encrypted, and back on a new card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edge_app.cli_box import box
from edge_app.cli_common import HOME, JSON, guarded
from field_data.errors import PersonError

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.File("r", encoding="utf-8"),
    help="First line: the passphrase (- for standard input); asked for at the terminal otherwise.",
)


@box.group()
def backup() -> None:
    """Save all that a node knows, and bring it back."""


@backup.command()
@HOME
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--keep", default=3, show_default=True, type=click.IntRange(1), help="Newest kept.")
@PASSPHRASE
@JSON
def create(home: Path, folder: Path, keep: int, passphrase_file: Any, as_json: bool) -> None:
    """Write an encrypted backup into the folder of a stick; the node may run meanwhile."""

    def action() -> None:
        from edge_app.appliance import backup as made

        secret = _passphrase(passphrase_file, again=True)
        path = _watched(as_json, lambda say: made.create(home, folder, secret, say, keep=keep))
        size = path.stat().st_size
        told = {"file": str(path), "size": size, **asdict(made.about(path))}
        _say(as_json, told, f"{path} ({size} bytes)")

    guarded(as_json, action)


@backup.command(name="list")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@JSON
def list_backups(folder: Path, as_json: bool) -> None:
    """The backups in a folder, and what each says of itself."""

    def action() -> None:
        from edge_app.appliance import backup as made

        found: list[dict[str, Any]] = []
        for path in sorted(folder.glob(f"*{made.SUFFIX}")):
            try:
                found.append({"file": path.name, **asdict(made.about(path))})
            except PersonError as error:
                found.append({"file": path.name, "problem": str(error)})
        lines = [f"{e['file']}  {e.get('problem') or e['created']}" for e in found]
        _say(as_json, found, "\n".join(lines) or "no backups here")

    guarded(as_json, action)


@backup.command()
@FILE
@PASSPHRASE
@JSON
def verify(file: Path, passphrase_file: Any, as_json: bool) -> None:
    """Read a backup to its end, and say whether it is whole."""

    def action() -> None:
        from edge_app.appliance import backup as made

        secret = _passphrase(passphrase_file)
        count = _watched(as_json, lambda say: made.verify(file, secret, say))
        _say(as_json, {"files": count}, f"whole: {count} files")

    guarded(as_json, action)


@backup.command()
@FILE
@HOME
@PASSPHRASE
@JSON
def restore(file: Path, home: Path, passphrase_file: Any, as_json: bool) -> None:
    """Make the home of a backup; begins a new epoch at every hub that the node knows."""

    def action() -> None:
        from edge_app.appliance import backup as made

        secret = _passphrase(passphrase_file)
        count = _watched(as_json, lambda say: made.restore(file, home, secret, say))
        words = f"{count} files in {home}. The old card must not speak any more: destroy it."
        _say(as_json, {"files": count, "home": str(home)}, words)

    guarded(as_json, action)


def _passphrase(file: Any, again: bool = False) -> str:
    if file is not None:
        return str(file.readline(4096)).rstrip("\r\n")
    asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=again, err=True)
    return asked


def _watched(as_json: bool, work: Callable[[Callable[[int, int], None]], Any]) -> Any:
    """Do it with a bar, in mebibytes."""
    if as_json:
        return work(lambda _done, _all: None)
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, leave=False, delay=2) as bar:

        def say(done: int, whole: int) -> None:
            bar.total = whole
            bar.update(done - bar.n)

        return work(say)


def _say(as_json: bool, told: Any, words: str) -> None:
    click.echo(json.dumps(told, ensure_ascii=False) if as_json else words)
