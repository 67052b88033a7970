"""CARD.md of the yield model: every figure in it was measured and is recorded in the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from field_data.types import HORIZONS
from models.yield_manifest import YieldManifest

_KINDS = {
    "model": "model, harvests just before",
    "drawn": "model, any other harvests",
    "level": "harvests just before, no model",
    "held_80": "80 % range held (share)",
    "width_80": "its width, t/ha",
    "n": "forecasts, the same in each column",
}
MONTHS = dict(zip(HORIZONS, ("February", "March", "April", "May"), strict=True))

_HEAD = """# Model card: {name} {version}

Says at the end of February, March, April and May how much better or worse than usual a wheat season
is, from NDVI (and FPAR where there is one). A node multiplies that with what a field usually gives.
Written by `make train-yield` from `manifest.json`; every figure was printed by that command.

- **Model:** the mean of ridge regression (alpha {alpha}) on means of one and two months and of
  {trees} extra-trees on half months (least leaf {leaf}), one pair a horizon, fitted twice: with
  FPAR and without. One ONNX graph, {kib:.0f} KiB; a row without FPAR is answered by the pair
  without.
- **Graph and library differ** by at most {off:.1e} over all training rows.
- **Inputs:** {features} numbers: how each half month from October stands against the same place's
  other seasons, in units of what usually grows there. Nothing after the horizon is looked at.
- **Data hash (SHA-256):** `{data}`; seed {seed}.
- **Made with:** {versions}.

## What it is for, and what not

An early word to a farmer or an agronomist, with its range and what it rests on. **It must not be
used for credit, insurance, tax, rent or any decision about what a person is entitled to.** Field
level is **not validated**: the model was fitted to provinces of thousands of hectares; a node
scores its own forecasts when harvests come in, and says how far they are off. Without a local
harvest, or what the farmer calls usual, a node shows only better or worse than usual, never t/ha.

## Data

{data_table}
Simulated yields were never labels. The harvest of one province whose area is wrong at source is
left out; {tiny} of less than 1,000 ha count little in the fit and not at all in the score.
"""

_DATA = (
    ("harvests of {places} Spanish provinces, {years}",
     "JRC harmonised subnational statistics, by way of CY-Bench", "CC BY 4.0", "fitted to"),
    ("NDVI, 8 days, crop mask", "NASA MOD09CMG, by way of CY-Bench", "no restriction", "fitted to"),
    ("FPAR, 10 days, crop mask", "JRC FPAR500m, by way of CY-Bench", "CC BY 4.0", "fitted to"),
    ("rain of Spanish provinces to 2011", "© AEMET", "free when AEMET is named",
     "no: the rain rule alone"),
    ("national wheat and barley of Morocco", "FAO, FAOSTAT",
     "told as CC BY-NC-SA 3.0 IGO and as CC BY 4.0", "wheat: four slopes"),
    ("monthly NDVI of 15 Moroccan regions, no crop mask",
     "MODIS, by way of a public repository", "the repository states none", "four slopes"),
)  # fmt: skip

_MOROCCO = """## What Morocco rests on

Nothing of this model was fitted to a Moroccan field. Its shifts, learnt in Spain, were held against
the national wheat harvests of {years} (n = {n}), each year from the others: RMSE in t/ha below.
"Adapted" learns level and slope from the other years, the slope drawn towards Spain's. The slopes
of all years ({slopes} from February to May) are in the manifest and applied
on nodes. They are four numbers from {n} points, from NDVI that no crop mask has cleaned: the
weakest part of this model.
"""

_LIMITS = """## Limits

- **FPAR has looked ahead.** The archive holds each value as it was consolidated 90 days later,
  smoothed with what was seen after it (Seguini et al. 2025, doi 10.5194/essd-2025-287). Figures
  with FPAR are flattered by that; those with NDVI alone are not, and a node has NDVI alone. The
  ranges shipped are those of NDVI alone.
- Composites are dated by their last day. Dated by their first, as is often done, up to a week from
  beyond the horizon comes along.
- Spain 2005 and 2017 were droughts worse than most of the years learnt from; there the 80 % range
  held least often (see the table).
