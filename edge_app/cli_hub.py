"""``ghalla hub``: the place that nodes send to and agronomists pull from."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_app.cli_common import EXIT, JSON, guarded
from field_data.errors import KeeperError, PersonError

if TYPE_CHECKING:
    from sync.hub.app import Hub
    from sync.hub.settings import HubSettings
    from sync.hub.usb import StickNode

DATABASE = click.option(
    "--database",
    default="sqlite:///ghalla-hub/hub.sqlite",
    show_default=True,
    envvar="GHALLA_HUB_DATABASE",
    help="SQLAlchemy URL: sqlite:///FILE or postgresql://USER@HOST/NAME.",
)
BLOBS = click.option(
    "--blobs",
    default="ghalla-hub/blobs",
    show_default=True,
    envvar="GHALLA_HUB_BLOBS",
    help="Photos: a folder, or s3://BUCKET/PREFIX?endpoint_url=URL.",
)
URL = click.option(
    "--url",
    default="http://127.0.0.1:8100",
    show_default=True,
    envvar="GHALLA_HUB_URL",
    help="How nodes reach this hub.",
)
# One of each kind: whoever has these has the extra.
_NEEDED = ("sqlalchemy", "alembic", "fsspec", "gunicorn")


@click.group()
def hub() -> None:
    """Take in what nodes send, and give it to agronomists."""


def hub_settings(database: str, blobs: str) -> HubSettings:
    """The settings of a hub; the folder of a SQLite file is made.

    Raises:
        KeeperError: ``no_hub`` when what a hub needs is not installed.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        message = f"a hub needs {', '.join(missing)}: pip install 'ghalla[hub]'"
        raise KeeperError("no_hub", message, missing=missing)
    from sync.hub.settings import HubSettings

    if database.startswith("sqlite:///"):
        Path(database.removeprefix("sqlite:///")).absolute().parent.mkdir(
            parents=True, exist_ok=True
        )
    return HubSettings(database, blobs)


def opened(database: str, blobs: str) -> Hub:
    """The hub's parts, for a verb that does one thing; raises as `hub_settings`, `open_hub`."""
    settings = hub_settings(database, blobs)
    from sync.hub.app import open_hub

    return open_hub(settings)


@hub.command()
@DATABASE
@BLOBS
@JSON
def init(database: str, blobs: str, as_json: bool) -> None:
    """Make the tables of a hub, or bring them up to this version; nothing is lost."""

    def action() -> None:
        made = opened(database, blobs)
        if as_json:
            click.echo(json.dumps({"hub": made.identity.id, "key": made.identity.key.public.id}))
        else:
            click.echo(f"Hub {made.identity.id} is ready. Next: ghalla hub enrol, ghalla hub serve")

    guarded(as_json, action)


