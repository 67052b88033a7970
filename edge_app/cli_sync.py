"""``ghalla sync``: what goes up to a hub, over a link or on a USB stick, and what waits."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from field_data.errors import NetworkError, PersonError

if TYPE_CHECKING:
    from edge_app.uplink import Uplinks
    from edge_app.uplink_status import Status
    from sync.client import Progress, Run

URL = click.option("--hub", "url", default="", help="Address of the hub (default: the known one).")
# A run that ended for one of these did what it could.
_ENDED_WELL = ("", "budget_spent")


@click.group()
def sync() -> None:
    """Send what was recorded to a hub, and see what waits."""


@sync.command()
@HOME
@JSON
@click.option("--hub", "url", required=True, help="Address of the hub, https://…")
@click.option("--code", required=True, help="The code that the hub's keeper gave for this node.")
@click.option("--name", default="", help="What the hub calls this node (default: its host name).")
@click.option(
    "--ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Trust certificates of this authority (PEM) instead of the system's.",
)
@click.option("--pin", default="", help="Trust only the certificate of this SHA-256 (hex).")
@click.option("--insecure-http", is_flag=True, help="Allow http to another machine.")
def enrol(
    home: Path,
    as_json: bool,
    url: str,
    code: str,
    name: str,
    ca: Path | None,
    pin: str,
    insecure_http: bool,
) -> None:
    """Let this node in at a hub, once.  Makes the node's key."""

    def action() -> None:
        from sync.transport import HubAddress

        authority = ca.absolute() if ca else None
        address = HubAddress(url, authority, pin.replace(":", ""), insecure_http)
        with opened(home) as uplinks:
            told = uplinks.enrol(address, code, name)
        if as_json:
            click.echo(_json(told))
        else:
            click.echo(f"This node belongs to {told.organisation}, {told.region}.")
            click.echo(f"Next: ghalla sync run --hub {url} --home {home}")

    guarded(as_json, action)


@sync.command()
@HOME
@URL
@JSON
@click.option("--max-bytes", type=click.IntRange(1), help="Bytes on the wire, both ways.")
@click.option("--max-seconds", type=click.FloatRange(1), help="Seconds for all of it.")
def run(
    home: Path, url: str, as_json: bool, max_bytes: int | None, max_seconds: float | None
) -> None:
    """Send what waits: records first, then photos.  The next run goes on where this one ends."""

    def action() -> None:
        from sync.transport import Allowance

        with opened(home) as uplinks, _shown(as_json) as say:
            made = uplinks.run(url, Allowance(max_bytes, max_seconds), say)
            left = uplinks.status(url)
        if as_json:
            click.echo(json.dumps({**asdict(made), "left": asdict(left)}, ensure_ascii=False))
        else:
            click.echo(_sentence(made))
            _say_waiting(left)
        if made.reason not in _ENDED_WELL:
            raise NetworkError(made.reason, made.detail)

    guarded(as_json, action)


@contextmanager
def _shown(as_json: bool) -> Iterator[Any]:
    """Progress for people: one line that is written over."""
    watched = sys.stderr.isatty() and not as_json

    def say(progress: Progress) -> None:
        if watched:
            text = (
                f"\r{progress.records} records, {progress.photos} photos "
                f"({progress.photo_bytes / 1000:.0f} kB), {progress.wire_bytes / 1000:.1f} kB "
                "on the wire "
            )
            click.echo(text, nl=False, err=True)

    yield say
    if watched:
        click.echo("", err=True)


def _sentence(made: Run) -> str:
    wire = (made.bytes_up + made.bytes_down) / 1000
    done = (
        f"{made.records} records and {made.photos} photos are at the hub: {wire:.1f} kB, "
        f"{made.seconds:.1f} s"
    )
    return f"{done}. Stopped: {made.detail}" if made.reason else f"{done}."


@sync.command()
@HOME
@URL
@JSON
def status(home: Path, url: str, as_json: bool) -> None:
    """What waits, by kind, why, and how many bytes it needs; the last run and its reason."""

    def action() -> None:
        with opened(home) as uplinks:
            told = uplinks.status(url)
        if as_json:
            click.echo(_json(told))
            return
        click.echo(f"Hub {told.url} ({told.organisation}, {told.region})")
        _say_waiting(told)
        for each in told.aside:
            click.echo(f"  set aside: {each['what']} {each['id']}: {each['reason']}")
        _say_last(told)

    guarded(as_json, action)


