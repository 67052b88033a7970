"""``ghalla person``: the people of a node, from its own keyboard."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from edge_app.languages import LANGS
from field_data.audit_log import NODE, Action
from field_data.errors import PersonError
from field_data.people import Person, Role

if TYPE_CHECKING:
    from edge_app.ground import Ground

_PIN_FILE = click.option(
    "--pin-file",
    type=click.File("r"),
    help="Read the PIN or passphrase from the first line of a file, - for standard input.",
)


@click.group()
def person() -> None:
    """The people who work with a node.  WHO is a name, a code of six letters, or an id."""


@person.command("list")
@HOME
@JSON
def list_people(home: Path, as_json: bool) -> None:
    """List everybody: id, code, role, name."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            for each in ground.people.all():
                _say(ground, each, as_json)

    guarded(as_json, action)


@person.command()
@HOME
@JSON
@click.option("--name", required=True)
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--lang", type=click.Choice(LANGS), default="ar", show_default=True)
@click.option("--no-pin", is_flag=True, help="Ask for none: a farmer who will not log in.")
@_PIN_FILE
def add(
    home: Path, as_json: bool, name: str, role: str, lang: str, no_pin: bool, pin_file: Any
) -> None:
    """Add a person; the PIN or passphrase is asked for, and never an argument."""

    def action() -> None:
        from edge_app.access import secrets
        from edge_app.home import open_ground

        wanted = Role(role)
        with open_ground(home) as ground:
            secret = None if no_pin else _asked(wanted, pin_file)
            if secret is not None:
                secrets.refuse_weak(secret, wanted, name)
            kept = None if secret is None else secrets.hashed(secret)
            made = ground.people.add(name, wanted, lang, kept)
            ground.audit.append(NODE, Action.PERSON_ADDED, made.id, {"role": role})
            _say(ground, made, as_json)

    guarded(as_json, action)


@person.command("reset-pin")
@HOME
@JSON
@_PIN_FILE
@click.argument("who")
def reset_pin(home: Path, as_json: bool, pin_file: Any, who: str) -> None:
    """Give a person another PIN or passphrase, and log them out everywhere."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            found = _found(ground, who)
            ground.gate.change_secret(NODE, found, _asked(found.role, pin_file), but=None)
            _say(ground, found, as_json)

    guarded(as_json, action)


@person.command()
@HOME
@JSON
@click.argument("who")
def deactivate(home: Path, as_json: bool, who: str) -> None:
    """Let a person in no longer."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            gone = ground.people.deactivate(_found(ground, who).id)
            ground.audit.append(NODE, Action.PERSON_DEACTIVATED, gone.id)
            ground.gate.end_sessions(NODE, gone.id)
            _say(ground, gone, as_json)

    guarded(as_json, action)


@person.command()
@HOME
@JSON
@click.argument("who")
def sessions(home: Path, as_json: bool, who: str) -> None:
    """List the devices on which a person is logged in."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            for each in ground.gate.sessions.of(_found(ground, who).id):
                said = {"id": each.id, "device": each.device, "tablet": each.tablet}
                shown = f"{each.id}  {'tablet ' if each.tablet else ''}{each.device}"
                click.echo(json.dumps(said, ensure_ascii=False) if as_json else shown)

    guarded(as_json, action)


@person.command()
@HOME
@JSON
@click.option("--session", help="End only this one (an id that `sessions` lists).")
@click.argument("who")
def revoke(home: Path, as_json: bool, session: str | None, who: str) -> None:
    """Log a person out: everywhere, or one lost device."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            found = _found(ground, who)
            if session is None:
                ended = ground.gate.end_sessions(NODE, found.id)
            else:
                ended = int(ground.gate.end_session(NODE, found.id, session))
            click.echo(json.dumps({"ended": ended}) if as_json else f"Ended: {ended}")

    guarded(as_json, action)


@person.command()
@HOME
@JSON
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.argument("who")
def export(home: Path, as_json: bool, out: Path, who: str) -> None:
    """Write everything that is kept about a person into a ZIP file."""

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.person_export import person_zip
        from field_data.files import write_atomic

        with open_ground(home) as ground:
            found = _found(ground, who)
            with person_zip(ground, found.id) as file:
                write_atomic(out, file.read())
            out.chmod(0o600)
            ground.audit.append(NODE, Action.EXPORTED, found.id)
        click.echo(json.dumps({"written": str(out)}) if as_json else f"Written: {out}")

    guarded(as_json, action)


@person.command()
@HOME
@JSON
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--answer", multiple=True, help="Id of an answer that is the person's; repeatable.")
@click.argument("who")
def erase(home: Path, as_json: bool, yes: bool, answer: tuple[str, ...], who: str) -> None:
    """Forget a person with all that is about them.  There is no way back."""

    def action() -> None:
        from edge_app.home import open_ground

        with open_ground(home) as ground:
            found = _found(ground, who)
            if not yes:
                click.confirm(f"Forget {found.name} for good?", abort=True, err=True)
            went = ground.privacy.erase(NODE, found.id, answer)
        shown = f"Erased: {went.events} records, {went.photos} photos, {went.diagnoses} answers"
        click.echo(json.dumps(asdict(went)) if as_json else shown)

    guarded(as_json, action)


def _found(ground: Ground, who: str) -> Person:
    found = ground.people.get(who) or ground.people.named(who)
    if found is None:
        # Somebody who may not log in is found by the name too.
        same = [each for each in ground.people.all() if who in (each.name, each.code)]
        found = same[0] if len(same) == 1 else None
    if found is None or not found.name:
        raise PersonError("unknown_person", f"nobody here is called {who}")
    return found


def _asked(role: Role, pin_file: Any) -> str:
    from edge_app.access.secrets import wants_passphrase

    if pin_file is not None:
        return str(pin_file.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise PersonError("no_pin", "no terminal to ask on: give --pin-file FILE, or - for stdin")
    what = "Passphrase" if wants_passphrase(role) else "PIN"
    return str(click.prompt(what, hide_input=True, confirmation_prompt=True, err=True))


def _say(ground: Ground, each: Person, as_json: bool) -> None:
    can = each.active and ground.people.secret(each.id) is not None
    if as_json:
        said = {**asdict(each), "code": each.code, "can_log_in": can}
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        state = "" if can else "  (no PIN)" if each.active else "  (may not log in)"
        click.echo(f"{each.id}  {each.code}  {each.role:10} {each.name}{state}")
