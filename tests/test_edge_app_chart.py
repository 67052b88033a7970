"""The drawing of a season: what was measured, what was hidden, no line where nothing is known."""

from __future__ import annotations

import datetime as dt
from xml.etree import ElementTree as Xml

import pytest

from edge_app.chart import HEIGHT, WIDTH, Chart, Curve, svg

SINCE = dt.date(2018, 9, 1).toordinal() - dt.date(1970, 1, 1).toordinal()
SVG = "{http://www.w3.org/2000/svg}"


def drawn(chart: Chart, said: str = "a field") -> Xml.Element:
    return Xml.fromstring(svg(chart, said, lambda day: f"{day:%b}"))


def season(**changes: object) -> Chart:
    days = list(range(SINCE, SINCE + 300, 10))
    values: list[float | None] = [0.2 + 0.02 * n for n in range(30)]
    values[10:14] = [None] * 4
    plain = {
        "since": SINCE, "until": SINCE + 300, "low": 0.0, "high": 0.9,
        "clear": [(SINCE + 5, 0.2), (SINCE + 200, 0.7)], "hidden": [SINCE + 110, SINCE + 120],
        "curve": Curve(days, values), "marks": [(SINCE + 60, "start")],
    }  # fmt: skip
    return Chart(**{**plain, **changes})  # type: ignore[arg-type]


def test_the_curve_breaks_where_nothing_is_known() -> None:
    found = drawn(season())
    lines = [path for path in found.iter(f"{SVG}path") if path.get("stroke-width") == "3"]
    assert [path.get("d", "").count("L") + 1 for path in lines] == [10, 16]
    (gap,) = [rect for rect in found.iter(f"{SVG}rect") if rect.get("class") == "gap"]
    chart = season()
    assert float(gap.get("x", "")) == pytest.approx(chart.x(SINCE + 90), abs=0.1)
    assert float(gap.get("width", "")) == pytest.approx(
        chart.x(SINCE + 140) - chart.x(SINCE + 90), abs=0.1
    )


def test_clear_days_are_dots_and_hidden_ones_crosses() -> None:
    found = drawn(season())
    dots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in found.iter(f"{SVG}circle")]
    chart = season()
    places = [(chart.x(day), chart.y(value)) for day, value in chart.clear]
    assert [at for dot in dots for at in dot] == pytest.approx(
        [at for place in places for at in place], abs=0.1
    )
    assert sum(path.get("class") == "hidden" for path in found.iter(f"{SVG}path")) == 2


def test_values_beyond_the_axis_stay_on_the_paper() -> None:
    chart = season(clear=[(SINCE, -3.0), (SINCE + 300, 7.0)])
    for circle in drawn(chart).iter(f"{SVG}circle"):
        assert 0 < float(circle.get("cx", "")) < WIDTH
        assert 0 < float(circle.get("cy", "")) < HEIGHT


def test_axes_are_labelled_sparsely_and_in_round_numbers() -> None:
    words = [text.text or "" for text in drawn(season()).iter(f"{SVG}text")]
    assert [word for word in words if "." in word] == ["0.0", "0.2", "0.4", "0.6", "0.8"]
    long = season(until=SINCE + 1200)
    months = [text.text for text in drawn(long).iter(f"{SVG}text")][5:]
    assert len(months) < 30
    assert {"2018", "2019", "2021"} <= set(months)
    low = [text.text for text in drawn(season(low=-0.75, high=0.4)).iter(f"{SVG}text")]
    assert low[:6] == ["-0.6", "-0.4", "-0.2", "0.0", "0.2", "0.4"]


def test_a_name_cannot_become_markup() -> None:
    evil = '</text><script>alert(1)</script>"&'
    found = drawn(season(marks=[(SINCE + 290, evil)]), said=evil)
    assert evil in [text.text for text in found.iter(f"{SVG}text")]
    assert found.findtext(f"{SVG}title") == evil


def test_no_days_no_chart() -> None:
    with pytest.raises(ValueError, match="some days"):
        season(until=SINCE)
    assert drawn(season(clear=(), hidden=(), curve=Curve((), ()), marks=())) is not None
