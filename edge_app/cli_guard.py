"""``ghalla audit``, ``ghalla retention`` and ``ghalla access``: what a keeper looks after."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from field_data.audit_log import NODE
from field_data.errors import KeeperError


@click.command()
@HOME
@JSON
@click.option("--verify", is_flag=True, help="Only say whether the chain is whole.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on after a damaged store was set aside, with an entry that says so.",
)
def audit(home: Path, as_json: bool, verify: bool, accept_loss: bool) -> None:
    """Print the audit log; exit code 3 when it was changed or entries are missing."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            if accept_loss:
                ground.audit.accept_loss(NODE)
            chain = ground.audit.verify()
            for entry in () if verify else ground.audit.all():
                shown = f"{entry.seq:6} {entry.action:18} {entry.subject:26} {entry.actor}"
                click.echo(json.dumps(asdict(entry)) if as_json else shown)
        if as_json:
            click.echo(json.dumps({**asdict(chain), "sound": chain.sound}))
        elif chain.sound:
            click.echo(f"Whole: {chain.entries} entries, last hash {chain.head}")
        else:
            click.echo(f"BROKEN at {chain.broken_at}: {chain.problem}")
        if not chain.sound:
            sys.exit(EXIT[KeeperError])

    guarded(as_json, action)


@click.group()
def retention() -> None:
    """How long things are kept (settings keep_…_days)."""


@retention.command()
@HOME
@JSON
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def run(home: Path, as_json: bool, dry_run: bool) -> None:
    """Remove what is older than the settings say; a served node does it every day."""

    def action() -> None:
        from edge_app.home import open_ground
        from field_data.clock import now
        from field_data.types import Trust

        moment = now()
        with open_ground(home) as ground:
            due = ground.retention.run(moment, dry=dry_run)
        if as_json:
            click.echo(json.dumps({**asdict(due), "dry_run": dry_run, "clock": moment.trust}))
            return
        if moment.trust is Trust.UNKNOWN:
            click.echo("The clock cannot be trusted: nothing is removed by date.")
        click.echo(
            f"{'Would go' if dry_run else 'Gone'}: {due.diagnoses} answers, photos of "
            f"{due.observation_photos} records, {due.audit_entries} entries of the audit log"
        )

    guarded(as_json, action)


@click.group()
def access() -> None:
    """Who may use which page."""


@access.command()
@JSON
def table(as_json: bool) -> None:
    """Print the table of endpoints and roles that the server enforces."""
    from edge_app.access.routes import ROUTES, allowed
    from field_data.people import Role

    columns = (None, *Role)
    if as_json:
        rows = {
            endpoint: [str(role or "nobody") for role in columns if allowed(endpoint, role)]
            for endpoint in ROUTES
        }
        click.echo(json.dumps(rows))
        return
    click.echo(f"{'endpoint':28}" + "".join(f"{role or 'nobody':>11}" for role in columns))
    for endpoint in ROUTES:
        cells = ("yes" if allowed(endpoint, role) else "·" for role in columns)
        click.echo(f"{endpoint:28}" + "".join(f"{cell:>11}" for cell in cells))
