"""``ghalla import``: what a tablet saved to a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import EXIT, HOME, JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command("import")
@HOME
@JSON
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_file(home: Path, as_json: bool, file: Path) -> None:
    """Keep the records and photos in a tablet's FILE; reading it again changes nothing."""

    def action() -> None:
        records = refused = 0
        for item in _items(home, file):
            refused += not item["ok"]
            records += item["ok"] and "event" in item
            if as_json:
                click.echo(json.dumps(item, ensure_ascii=False))
            elif not item["ok"]:
                name = item.get("event") or item.get("photo") or "a line"
                click.echo(f"refused: {name}: {item['code']} {item['problems'] or ''}", err=True)
        if not as_json:
            click.echo(f"Records on the node: {records}. Refused: {refused}.")
        if refused:
            sys.exit(EXIT[PersonError])

    guarded(as_json, action)


def _items(home: Path, file: Path) -> Iterator[dict[str, Any]]:
    from edge_app.agent.exchange import take_file
    from edge_app.home import open_ground
    from edge_app.home_advice import advice_of
    from edge_app.vocabulary import CardVocabulary
    from field_data.people import Person, Role

    # Whoever may type here may bring in what others recorded.
    keeper = Person("", "", Role.KEEPER)
    with open_ground(home) as ground, file.open("rb") as lines:
        yield from take_file(ground, keeper, lines, CardVocabulary(advice_of(home)))
