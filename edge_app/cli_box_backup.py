"""``ghalla box backup``: a home on a stick, and back on a new card (docs/backup.md)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_box import ROOT, box
from edge_app.cli_common import HOME, JSON, guarded, say
from field_data.errors import KeeperError, PersonError

if TYPE_CHECKING:
    from edge_app.appliance.backup import Backups
    from edge_app.appliance.backup_list import Backup

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
STICK = click.option(
    "--stick", type=_FOLDER, help="Where the stick is mounted (default: the one plugged in; root)."
)
PASSPHRASE = click.option(
    "--passphrase-file", type=click.File("r"), help="The passphrase; - for what is typed."
)
_MB = 1_000_000


@box.group()
def backup() -> None:
    """Encrypted backups of a node on a USB stick, and the way back onto a new card."""


@backup.command()
@HOME
@PASSPHRASE
@click.option("--recipient", multiple=True, help="Public line of a holder (backup holder); also.")
@JSON
def setup(home: Path, passphrase_file: Any, recipient: tuple[str, ...], as_json: bool) -> None:
    """Say who can open this node's backups from now on: a passphrase, holders of keys, or both."""

    def action() -> None:
        from edge_app.appliance.backup_keys import kept_key, public_line, set_passphrase
        from edge_app.health import store_of

        store_of(home)
        words = None if passphrase_file is None else _words(passphrase_file)
        set_passphrase(home, words, [public_line(each) for each in recipient])
        key = kept_key(home)
        said = {"set": key.set if key else "", "holders": len(recipient)}
        say(said, as_json, "Note the passphrase on paper: without it no backup opens.")

    guarded(as_json, action)


@backup.command()
@click.argument("out", type=_FILE)
@JSON
def holder(out: Path, as_json: bool) -> None:
    """Make a key of a holder, who can open backups without the passphrase; OUT is the secret."""

    def action() -> None:
        from edge_app.appliance.backup_keys import new_holder

        line = new_holder(out)
        say({"secret": str(out), "public": line}, as_json, line)

    guarded(as_json, action)


@backup.command()
@HOME
@STICK
@click.option("--keep", type=click.IntRange(1), default=7, show_default=True,
              help="Backups that stay on the stick.")  # fmt: skip
@JSON
def create(home: Path, stick: Path | None, keep: int, as_json: bool) -> None:
    """Save the home now; a running node goes on."""

    def action() -> None:
        with _backups(home, stick) as backups:
            made = backups.create(keep)
        text = (f"Backup {made.number}: {made.files} files, {made.read // _MB} MB; "
                f"{made.bytes // _MB} MB written, {made.repaired} pieces mended")  # fmt: skip
        say(asdict(made), as_json, text)

    guarded(as_json, action)


@backup.command(name="list")
@HOME
@STICK
@PASSPHRASE
@JSON
def list_(home: Path, stick: Path | None, passphrase_file: Any, as_json: bool) -> None:
    """The backups on a stick: of this node, or what a passphrase opens."""

    def action() -> None:
        with _found(home, stick, passphrase_file) as backups:
            listed = backups.all()
        said = [_told(each) for each in listed]
        lines = [f"{t['number']:6}  {t['at']}  {t['files']} files, {t['mb']} MB" for t in said]
        say({"backups": said}, as_json, "\n".join(lines) or "No backup is there.")

    guarded(as_json, action)


@backup.command()
@HOME
@STICK
@PASSPHRASE
@click.option("--number", type=click.IntRange(1), help="Which one (default: the newest).")
@JSON
def verify(
    home: Path, stick: Path | None, passphrase_file: Any, number: int | None, as_json: bool
) -> None:
    """Read a backup back, every piece; nothing is written."""

    def action() -> None:
        with _found(home, stick, passphrase_file) as backups:
            chosen = backups.read(number) if number else _newest(backups)
            wrong = backups.verify(chosen)
        if wrong:
            raise KeeperError("backup_damaged", f"{len(wrong)} pieces are damaged: {wrong[:3]}")
        say(_told(chosen), as_json, f"Backup {chosen.number} is whole: {len(chosen.objects)} "
                                    f"pieces, {chosen.bytes // _MB} MB")  # fmt: skip

    guarded(as_json, action)


