"""``ghalla hub person``: who may see what at the hub, passwords and tokens."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import JSON, guarded
from edge_app.cli_hub import BLOBS, DATABASE, hub, opened

if TYPE_CHECKING:
    from sync.hub.people import HubPerson, People

_ROLES = ("reader", "agronomist", "keeper")
_PASSWORD_FROM_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of the input."
)


@hub.group()
def person() -> None:
    """People of the hub: who they are and what they may see."""


def _with_people(database: str, blobs: str, as_json: bool, work: Callable[[People], Any]) -> None:
    """Do something with the people; what it gives is printed: JSON, or lines."""

    def action() -> None:
        parts = opened(database, blobs)
        from sync.hub.people import People

        try:
            said = work(People(parts.database))
        finally:
            parts.database.close()
        if as_json:
            click.echo(json.dumps(said, ensure_ascii=False))
        else:
            for line in said if isinstance(said, list) else [said]:
                click.echo("  ".join(f"{key} {value}" for key, value in line.items()))

    guarded(as_json, action)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _said(each: HubPerson) -> dict[str, Any]:
    grants = [f"{g.organisation}/{g.region}:{g.role}" for g in each.grants]
    return {"name": each.name, "id": each.id, "grants": grants}


@person.command()
@DATABASE
@BLOBS
@click.argument("name")
@click.option("--no-password", is_flag=True, help="For who only uses tokens.")
@_PASSWORD_FROM_STDIN
@JSON
def add(
    database: str, blobs: str, name: str, no_password: bool, password_stdin: bool, as_json: bool
) -> None:
    """Add somebody, who sees nothing until `grant`."""
    password = None if no_password else _password(password_stdin)
    _with_people(database, blobs, as_json, lambda people: _said(people.add(name, password)))


@person.command("password")
@DATABASE
@BLOBS
@click.argument("name")
@_PASSWORD_FROM_STDIN
@JSON
def set_password(database: str, blobs: str, name: str, password_stdin: bool, as_json: bool) -> None:
    """Give somebody another password; their sessions end."""
    password = _password(password_stdin)

    def work(people: People) -> dict[str, Any]:
        people.set_password(name, password)
        return _said(people.named(name))

    _with_people(database, blobs, as_json, work)


@person.command("list")
@DATABASE
@BLOBS
@JSON
def list_people(database: str, blobs: str, as_json: bool) -> None:
    """List people with what they may see."""
    _with_people(database, blobs, as_json, lambda people: [_said(p) for p in people.listed()])


@person.command()
@DATABASE
@BLOBS
@click.argument("name")
@click.option("--organisation", required=True, help="Of the nodes; '*' for every one.")
@click.option("--region", default="*", show_default=True, help="Of the nodes; '*' for every one.")
@click.option("--role", type=click.Choice(_ROLES), default="reader", show_default=True)
@click.option("--take-back", is_flag=True, help="Take it back instead.")
@JSON
def grant(
    database: str, blobs: str, name: str, organisation: str, region: str, role: str,
    take_back: bool, as_json: bool,
) -> None:  # fmt: skip
    """Let somebody see the nodes of an organisation in a region.

    reader: records and figures; agronomist: photos too; keeper: also who downloaded what.
    """

    def work(people: People) -> dict[str, Any]:
        from sync.hub.people_grants import Grant, Role

        if take_back:
            people.take_back(name, organisation, region)
        else:
            people.grant(name, Grant(organisation, region, Role(role)))
        return _said(people.named(name))

    _with_people(database, blobs, as_json, work)


@person.command()
@DATABASE
@BLOBS
@click.argument("name")
@click.option("--for", "purpose", default="", help="What the token is for.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True)
@click.option("--revoke", metavar="START", help="End the tokens whose SHA-256 begins so.")
@click.option("--list", "listed", is_flag=True, help="List the tokens that there are.")
@JSON
def token(
    database: str, blobs: str, name: str, purpose: str, days: int, revoke: str | None,
    listed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Make a token for a program; it is shown this once."""

    def work(people: People) -> Any:
        if revoke:
            return {"revoked": people.revoke_token(revoke)}
        if listed:
            return [_state(each) for each in people.tokens(name)]
        return {"token": people.new_token(name, purpose or "-", days)}

    _with_people(database, blobs, as_json, work)


def _state(each: dict[str, Any]) -> dict[str, Any]:
    over = each["revoked_s"] is not None or each["expires_s"] < time.time()
    return {"sha256": each["sha256"], "for": each["name"], "state": "ended" if over else "valid"}


@person.command()
@DATABASE
@BLOBS
@click.argument("name")
@JSON
def revoke(database: str, blobs: str, name: str, as_json: bool) -> None:
    """End somebody's access: password, sessions, tokens and grants."""

    def work(people: People) -> dict[str, Any]:
        people.revoke(name)
        return {"revoked": name}

    _with_people(database, blobs, as_json, work)
