"""``ghalla model teach | forget | restore | local | local-export``: what people taught it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_app.cli_common import HOME, JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from edge_app.advice import Advice
    from edge_app.node import FarmNode
    from edge_app.teaching import Lesson
    from field_data.local_sets import LocalSet

CROP = click.option("--crop", required=True, help="Scientific name, EPPO code or English name.")
CONDITION = click.option("--condition", required=True, help="EPPO code, or a name on a card.")


@click.command()
@HOME
@CROP
@CONDITION
@click.option("--name", default="", help="What people call a condition that no card names.")
@click.option("--from-reviews", is_flag=True, help="With the photos that people reviewed here.")
@JSON
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
def teach(
    home: Path,
    crop: str,
    condition: str,
    name: str,
    from_reviews: bool,
    as_json: bool,
    photos: tuple[Path, ...],
) -> None:
    """Teach a condition with 5 to 20 reviewed photos; more photos may follow later."""
    if bool(photos) == from_reviews:
        raise click.UsageError("give either PHOTOS or --from-reviews")

    def action() -> None:
        from edge_app.teaching import tidy_name

        with _opened(home) as (node, advice):
            where, code = _crop(advice, crop), _condition(advice, condition)
            if from_reviews:
                lesson = _from_reviews(node, where, code, tidy_name(name))
            else:
                given = ((path.name, _bytes(path)) for path in photos)
                lesson = node.teach(where, code, tidy_name(name), given)
        if as_json:
            refused = [asdict(each) for each in lesson.refused]
            said = {**_listed(lesson.made), "taken": lesson.taken, "refused": refused}
            click.echo(json.dumps(said, ensure_ascii=False))
            return
        for each in lesson.refused:
            click.echo(f"  not taken: {each.photo}: {each.why}")
        click.echo(f"Taken: {len(lesson.taken)}.  {_line(lesson.made)}")

    guarded(as_json, action)


@click.command()
@HOME
@CROP
@CONDITION
@click.option("--erase", is_flag=True, help="With its photos and for good: no way back.")
@JSON
def forget(home: Path, crop: str, condition: str, erase: bool, as_json: bool) -> None:
    """Forget a condition that was taught; restore brings it back unless it was erased."""

    def action() -> None:
        with _opened(home) as (node, advice):
            where, code = _crop(advice, crop), _condition(advice, condition)
            if not erase:
                _say(node.forget_local(where, code), as_json)
                return
            gone = node.erase_local(where, code)
            click.echo(json.dumps({"erased": gone}) if as_json else f"Photos erased: {gone}")

    guarded(as_json, action)


@click.command()
@HOME
@CROP
@CONDITION
@click.option("--version", type=click.IntRange(0), help="Which (default: undo the latest change).")
@JSON
def restore(home: Path, crop: str, condition: str, version: int | None, as_json: bool) -> None:
    """Go back to an earlier version of a condition that was taught."""

    def action() -> None:
        with _opened(home) as (node, advice):
            code = _condition(advice, condition)
            _say(node.restore_local(_crop(advice, crop), code, version), as_json)

    guarded(as_json, action)


@click.command()
@HOME
@JSON
def local(home: Path, as_json: bool) -> None:
    """List what this node was taught: crop, condition, photos, version."""

    def action() -> None:
        from edge_app.health import open_local

        with open_local(home) as (sets, _, _):
            for each in sets.all_current():
                _say(each, as_json)

    guarded(as_json, action)


@click.command("local-export")
@HOME
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@JSON
def local_export(home: Path, out: Path, as_json: bool) -> None:
    """Write what was taught as a labelled set: classification.csv, vocabulary.csv, images/."""

    def action() -> None:
        from edge_app.health import open_local
        from edge_app.home_advice import advice_of
        from edge_app.local_export import export

        with open_local(home) as (sets, photos, node):
            taught = sets.all_current()
            written = export(out, taught, photos, advice_of(home), f"node {node}")
        said = {"out": str(out), "classes": len(taught), "photos": written}
        click.echo(json.dumps(said) if as_json else f"{written} photos written to {out}")

    guarded(as_json, action)


def attach(group: click.Group) -> None:
    """Add these verbs to ``ghalla model``."""
    for verb in (teach, forget, restore, local, local_export):
        group.add_command(verb)


@contextmanager
def _opened(home: Path) -> Iterator[tuple[FarmNode, Advice]]:
    """The node of a home, alone; ``no_home`` rather than a new one for a mistyped folder."""
    from edge_app.health import store_of
    from edge_app.home_advice import advice_of
    from edge_app.node import FarmNode

    store_of(home)
    advice = advice_of(home)
    with FarmNode(home, advice) as node:
        yield node, advice


def _crop(advice: Advice, wish: str) -> str:
    found = advice.find_crop(wish)
    if found is None:
        known = ", ".join(sorted(c.name["en"].lower() for c in advice.crops))
        raise PersonError("unknown_crop", f"unknown crop {wish!r}; known are: {known}")
    return found.code


def _condition(advice: Advice, wish: str) -> str:
    from edge_app.teaching import condition_of

    return condition_of(advice, wish) or wish.strip()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PersonError("not_an_image", f"cannot read {path}: {error.strerror}") from error


def _from_reviews(node: FarmNode, crop: str, condition: str, name: str) -> Lesson:
    from edge_app.local_photos import newest

    found = list(enumerate(newest(node.ground, (crop, condition)), 1))
    given = ((f"reviewed-{number}", jpeg) for number, (_, jpeg) in found)
    origins = {f"reviewed-{number}": shot.case.diagnosis.id for number, (shot, _) in found}
    return node.teach(crop, condition, name, given, origins)


def _listed(each: LocalSet) -> dict[str, object]:
    return {
        "crop": each.crop,
        "condition": each.condition,
        "name": each.name,
        "photos": len(each.photos),
        "version": each.version,
    }


def _line(each: LocalSet) -> str:
    name = f" ({each.name})" if each.name else ""
    return (
        f"{each.crop} {each.condition}{name}: local, {len(each.photos)} photos, "
        f"version {each.version}"
    )


def _say(each: LocalSet, as_json: bool) -> None:
    click.echo(json.dumps(_listed(each), ensure_ascii=False) if as_json else _line(each))
