"""``ghalla review status | agreement | export``: what people said of what the node said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_app.cli_common import HOME, JSON, guarded

if TYPE_CHECKING:
    from edge_app.review_figures import Figures, Model, People
    from models.agreement import Agreement, Share


@click.group()
def review() -> None:
    """What people said of what the node said."""


@review.command()
@HOME
@JSON
def status(home: Path, as_json: bool) -> None:
    """Count what waits for a person, by reason, and what the reviews came to."""

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.review_figures import counts
        from field_data.review_queue import queue

        with open_ground(home) as ground:
            cases = list(ground.reviews.cases())
            waiting, ends = counts(queue(cases, ground.reviews.shares), cases)
        if as_json:
            click.echo(json.dumps({"waiting": waiting, "reviewed": ends}))
            return
        click.echo(f"Waiting: {sum(waiting.values())}")
        for name, number in (*waiting.items(), ("", sum(ends.values())), *ends.items()):
            click.echo(f"  {name:12} {number}" if name else f"Reviewed: {number}")

    guarded(as_json, action)


@review.command()
@HOME
@JSON
def agreement(home: Path, as_json: bool) -> None:
    """How far people agree with each other (Cohen's kappa), and with the model."""

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.review_figures import figures, plain

        with open_ground(home) as ground:
            found = figures(list(ground.reviews.cases()), ground.reviews.shares)
        said = [json.dumps(plain(found), ensure_ascii=False)] if as_json else _lines(found)
        for line in said:
            click.echo(line)

    guarded(as_json, action)


@review.command()
@HOME
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@JSON
def export(home: Path, out: Path, as_json: bool) -> None:
    """Write the reviewed photos as a labelled set with its history, for `ghalla model eval`."""

    def action() -> None:
        from edge_app.home import open_ground
        from edge_app.home_advice import advice_of
        from edge_app.review_export import SPLIT
        from edge_app.review_export import export as write

        with open_ground(home) as ground:
            desk = ground.reviews
            source = f"node {ground.node}"
            done = write(
                out, list(desk.cases()), ground.photos, advice_of(home), source, desk.shares
            )
        if as_json:
            click.echo(json.dumps({"out": str(out), "photos": done, "split": SPLIT}))
        else:
            click.echo(f"{done} photos written to {out}, split {SPLIT}")

    guarded(as_json, action)


def _lines(found: Figures) -> Iterator[str]:
    yield from _people(found.people)
    yield "The model, on the random sample (this speaks for all answers with photos):"
    yield from _model(found.sample)
    yield "The model, on everything reviewed (leans to alerts and doubts: too low):"
    yield from _model(found.everything)


def _people(people: People) -> Iterator[str]:
    from edge_app.review_figures import spelled

    yield f"Two people, blind: {_kappa(people.all)}"
    for pair, each in people.by_pair.items():
        yield f"  {' and '.join(pair)}: {_kappa(each)}"
    for label, each in people.by_label.items():
        yield f"  {spelled(label)}: {_kappa(each)}"


def _kappa(each: Agreement) -> str:
    from models.agreement import MIN_PAIRS, MIN_SAID

    alike = f"alike {each.alike} of {each.pairs}"
    if each.kappa is not None:
        return f"kappa {each.kappa:.2f} ({each.low:.2f} to {each.high:.2f}), {alike}"
    few = f"needs {MIN_PAIRS} pairs, {MIN_SAID} with that answer, and more than one answer"
    return f"no kappa ({few}), {alike}"


def _model(model: Model) -> Iterator[str]:
    yield f"  plants {model.plants}, not reviewed yet {model.waiting}, undecided {model.undecided}"
    yield f"  right when confident: {_share(model.confident)}"
    yield f"  likeliest answer right: {_share(model.named)}"


def _share(share: Share) -> str:
    if share.share is None:
        return "nothing reviewed"
    return f"{share.share:.2f} ({share.low:.2f} to {share.high:.2f}), {share.hits} of {share.n}"
