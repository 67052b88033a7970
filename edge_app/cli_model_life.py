"""``ghalla model list | install | activate | rollback``: which version of a model speaks here."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded

if TYPE_CHECKING:
    from models.life import Life


@click.command("list")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GHALLA_HOME",
    help="Also the versions installed in this home, and which of them speaks.",
)
@JSON
def model_list(home: Path | None, as_json: bool) -> None:
    """List the models: version, crops, what their card claims; in a home also what speaks."""

    def action() -> None:
        from models.registry import list_home, list_models

        found = list_models() if home is None else list_home(_checked(home))
        if as_json:
            click.echo(json.dumps(found, ensure_ascii=False))
            return
        for each in found:
            _say_model(each)

    guarded(as_json, action)


def _say_model(each: dict[str, Any]) -> None:
    sound = "ok" if each["ok"] else f"NOT SOUND: {each['problem']}"
    where = f"  {each['state']}{' (shipped)' if each['builtin'] else ''}" if "state" in each else ""
    click.echo(f"{each['name']} {each.get('version', '?')}  {sound}{where}")
    if each.get("reason"):
        click.echo(f"  why: {each['reason']}")
    what = "traps" if "traps" in each else "crops"
    click.echo(f"  {what}: {', '.join(each.get(what, [])) or '-'}")
    for split, figures in each.get("claims", {}).items():
        click.echo(f"  {split}: accuracy {figures['accuracy']}, macro-F1 {figures['macro_f1']}")


def _checked(home: Path) -> Path:
    from edge_app.health import STORE
    from field_data.errors import KeeperError

    if not (home / STORE).is_file():
        raise KeeperError("no_home", f"{home} is no home of a node: ghalla init --home {home}")
    return home


@click.command("install")
@HOME
@click.option("--unsigned", is_flag=True, help="Take a package that nobody signed.")
@JSON
@click.argument("file", type=click.Path(path_type=Path))
def model_install(home: Path, unsigned: bool, as_json: bool, file: Path) -> None:
    """Check, unpack and probe the model package FILE (.ghm).  It speaks after `activate`.

    A node with a root of trust asks for a signature (FILE.ghm.sig, by ghalla bundle sign).
    """

    def action() -> None:
        from edge_app.cli_bundle import check_package
        from edge_app.settings import read_settings
        from models.installation import install

        keep_free = read_settings(_checked(home)).min_free_mb * 1_000_000
        vouch = partial(check_package, home, file, unsigned)
        said = install(home, file, keep_free=keep_free, vouch=vouch)
        name, version = said["name"], said["version"]
        if as_json:
            click.echo(json.dumps(said))
        elif said["already"]:
            click.echo(f"{name} {version} is here already.")
        else:
            click.echo(f"{name} {version} works here. Next: ghalla model activate {name} {version}")

    guarded(as_json, action)


@click.command("activate")
@HOME
@JSON
@click.option("--downgrade", is_flag=True, help="Allow a version older than the one that speaks.")
@click.option("--again", is_flag=True, help="Try once more a version that failed here before.")
@click.argument("name")
@click.argument("version")
def model_activate(
    home: Path, as_json: bool, downgrade: bool, again: bool, name: str, version: str
) -> None:
    """Let VERSION of the model NAME speak (`builtin` is the shipped one).

    It is probed, and compared on the photos that were reviewed here; one that is worse stays off.
    A running node switches within seconds, without a pause.
    """

    def action() -> None:
        from edge_app.local_photos import LocalJudge, reviewed_photos
        from models.installation import activate

        judge = LocalJudge(reviewed_photos(_checked(home)))
        life = activate(home, name, version, downgrade=downgrade, again=again, judge=judge)
        _say_life(name, life, as_json, judge.verdict.sentence() if judge.verdict else None)

    guarded(as_json, action)


@click.command("rollback")
@HOME
@JSON
@click.argument("name")
def model_rollback(home: Path, as_json: bool, name: str) -> None:
    """Let the version of NAME that spoke before speak again."""

    def action() -> None:
        from models.installation import rollback

        _say_life(name, rollback(_checked(home), name), as_json, None)

    guarded(as_json, action)


def _say_life(name: str, life: Life, as_json: bool, local: str | None) -> None:
    if as_json:
        said = {"name": name, "active": life.active, "previous": life.previous}
        click.echo(json.dumps(said | {"trial": not life.confirmed, "local": local}))
        return
    if local:
        click.echo(f"Local photos: {local}.")
    trial = "" if life.confirmed else ", on trial until it has answered a photo"
    click.echo(f"{name} {life.active} speaks now{trial}. A running node switches within seconds.")


COMMANDS = (model_list, model_install, model_activate, model_rollback)
