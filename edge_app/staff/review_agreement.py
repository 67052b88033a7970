"""How far people agree, with each other and with the model: tables, each line with its picture."""

from __future__ import annotations

from dataclasses import dataclass

from flask import render_template
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from edge_app.access.guard import ground
from edge_app.review_figures import Model, figures
from edge_app.staff.blueprint import blueprint
from edge_app.staff.review import crop_and_name, desk
from field_data.ids import short_code
from field_data.reviews import Label
from models.agreement import MIN_PAIRS, Agreement, Share

# Of the drawing, in its own units; a kappa below -0.2 is drawn at the edge.
_WIDE, _HIGH, _EDGE = 120, 20, 6
_LOWEST_KAPPA = -0.2


@dataclass(frozen=True, slots=True)
class Line:
    """One row: whom or what it is about, the figure in words and as a picture, what it rests on."""

    name: Markup
    figure: str
    picture: Markup
    basis: LazyString


@blueprint.get("/review/agreement")
def review_agreement() -> str:
    """Cohen's kappa overall, by two people and by condition; the model against people."""
    found = figures(list(desk().cases()), desk().shares)
    people = found.people
    by_label = sorted(people.by_label.items(), key=lambda each: -each[1].pairs)
    return render_template(
        "staff/review_agreement.html",
        all=_kappa(escape(_l("All together")), people.all),
        by_pair=[_kappa(_pair(pair), each) for pair, each in people.by_pair.items()],
        by_label=[_kappa(_label(label), each) for label, each in by_label],
        sample=_model(found.sample),
        everything=_model(found.everything),
        plants=found.sample,
        least=MIN_PAIRS,
    )


def _model(model: Model) -> list[Line]:
    return [
        _share(escape(_l("When it was confident")), model.confident),
        _share(escape(_l("Its likeliest answer")), model.named),
    ]


def _kappa(name: Markup, each: Agreement) -> Line:
    basis = _l("alike: %(alike)s of %(plants)s", alike=each.alike, plants=each.pairs)
    if each.kappa is None or each.low is None or each.high is None:
        return Line(name, "–", Markup(), basis)
    drawn = interval(each.kappa, each.low, each.high, _LOWEST_KAPPA)
    return Line(name, f"{each.kappa:.2f} ({each.low:.2f} – {each.high:.2f})", drawn, basis)


def _share(name: Markup, each: Share) -> Line:
    basis = _l("right: %(hits)s of %(plants)s", hits=each.hits, plants=each.n)
    if each.share is None or each.low is None or each.high is None:
        return Line(name, "–", Markup(), basis)
    percent = f"{each.share:.0%} ({each.low:.0%} – {each.high:.0%})"
    return Line(name, percent, interval(each.share, each.low, each.high, 0.0), basis)


def interval(value: float, low: float, high: float, lowest: float) -> Markup:
    """A line from ``low`` to ``high`` with a point at ``value``, on a scale from ``lowest`` to 1.

    Decoration: the figures stand beside it.
    """

    def at(x: float) -> str:
        share = (max(x, lowest) - lowest) / (1 - lowest)
        return f"{_EDGE + share * (_WIDE - 2 * _EDGE):.1f}"

    middle = _HIGH // 2
    return Markup(
        '<svg class="interval" aria-hidden="true" viewBox="0 0 {w} {h}" width="{w}" height="{h}">'
        '<line class="scale" x1="{start}" x2="{end}" y1="{y}" y2="{y}"/>'
        '<line class="zero" x1="{zero}" x2="{zero}" y1="3" y2="{bottom}"/>'
        '<line class="range" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        '<circle cx="{value}" cy="{y}" r="5"/></svg>'
    ).format(
        w=_WIDE, h=_HIGH, y=middle, bottom=_HIGH - 3, start=at(lowest), end=at(1), zero=at(0),
        low=at(low), high=at(high), value=at(value),
    )  # fmt: skip


def _pair(pair: tuple[str, str]) -> Markup:
    names = (ground().people.get(id) for id in pair)
    shown = [p.name if p and p.name else short_code(id) for p, id in zip(names, pair, strict=True)]
    return Markup("<bdi>{}</bdi> · <bdi>{}</bdi>").format(*shown)


def _label(label: Label | None) -> Markup:
    return escape(_l("I cannot tell")) if label is None else crop_and_name(label)