@hub.command()
@DATABASE
@BLOBS
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option("--proxies", default=0, help="How many stand before it and say who asks.")
@click.option("--cert", type=click.Path(path_type=Path, exists=True), help="TLS: PEM chain.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="TLS: PEM key.")
@JSON
def serve(
    database: str,
    blobs: str,
    host: str,
    port: int,
    workers: int,
    proxies: int,
    cert: Path | None,
    key: Path | None,
    as_json: bool,
) -> None:
    """Serve nodes and agronomists until Ctrl-C; any number of these may share one database."""

    def ready(id: str) -> None:
        url = f"{'https' if cert else 'http'}://{host}:{port}"
        said = json.dumps({"hub": id, "url": url}) if as_json else f"Hub {id} listens on {url}"
        click.echo(said)
        sys.stdout.flush()

    def action() -> None:
        if (cert is None) != (key is None):
            raise click.UsageError("--cert and --key go together")
        settings = replace(hub_settings(database, blobs), proxies=proxies)
        from sync.hub.serving import Listening, serve

        serve(settings, Listening(host, port, workers, cert=cert, key=key), ready)

    guarded(as_json, action)


@hub.command()
@DATABASE
@BLOBS
@URL
@click.option("--organisation", required=True, help="Whom the node's data belongs to.")
@click.option("--region", required=True, help="Where it stands.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 365), help="Validity.")
@JSON
def enrol(
    database: str,
    blobs: str,
    url: str,
    organisation: str,
    region: str,
    days: int,
    as_json: bool,
) -> None:
    """Make a code that lets one node in, once; shown as text and as a QR code."""

    def action() -> None:
        made = opened(database, blobs)
        from sync.hub.enrolment import new_code

        code = new_code(made.database, organisation, region, days * 86_400.0)
        link = f"{url.rstrip('/')}/n/1/enrol?code={code}"
        if as_json:
            click.echo(json.dumps({"url": url, "code": code, "link": link}))
            return
        import segno

        segno.make(link).terminal(compact=True)
        spaced = "-".join(code[at : at + 4] for at in range(0, len(code), 4))
        click.echo(f"On the node: ghalla sync enrol --hub {url} --code {spaced}")
        click.echo(f"The code lets one node in and is good for {days} days.")

    guarded(as_json, action)


@hub.command()
@DATABASE
@BLOBS
@JSON
def nodes(database: str, blobs: str, as_json: bool) -> None:
    """List the nodes: to whom they belong, when they were last heard, what they said."""

    def action() -> None:
        made = opened(database, blobs)
        from sync.hub.enrolment import nodes as listed

        for row in listed(made.database):
            if as_json:
                shown = {k: v for k, v in row._mapping.items() if k != "public_key"}
                click.echo(json.dumps(shown, ensure_ascii=False))
            else:
                state = "revoked" if row.revoked_s else _ago(row.heard_s)
                click.echo(f"{row.id}  {row.organisation}/{row.region}  {row.name}  {state}")

    guarded(as_json, action)


@hub.command()
@DATABASE
@BLOBS
@click.argument("node")
@JSON
def revoke(database: str, blobs: str, node: str, as_json: bool) -> None:
    """Take nothing more from a node; what it sent stays.  A new code lets it in again."""

    def action() -> None:
        made = opened(database, blobs)
        from sync.hub.enrolment import revoke

        revoke(made.database, node)
        click.echo(json.dumps({"revoked": node}) if as_json else f"Revoked: {node}")

    guarded(as_json, action)


@hub.command()
@DATABASE
@BLOBS
@click.argument("stick", type=click.Path(path_type=Path, exists=True, file_okay=False))
@JSON
def usb(database: str, blobs: str, stick: Path, as_json: bool) -> None:
    """Take in what nodes put on a stick, and leave receipts on it.  Again is a success."""

    def action() -> None:
        made = opened(database, blobs)
        from sync.hub.usb import take_stick

        done = take_stick(made, stick)
        for each in done:
            if as_json:
                click.echo(json.dumps(_plain(each), ensure_ascii=False))
                continue
            number = each.receipt.seq if each.receipt else 0
            click.echo(
                f"{each.node}  {each.segments} segments, {each.records} records, "
                f"{each.photos} photos; the hub has all up to {number}"
            )
            for name, reason, detail in each.problems:
                click.echo(f"  set aside: {name}: {reason}: {detail}", err=True)
        if not done and not as_json:
            click.echo("Nothing of a node is on this stick.")
        if any(each.problems for each in done):
            sys.exit(EXIT[PersonError])

    guarded(as_json, action)


def _plain(taken: StickNode) -> dict[str, object]:
    said = {name: getattr(taken, name) for name in ("node", "segments", "records", "photos")}
    return said | {"seq": taken.receipt.seq if taken.receipt else None, "problems": taken.problems}


def _ago(heard_s: float | None) -> str:
    if heard_s is None:
        return "never heard"
    when = datetime.fromtimestamp(heard_s, UTC)
    return f"heard {when:%Y-%m-%d %H:%M} UTC, {(time.time() - heard_s) / 3600:.1f} h ago"
