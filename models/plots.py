"""The figures of an examination as pictures that an agronomist can read.

matplotlib is no part of a node (extra ``plots``): it is imported when something is drawn.  Colours
are those of Okabe and Ito (2008), told apart with every kind of colour blindness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from field_data.errors import KeeperError
from field_data.files import make_folder
from models import preprocess
from models.evaluation import OTHER_CROP, REFUSED, Answer, accuracy, confusion
from models.examine import Examination, confidently_wrong
from models.intervals import score_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A7A7A"
_WORST = 12
_BANDS = 10
_LEAST_IN_BAND = 5
_DPI = 130


@dataclass(frozen=True, slots=True)
class Names:
    """What people call things: crop code -> name, (crop, condition) -> name."""

    crops: Mapping[str, str]
    conditions: Mapping[tuple[str, str], str]

    def crop(self, code: str) -> str:
        """The crop's name, or its code."""
        return self.crops.get(code, code)

    def condition(self, crop: str, code: str) -> str:
        """The condition's name, or its code."""
        return self.conditions.get((crop, code), code)


def need_matplotlib() -> None:
    """matplotlib is there.

    Raises:
        KeeperError: ``no_matplotlib``, saying how to get it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise KeeperError(
            "no_matplotlib", "plots need matplotlib: pip install 'ghalla[plots]'"
        ) from error


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure that no window shows, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def plain(axes: Axes) -> None:
    """No frame, a light grid behind."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)


def percent(axis: Any) -> None:
    """Shares of an axis in percent."""
    axis.set_major_formatter(lambda value, _: f"{value * 100:.0f} %")


@dataclass(frozen=True, slots=True)
class Band:
    """Answers of about the same probability: how sure on average, how many right, how many."""

    sure: float
    right: float
    low: float
    high: float
    photos: int


def bands(answers: Sequence[Answer]) -> list[Band]:
    """Ten equal bands of probability, those with fewer than five answers left out.

    ``low`` and ``high`` are the 95 % interval of the share right.
    """
    found = []
    for number in range(_BANDS):
        own = [a for a in answers if a.said and min(9, int(a.probability * _BANDS)) == number]
        if len(own) < _LEAST_IN_BAND:
            continue
        n, right = len(own), sum(a.right for a in own)
        sure = sum(a.probability for a in own) / n
        found.append(Band(sure, right / n, *score_interval(right, n), n))
    return found


def reliability(answers: Sequence[Answer]) -> Figure:
    """Is it right as often as it says?"""
    figure = empty_figure(6.4, 7.0)
    top, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    found = bands(answers)
    top.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2)
    top.text(0.30, 0.34, "as sure as it is right", color=GREY, rotation=40, ha="center")
    top.text(0.03, 0.97, "above the line: right more often than it says", color=GREY, va="top")
    top.text(0.97, 0.03, "below the line: boasts", color=GREY, ha="right")
    x, y = [b.sure for b in found], [b.right for b in found]
    spread = [[b.right - b.low for b in found], [b.high - b.right for b in found]]
    top.errorbar(x, y, yerr=np.clip(spread, 0, 1), fmt="o-", color=BLUE, capsize=3, markersize=6)
    top.set(ylabel="how often it was right", ylim=(0, 1.02), xlim=(0, 1.02))
    top.set_title("When the node says 80 %, is it right 8 times in 10?", loc="left", weight="bold")
    percent(top.yaxis)
    below.hist([a.probability for a in answers if a.said], np.linspace(0, 1, 21), color=BLUE)
    below.set(xlabel="how sure the node said it was", ylabel="photos")
    percent(below.xaxis)
    for axes in (top, below):
        plain(axes)
    figure.supxlabel("Bars: 95 % interval; wide where photos are few.", fontsize=8, color=GREY)
    return figure


def risk_curve(answers: Sequence[Answer]) -> tuple[list[float], list[float]]:
    """(share answered, share wrong among those) when only the surest are answered.

    Refused photos count among the unanswered, so the curve ends before 1.
    """
    given = sorted((a for a in answers if a.said), key=lambda a: -a.probability)
    wrong = np.cumsum([not a.right for a in given])
    place = np.arange(1, len(given) + 1)
    return list(place / len(answers)), list(wrong / place)


