"""The models as tables for people: what they compute with, where it comes from, who reviewed it.

``python -m models.risks.tables docs/pests-to-come.md`` writes them into the documentation again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from models.risks.definition import HumidDays, RainEvent, RiskModel, Seen, WetSpell

_SEEN = {
    Seen.SEEN: "seen in the source",
    Seen.MEMORY: "from memory",
    Seen.CHOICE: "a choice of ours",
}


def thresholds(model: RiskModel) -> str:
    """What a model asks for, in one line."""
    match model.rule:
        case HumidDays() as rule:
            return (
                f"{rule.days} days in a row, never below {rule.tmin_c:g} °C, "
                f"each {rule.hours:g} h of ≥ {rule.rh_percent:g} % humidity"
            )
        case RainEvent() as rule:
            return f"≥ {rule.rain_mm:g} mm in {rule.days} days that stay above {rule.tmin_c:g} °C"
        case WetSpell() as rule:
            points = ", ".join(f"{h:g} h at {t:g} °C" for t, h in _few(rule.points))
            return f"wet (rain or ≥ {rule.rh_percent:g} %) for {points}"
    warmth = model.warmth
    stages = ", ".join(f"{stage.id} {stage.total:g}" for stage in model.stages)
    limits = f"{warmth.lower_c:g} to {warmth.upper_c:g} °C, {warmth.method}" if warmth else ""
    return (
        f"{limits}; degree-days since the beginning: {stages}; one generation {model.generation:g}"
    )


def _few(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Both ends and the easiest point."""
    best = min(points, key=lambda point: point[1])
    return sorted({points[0], best, points[-1]})


def models_table(models: Sequence[RiskModel]) -> str:
    """A Markdown table, a row a model."""
    rows = [
        "| model | crops | what it asks for | source | checked | valid for | reviewed |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in models:
        main = model.main_source()
        source = f"[{main.text}]({main.url})" if main.url else main.text
        by = model.reviewed_by if model.reviewed else "no"
        cells = (f"{model.name} `{model.id}`", ", ".join(model.crops), thresholds(model), source,
                 _SEEN[model.checked()], model.validity, by)  # fmt: skip
        rows.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(rows)


def sources_table(models: Sequence[RiskModel]) -> str:
    """A Markdown table of every source of every model, with how far it was checked."""
    rows = ["| model | source | checked |", "|---|---|---|"]
    for model in models:
        for each in model.sources.values():
            text = f"[{each.text}]({each.url})" if each.url else each.text
            rows.append(f"| `{model.id}` | {text} | {_SEEN[each.seen]} |")
    return "\n".join(rows)


def renewed(text: str, models: Sequence[RiskModel]) -> str:
    """A document with the tables between its marks written again."""
    for mark, table in (("models", models_table(models)), ("sources", sources_table(models))):
        before, _, rest = text.partition(f"<!-- {mark} -->\n")
        _, _, after = rest.partition(f"<!-- end of {mark} -->")
        text = f"{before}<!-- {mark} -->\n{table}\n<!-- end of {mark} -->{after}"
    return text


if __name__ == "__main__":
    from models.risks.loading import shipped_models

    document = Path(sys.argv[1])
    document.write_text(renewed(document.read_text(), shipped_models()))
