"""The story of one field on real pixels, from the patch to the score, asserted step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_app.forecast_maths import State
from field_data.types import LevelSource
from tests.journeys.yield_story import GAVE_T_HA, tell

pytestmark = pytest.mark.data


def test_two_crop_cuts_narrow_the_range_and_the_harvest_scores_it(tmp_path: Path) -> None:
    steps = {step.name: step for step in tell(tmp_path)}
    assert list(steps) == ["patch", "series", "one season", "usual yield", "crop cut of 2017",
                           "crop cut of 2018", "score"]  # fmt: skip
    alone = steps["one season"].outlook
    assert alone is not None
    assert (alone.state, alone.forecast) == (State.NO_ARCHIVE, None)
    assert alone.clear_dates >= 10
    widths = []
    for name in list(steps)[3:6]:
        outlook = steps[name].outlook
        assert outlook is not None
        said = outlook.forecast
        assert said is not None
        assert said.evidence.archive_seasons == 0
        assert said.t_ha_p90 is not None
        assert said.t_ha_p10 is not None
        widths.append(said.t_ha_p90 - said.t_ha_p10)
    assert widths[0] > widths[1] > widths[2]
    assert said is not None
    assert said.level_source is LevelSource.HARVESTS
    ended = steps["score"].outlook
    assert ended is not None
    assert ended.state is State.OVER
    assert ended.harvest is not None
    assert ended.harvest.t_ha == pytest.approx(GAVE_T_HA)
    assert "inside the range" in steps["score"].told