- 15 seasons are few: skill has wide intervals, and one more drought may move every figure.
- A region's mean hides its fields; rust, hail, lodging and weeds are not seen as such.
"""


def card_text(manifest: YieldManifest, off: float) -> str:
    """The whole card."""
    figures, training = manifest.metrics, manifest.training
    head = _HEAD.format(
        name=manifest.name, version=manifest.version, off=off,
        kib=manifest.files["fp32"].bytes / 1024, features=len(manifest.features),
        data=training["data_sha256"], seed=training["config"]["seed"],
        versions=", ".join(f"{name} {number}" for name, number in training["versions"].items()),
        tiny=figures["tiny"],
        data_table=_table(
            ("what", "source", "licence", "in the shipped file"),
            [[cell.format(places=figures["places"], years=_span(figures["years"])) for cell in row]
             for row in _DATA],
        ),
        **{key: training["config"][key] for key in ("alpha", "trees", "leaf")},
    )  # fmt: skip
    return "\n".join([head, *_figures(figures), _morocco(figures["morocco"]), _LIMITS])


def _span(years: Sequence[int]) -> str:
    return f"{min(years)} to {max(years)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines, ""])


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _figures(figures: Mapping[str, Any]) -> Iterable[str]:
    year_out, rolled = figures["leave_one_year_out"], figures["rolling_origin"]
    yield "## Figures\n"
    yield f"RMSE in t/ha. Leave-one-year-out, n = {year_out['both']['05']['n']}:\n"
    yield _table(("forecast", *MONTHS.values()), _errors(year_out))
    yield f"Each year from the years before it (rolling origin), n = {rolled['both']['05']['n']}:\n"
    yield _table(("forecast", *MONTHS.values()), _errors(rolled))
    yield "Skill against the province's mean (1 - RMSE / RMSE), 95 % interval over years:\n"
    yield _table(("model", *MONTHS.values()), [
        (arm, *(_skill(year_out[arm][h]["skill"]["mean"]) for h in HORIZONS))
        for arm in ("both", "ndvi")
    ])  # fmt: skip
    yield "Ranges, their ends learnt from the other years:\n"
    yield _table(
        ("model", "month", "80 % held", "worst year", "width t/ha", "90 % held", "width t/ha"),
        [_range_row(arm, h, year_out[arm][h]["ranges"]) for arm in ("both", "ndvi")
         for h in HORIZONS],
    )  # fmt: skip
    yield "A province that nothing was learnt from, May, by number of its own harvests:\n"
    yield _table(("left out", "RMSE t/ha", "0", "1", "2", "5"), [
        (protocol.replace("_", " "), _KINDS[kind], *(of.get(k, "–") for k in ("0", "1", "2", "5")))
        for protocol, kinds in figures["new_place"].items() for kind, of in kinds.items()
    ])  # fmt: skip
    curve = figures["learning_curve_april"]
    yield "April with fewer seasons to learn from, leave-one-year-out RMSE:\n"
    yield _table([f"{size} seasons" for size in curve], [list(curve.values())])


def _rule(name: str) -> str:
    words = {"mean": "mean of the province", "trend": "its trend"}
    return words.get(name, name.replace("_", " ") + " harvests")


def _errors(scheme: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    """RMSE by month: the models, the rules, and where rain is known."""
    both, alone, rules = scheme["both"], scheme["ndvi"], scheme["rules"]
    yield "model, NDVI and FPAR", *(both[h]["rmse"] for h in HORIZONS)
    yield "model, NDVI alone", *(alone[h]["rmse"] for h in HORIZONS)
    for name, said in rules.items():
        if name != "rain":
            yield _rule(name), *[said["rmse"]] * len(HORIZONS)
    if "rain" in rules:
        where = f"where rain is known (n = {rules['rain']['n']})"
        yield f"rain of October to May, {where}", "–", "–", "–", rules["rain"]["rmse"]
        known = (alone[h]["rmse_where_rain_is_known"] for h in HORIZONS)
        yield f"model, NDVI alone, {where}", *known


def _skill(said: Mapping[str, Any]) -> str:
    low, high = said["interval"]
    return f"{said['skill']:.2f} ({low:.2f}–{high:.2f})"


def _range_row(arm: str, horizon: str, said: Mapping[str, Any]) -> Sequence[object]:
    eighty, ninety = said["80"], said["90"]
    shares = (f"{100 * value:.1f} %" for value in (eighty["coverage"], eighty["worst_year"]))
    return (arm, MONTHS[horizon], *shares, eighty["mean_width"],
            f"{100 * ninety['coverage']:.1f} %", ninety["mean_width"])  # fmt: skip


def _morocco(figures: Mapping[str, Any]) -> str:
    wheat = figures["wheat"]
    years = wheat["05"]["years"]
    slopes = ", ".join(f"{wheat['slopes'][h]:.2f}" for h in HORIZONS)
    by_scheme = [
        (f"{crop}{scheme}", figures[crop]["rolling_origin"] if scheme else figures[crop])
        for crop in ("wheat", "barley")
        for scheme in ("", f", rolling origin, n = {len(wheat['rolling_origin']['05']['years'])}")
    ]
    rows = [
        (crop, kind, *(of[h].get(key, "–") for h in HORIZONS))
        for crop, of in by_scheme
        for kind, key in (
            ("adapted", "model"),
            ("Spain's slope", "plain"),
            ("mean since 1991", "mean"),
            ("trend since 1991", "trend"),
        )
    ]
    told = _MOROCCO.format(years=_span(years), n=len(years), slopes=slopes)
    return told + "\n" + _table(("crop", "forecast", *MONTHS.values()), rows)