def _say_waiting(told: Status) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(told.records.items()))
    photos = ", ".join(f"{count} {name}" for name, count in sorted(told.photos.items()))
    wire = f"about {told.bytes / 1000:.1f} kB on the wire"
    named = f" ({kinds})" if kinds else ""
    click.echo(f"Waiting: {told.waiting} records{named}; photos: {photos or 'none'}; {wire}")
    for reason, count in sorted(told.held.items()):
        click.echo(f"  held back: {count} records: {reason}")


def _say_last(told: Status) -> None:
    if told.last:
        reason = f"stopped: {told.last['detail']}" if told.last["reason"] else "everything was sent"
        wire = told.last["bytes_up"] + told.last["bytes_down"]
        click.echo(f"Last run: {told.last['records']} records, {wire / 1000:.1f} kB; {reason}")
    limit = f" of {told.month_limit_bytes / 1e6:.0f}" if told.month_limit_bytes else ""
    click.echo(f"This month: {told.month_bytes / 1e6:.2f}{limit} MB")


@sync.command()
@HOME
@JSON
@click.argument("numbers", nargs=-1, type=click.IntRange(1))
def retry(home: Path, as_json: bool, numbers: tuple[int, ...]) -> None:
    """Send again what was set aside: the records of these NUMBERS, or all of them."""

    def action() -> None:
        with opened(home) as uplinks:
            aside = list(dict.fromkeys(each["seq"] for each in uplinks.status().aside))
            chosen = list(numbers) or aside
            if strange := [str(number) for number in chosen if number not in aside]:
                raise PersonError("not_aside", f"not set aside: {', '.join(strange)}")
            uplinks.retry(chosen)
        click.echo(json.dumps({"again": chosen}) if as_json else f"To be sent again: {len(chosen)}")

    guarded(as_json, action)


@sync.command()
@HOME
@JSON
def renew(home: Path, as_json: bool) -> None:
    """Make this box a new node, because another one was written from the same image.

    What the hub has of the old one stays there; what was recorded since comes from the new node.
    It must be enrolled again.  The server must not run.
    """

    def action() -> None:
        from edge_app.uplink_renewal import renew_home

        node = renew_home(home)
        click.echo(json.dumps({"node": node}) if as_json else f"This box is node {node} now.")
        if not as_json:
            click.echo("Next: ghalla sync enrol --hub URL --code CODE")

    guarded(as_json, action)


@sync.group()
def usb() -> None:
    """Carry what waits to the hub on a USB stick, photos in full size."""


DIR = click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")


@usb.command("export")
@HOME
@JSON
@DIR
def usb_export(home: Path, as_json: bool, folder: Path) -> None:
    """Write everything that waits onto the stick mounted at DIR; again writes what is missing."""

    def action() -> None:
        with opened(home) as uplinks, uplinks.alone():
            written = uplinks.stick(folder, _counted(as_json)).export()
        if as_json:
            click.echo(json.dumps(asdict(written)))
        else:
            click.echo(
                f"On the stick: {written.records} records, {written.photos} photos; "
                f"{written.bytes / 1e6:.2f} MB written. There: ghalla hub usb DIR"
            )

    guarded(as_json, action)


@usb.command("import")
@HOME
@JSON
@DIR
def usb_import(home: Path, as_json: bool, folder: Path) -> None:
    """Read the hub's receipt from the stick at DIR, take off what has arrived, install bundles.

    A stick may bring one of them alone.
    """

    def action() -> None:
        from edge_app.bundles_node import on_stick
        from edge_app.cli_bundle import end_for, taken_from
        from sync.stick import bundles_folder

        brings = bundles_folder(folder).is_dir() and any(on_stick(folder))
        failures = taken_from(home, folder, as_json) if brings else []
        try:
            with opened(home) as uplinks, uplinks.alone():
                read = uplinks.stick(folder).import_(uplinks.hub_key())
        except PersonError as error:
            if not brings or error.code != "no_receipt":
                raise
            click.echo(f"No receipt: {error}", err=True)
        else:
            said = f"At the hub: {read.records} records and {read.photos} photos of the stick."
            click.echo(json.dumps(asdict(read)) if as_json else said)
        end_for(failures)

    guarded(as_json, action)


def _counted(as_json: bool) -> Callable[[int, int], None]:
    watched = sys.stderr.isatty() and not as_json

    def say(done: int, all: int) -> None:
        if watched:
            click.echo(f"\r{done} of {all} photos ", nl=done == all, err=True)

    return say


@contextmanager
def opened(home: Path) -> Iterator[Uplinks]:
    """The way to the hub of a home, beside a server that may be running."""
    from edge_app.home import open_ground
    from edge_app.uplink import Uplinks

    with open_ground(home) as ground:
        yield Uplinks(ground)


def _json(told: Status) -> str:
    return json.dumps(asdict(told), ensure_ascii=False)
