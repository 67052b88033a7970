"""``ghalla count``: insects on a trap, counted in one photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_app.cli_common import JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from edge_app.advice import Card
    from models.counting import CountReading

# As models.counting.TRAPS; written again so that --help does not load a model's libraries.
TRAPS = ("tuta", "yellow")


@click.command()
@click.option("--trap", type=click.Choice(TRAPS), required=True, help="Pheromone trap, or card.")
@click.option(
    "--annotated",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the photo with what was counted drawn on it (JPEG).",
)
@JSON
@click.argument("photo", type=click.Path(path_type=Path))
def count(trap: str, annotated: Path | None, as_json: bool, photo: Path) -> None:
    """Count the insects in one photo of a trap.  Nothing is stored."""

    def action() -> None:
        from edge_app.advice import load_advice
        from edge_app.node import TRAP_FOLDER
        from edge_app.trap_answer import count_answer, trap_card
        from field_data.files import write_atomic
        from models.counting import Counter

        try:
            data = photo.read_bytes()
        except OSError as error:
            raise PersonError("not_an_image", f"cannot read the file: {error.strerror}") from error
        reading = Counter(TRAP_FOLDER).read(data, trap, picture=annotated is not None)
        advice = load_advice()
        if annotated is not None and reading.picture is not None:
            write_atomic(annotated, reading.picture)
        if as_json:
            said = count_answer(reading, advice, str(photo))
            click.echo(json.dumps(said, ensure_ascii=False))
        else:
            click.echo(_sentence(reading, trap_card(trap, advice), str(photo)))

    guarded(as_json, action)


def _sentence(reading: CountReading, card: Card | None, photo: str) -> str:
    if reading.count is None:
        why = f" ({reading.fault})" if reading.fault else ""
        return f"{photo}: {reading.status}{why}"
    found = reading.count
    advice = f"; see the card {card.id}" if card else ""
    return (
        f"{photo}: {reading.status}: {found.count} {found.taxon}, "
        f"probably {found.low} to {found.high}{advice}"
    )