def risk_coverage(answers: Sequence[Answer]) -> Figure:
    """The fewer photos it answers, the fewer errors: how steep is that, and where does it stop?"""
    figure = empty_figure(7.2, 5.0)
    axes = figure.subplots()
    kinds = [("all photos", list(answers), BLUE)]
    for setting, colour in (("lab", GREEN), ("field", ORANGE)):
        kinds.append((f"{setting} photos", [a for a in answers if a.setting == setting], colour))
    highest = 0.05
    for name, own, colour in kinds:
        if len(own) < 2 * _BANDS or (name != kinds[0][0] and len(own) == len(answers)):
            continue
        x, y = risk_curve(own)
        # The first few photos jump between 0 and 1: they show chance, not the model.
        start = max(4, len(own) // 50)
        axes.plot(x[start:], y[start:], color=colour, linewidth=2, label=name)
        highest = max([highest, *y[start:]])
        sure = [a for a in own if a.sure]
        if sure:
            wrong = sum(not a.right for a in sure) / len(sure)
            size = 13 if own is kinds[0][1] else 9
            axes.plot(len(sure) / len(own), wrong, "o", color=colour, markersize=size, mec="white")
    axes.plot([], [], "o", color=GREY, markersize=9, label="where the node says “confident”")
    axes.set(xlabel="share of photos that get an answer (surest first)", xlim=(0, 1.01))
    axes.set(ylabel="share of these answers that is wrong", ylim=(0, highest * 1.1))
    axes.set_title("How many errors, if it only answers when sure?", loc="left", weight="bold")
    percent(axes.xaxis)
    percent(axes.yaxis)
    plain(axes)
    axes.legend(frameon=False, loc="upper left")
    figure.supxlabel("A dot beside its line: the node also holds back on regulated pests and on "
                     "photos unlike those it learnt from.", fontsize=8, color=GREY)  # fmt: skip
    return figure


def _wrap(text: str, width: int = 24) -> str:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def confusion_table(crop: str, found: Mapping[str, Any], names: Names) -> Figure:
    """What was on the photo (rows), what the node said (columns), for one crop."""
    truths, counts = found["truths"], np.array(found["counts"])
    used = [j for j, code in enumerate(found["said"]) if code in truths or counts[:, j].any()]
    said, counts = [found["said"][j] for j in used], counts[:, used]
    special = {OTHER_CROP: "another crop", REFUSED: "photo refused"}
    columns = [special.get(code) or names.condition(crop, code) for code in said]
    rows = [names.condition(crop, code) for code in truths]
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = empty_figure(3.6 + 0.72 * len(said), 2.6 + 0.5 * len(truths))
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            right = truths[i] == said[j]
            ink = "white" if share[i, j] > 0.6 else ("black" if right else "#A03000")
            weight = "normal" if right else "bold"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=ink, weight=weight)
    axes.set_xticks(range(len(said)), [_wrap(c, 20) for c in columns], rotation=45, ha="right")
    axes.set_yticks(range(len(truths)), [f"{_wrap(r)}" for r in rows])
    axes.set_xticks(np.arange(len(said) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(truths) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="#DDDDDD")
    axes.tick_params(which="both", length=0)
    axes.set(xlabel="what the node said", ylabel="what it was")
    axes.set_title(f"{names.crop(crop)}: photos taken for something else (bold)", loc="left",
                   weight="bold", fontsize=11)  # fmt: skip
    return figure


def _grouped(
    answers: Sequence[Answer], key: Callable[[Answer], str]
) -> list[tuple[str, list[Answer]]]:
    """(name, answers) of every group, least accurate first."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(key(answer), []).append(answer)
    return sorted(groups.items(), key=lambda pair: (accuracy(pair[1]), pair[0]))


def slice_bars(answers: Sequence[Answer], names: Names) -> Figure:
    """Accuracy by setting, crop, source and series, with intervals."""
    kinds: list[tuple[str, Callable[[Answer], str], str]] = [
        ("Where the photo was taken", lambda a: a.setting or "not stated", BLUE),
        ("Crop", lambda a: names.crop(a.crop), GREEN),
        ("Source of the photos", lambda a: a.source.split("/", 1)[-1] or "not stated", PURPLE),
        ("Photo series (one photographer, one place)", lambda a: _series(a, names), ORANGE),
    ]
    groups = [(title, _grouped(answers, key), colour) for title, key, colour in kinds]
    heights = [len(found) + 1.6 for _, found, _ in groups]
    figure = empty_figure(10.5, 0.26 * sum(heights) + 1.2)
    rows = figure.subplots(len(groups), 1, height_ratios=heights, sharex=True)
    for axes, (title, found, colour) in zip(rows, groups, strict=True):
        for y, (_, own) in enumerate(found):
            share = accuracy(own)
            axes.barh(y, share, color=colour, alpha=0.35 if len(own) < 20 else 0.85, height=0.7)
            axes.plot(score_interval(sum(a.right for a in own), len(own)), [y, y], color="black",
                      linewidth=1.2)  # fmt: skip
        labels = [f"{_short(name)}  ({len(own)})" for name, own in found]
        axes.set_yticks(range(len(found)), labels, fontsize=8)
        axes.set_ylim(-0.6, len(found) - 0.4)
        axes.set_title(title, loc="left", fontsize=10, weight="bold")
        axes.set_xlim(0, 1)
        plain(axes)
        axes.grid(axis="y", visible=False)
    percent(rows[-1].xaxis)
    rows[-1].set_xlabel("share of photos named rightly; black line: 95 % interval; "
                        "in brackets: photos; pale: fewer than 20 photos")  # fmt: skip
    return figure


def _series(answer: Answer, names: Names) -> str:
    known = answer.series and answer.series != answer.source
    return f"{names.crop(answer.crop)}: {answer.series if known else 'series not known'}"


def _short(name: str, most: int = 56) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def worst_sheet(answers: Sequence[Answer], folder: Path, names: Names) -> Figure | None:
    """The wrong answers of which the node was surest, as photos; None when there are none."""
    wrong = confidently_wrong(answers, _WORST)
    if not wrong:
        return None
    across = min(4, len(wrong))
    down = -(-len(wrong) // across)
    figure = empty_figure(3.1 * across, 3.9 * down + 0.5)
    figure.suptitle("Wrong, and how sure: the answers to learn from", weight="bold", x=0.01,
                    ha="left")  # fmt: skip
    for axes in (places := figure.subplots(down, across, squeeze=False)).flat:
        axes.axis("off")
    for axes, answer in zip(places.flat, wrong, strict=False):
        image = preprocess.decode((folder / answer.file).read_bytes())
        axes.imshow(image[..., ::-1])
        crop, condition = answer.said or ("", "")
        other = f"{names.crop(crop)}: " if crop != answer.crop else ""
        told = _wrap(f"{other}{names.condition(crop, condition)}", 30)
        was = _wrap(f"{names.crop(answer.crop)}: {names.condition(answer.crop, answer.truth)}", 34)
        dared = "said confidently" if answer.sure else "said unsurely"
        axes.set_title(f"was {was}\n{dared} ({answer.probability:.0%}):\n{told}", fontsize=8.5,
                       loc="left", color="#A03000" if answer.sure else "black")  # fmt: skip
    return figure


def draw_all(found: Examination, folder: Path, names: Names, out: Path) -> list[Path]:
    """Write every picture that the answers allow as PNG into ``out``; the files, in order.

    Raises:
        KeeperError: ``no_matplotlib`` or ``disk_full``.
    """
    need_matplotlib()
    make_folder(out.resolve())
    answers = found.given
    drawn: dict[str, Figure | None] = {}
    if answers:
        drawn = {
            "reliability": reliability(answers),
            "risk_coverage": risk_coverage(answers),
            "slices": slice_bars(answers, names),
            "worst": worst_sheet(answers, folder, names),
        }
        for crop, table in confusion(answers).items():
            drawn[f"confusion_{crop}"] = confusion_table(crop, table, names)
    paths = []
    for name, figure in drawn.items():
        if figure is not None:
            paths.append(out / f"{name}.png")
            figure.savefig(paths[-1])
    return paths
