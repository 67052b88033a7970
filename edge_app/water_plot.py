"""The water of a field as a picture: what came, what the ground lacks, what to give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_app.water_outlook import WaterDay, WaterOutlook
from field_data.days import date_of
from models.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, empty_figure, need_matplotlib, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_water(outlook: WaterOutlook, file: Path, title: str = "") -> Path:
    """Draw an outlook that is known into a PNG file; its path.

    Raises:
        KeeperError: ``no_matplotlib``.
    """
    need_matplotlib()
    figure = empty_figure(10, 7)
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=[1, 2, 1])
    draw_days(above, middle, below, outlook.days)
    now: Any = date_of(outlook.as_of)
    for axes in (above, middle, below):
        axes.axvline(now, color=GREY, linewidth=1, linestyle=":")
    advice = outlook.advice
    if advice is not None and advice.by_day is not None and outlook.amount is not None:
        by: Any = date_of(advice.by_day)
        words = f"give {advice.mm:.0f} mm ({advice.low_mm:.0f}-{advice.high_mm:.0f})"
        middle.annotate(
            words, (by, -outlook.days[-1].raw), color=PURPLE, fontsize=9,
            xytext=(-8, 14), textcoords="offset points", ha="right",
        )  # fmt: skip
    above.set_title(title or f"{outlook.crop} on {outlook.texture}, {outlook.method}", loc="left")
    figure.savefig(file)
    return file


def draw_days(above: Axes, middle: Axes, below: Axes, days: Sequence[WaterDay]) -> None:
    """Rain and irrigation, depletion, and coefficient with stress, on three axes above another."""
    at: Any = [date_of(day.day) for day in days]

    def column(name: str) -> list[float]:
        return [getattr(day, name) for day in days]

    above.bar(at, column("rain"), 1.0, color=BLUE, label="rain")
    above.bar(at, column("irrigation"), 1.0, color=PURPLE, label="given")
    above.plot(at, column("et0"), color=ORANGE, linewidth=0.8, label="ET0")
    above.set_ylabel("mm a day")
    low, high = ([-each for each in column(f"depletion_{end}")] for end in ("low", "high"))
    middle.fill_between(at, low, high, color=BLUE, alpha=0.2, linewidth=0, label="may be")
    middle.plot(at, [-each for each in column("depletion")], color=BLUE, label="water lacking")
    middle.plot(at, [-each for each in column("raw")], color=ORANGE, label="stress begins")
    middle.plot(at, [-each for each in column("taw")], color=GREY, label="wilting")
    middle.set_ylabel("mm in the root zone")
    below.plot(at, column("kcb"), color=GREEN, label="Kcb")
    below.plot(at, column("ks"), color=ORANGE, linewidth=0.9, label="Ks (1: no stress)")
    below.set_ylim(0, 1.3)
    for axes in (above, middle, below):
        plain(axes)
        _legend(axes)


def _legend(axes: Any) -> None:
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper left")