@backup.command()
@HOME
@STICK
@PASSPHRASE
@click.option("--key", type=_FILE, help="A holder's secret key, instead of the passphrase.")
@click.option("--number", type=click.IntRange(1), help="Which one (default: the newest).")
@click.option("--node", default="", help="Whose, where a stick holds several nodes' backups.")
@click.option("--replace", is_flag=True, help="Set aside what lies in the home now.")
@JSON
def restore(
    home: Path, stick: Path | None, passphrase_file: Any, key: Path | None, number: int | None,
    node: str, replace: bool, as_json: bool,
) -> None:  # fmt: skip
    """Put a home back from a stick; the node must not run.  It goes on, in a new epoch."""

    def action() -> None:
        from edge_app.appliance.backup_keys import read_secret
        from edge_app.appliance.restoring import find
        from edge_app.appliance.restoring import restore as put_back
        from edge_app.appliance.sticks import give_to_node

        secret = read_secret(key) if key else None
        words = None if key else _words(passphrase_file)
        with _stick(stick) as folder:
            found = find(folder, words, secret, number=number, node=node)
            aside = put_back(found, home.absolute(), replace=replace, say=_bar(found.backup.bytes))
        give_to_node(home)
        said = {**_told(found.backup), "aside": str(aside or "")}
        say(said, as_json, f"{home}: node {found.backup.node} of {said['at']} is back; start it. "
                           "It goes on in a new epoch.")  # fmt: skip

    guarded(as_json, action)


@backup.command()
@ROOT
@JSON
def run(root: Path, as_json: bool) -> None:
    """Back the box up on the stick that is plugged in; what the service does (root)."""

    def action() -> None:
        from edge_app.appliance.layout import Layout
        from edge_app.appliance.saving import save

        said = save(Layout(root))
        say(said, as_json, f"{said['code'] or 'saved'} {said.get('reason', '')}".rstrip())

    guarded(as_json, action)


# --- what the verbs share ---------------------------------------------------------------------


def _words(file: Any) -> str:
    if file is None and not sys.stdin.isatty():
        raise PersonError("no_passphrase", "say --passphrase-file FILE, or - for what is typed")
    text = (
        click.prompt("Passphrase", hide_input=True, err=True) if file is None else file.readline()
    )
    return str(text).strip("\r\n")


@contextmanager
def _stick(stick: Path | None) -> Iterator[Path]:
    if stick is not None:
        if not stick.is_dir():
            raise KeeperError("no_stick", f"{stick} is no folder")
        yield stick
        return
    from edge_app.appliance.sticks import plugged_in

    with plugged_in() as folder:
        yield folder


@contextmanager
def _backups(home: Path, stick: Path | None) -> Iterator[Backups]:
    from edge_app.appliance.backup import Backups
    from edge_app.health import store_of

    store_of(home)
    with _stick(stick) as folder:
        yield Backups(home, folder)


@contextmanager
def _found(home: Path, stick: Path | None, passphrase_file: Any) -> Iterator[Backups]:
    """The backups of this node, or those that a passphrase opens."""
    if passphrase_file is None:
        with _backups(home, stick) as backups:
            yield backups
        return
    from edge_app.appliance.backup import Backups
    from edge_app.appliance.restoring import find

    with _stick(stick) as folder:
        yield Backups(home, folder, find(folder, _words(passphrase_file)).key)


def _newest(backups: Backups) -> Backup:
    listed = backups.all()
    if not listed:
        raise PersonError("no_backup", "no backup of this node is there")
    return listed[-1]


def _told(found: Backup) -> dict[str, Any]:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(found.at_s, UTC).isoformat(timespec="minutes")
    return {"number": found.number, "node": found.node, "at": at, "trust": found.trust,
            "software": found.software, "files": len(found.files), "mb": found.bytes // _MB,
            "bytes": found.bytes}  # fmt: skip


def _bar(total: int) -> Callable[[int], None]:
    """For people who watch, once it takes longer than two seconds."""
    from tqdm import tqdm

    shown = tqdm(total=total, unit="B", unit_scale=True, delay=2, disable=not sys.stderr.isatty(),
                 file=sys.stderr)  # fmt: skip
    return lambda more: (shown.update(more), None)[1]
