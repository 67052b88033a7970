"""What every verb of the command line shares: options, exit codes, and errors as one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError

EXIT = {PersonError: 1, KeeperError: 3, PublisherError: 4}
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
HOME = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("ghalla-home"),
    show_default=True,
    envvar="GHALLA_HOME",
    help="Folder that holds all that this node keeps.",
)


def _exit_code(error: GhallaError) -> int:
    return next((code for kind, code in EXIT.items() if isinstance(error, kind)), 1)


def _fail(error: GhallaError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": error.code, "message": str(error)}, ensure_ascii=False))
    click.echo(f"ghalla: {error}", err=True)
    sys.exit(_exit_code(error))


def guarded(as_json: bool, action: Callable[[], None]) -> None:
    """Run an action; a known error becomes one sentence and an exit code."""
    try:
        action()
    except GhallaError as error:
        _fail(error, as_json)
    except OSError as error:
        _fail(KeeperError("home_unusable", f"cannot use that folder: {error}"), as_json)


def say(said: dict[str, Any], as_json: bool, text: str) -> None:
    """What came of it: for programs, or as a text for people."""
    click.echo(json.dumps(said, ensure_ascii=False) if as_json else text)


def progress(things: Sequence[Any], unit: str = "plant") -> Any:
    """The things, with a bar for people who watch once it takes longer than two seconds."""
    from tqdm import tqdm

    return tqdm(things, unit=unit, delay=2, disable=not sys.stderr.isatty(), file=sys.stderr)
