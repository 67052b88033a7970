"""Tables of crops and soils: what FAO-56 prints, and what is refused at load."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from pyfao56.tools.tables import FAO56Tables

from edge_app.advice import load_advice
from field_data.errors import PublisherError
from field_data.forms.library import shipped_forms
from models.water.crops import Crop, crops, curve, named_crop, read_crops, roots_of, steered
from models.water.soils import methods, soils, unknown
from models.water.tables import read_table, table


def _row(frame: Any, name: str) -> list[float]:
    found = frame[frame.iloc[:, 0].str.strip() == name]
    assert len(found), name
    return [float(each) for each in found.iloc[0, 1:]]


@pytest.mark.parametrize("crop", crops().values(), ids=lambda crop: crop.code)
def test_a_crop_has_the_figures_that_its_rows_of_fao_56_print(crop: Crop) -> None:
    printed = FAO56Tables()
    if not crop.rows["kcb"].startswith("derived"):
        assert list(crop.kcb) == _row(printed.table17, crop.rows["kcb"])
    assert [crop.roots_irrigated_m, crop.roots_rainfed_m, crop.p] == _row(
        printed.table22, crop.rows["roots"]
    )
    if not crop.rows["stages"].startswith(("none", "alfalfa")):
        name = crop.rows["stages"].split(",")[0]
        eleven = printed.table11
        lengths = eleven[eleven.iloc[:, 0].str.strip() == name].iloc[:, 1:5].astype(float)
        assert list(crop.stages) in lengths.to_numpy().astype(int).tolist()


def test_every_crop_is_one_that_pages_know_and_none_poses_as_reviewed() -> None:
    known = {each.code for each in load_advice().crops} | {"MEDSA"}
    assert set(crops()) <= known
    assert not [each.code for each in crops().values() if each.reviewed_by]


def test_every_texture_of_the_soil_form_has_its_water() -> None:
    form = shipped_forms().named("soil")
    keys = {choice.key for choice in form.questions["texture"].choices}
    assert set(soils()) == keys
    taken, between = unknown()
    held = [soils()[name].available_mm_m for name in between]
    assert soils()[taken].available_mm_m == min(held)
    assert all(50 <= each.available_mm_m <= 200 for each in soils().values())
    wanted = {c.key for c in shipped_forms().named("irrigation").questions["method"].choices}
    assert set(methods()) == wanted


@pytest.mark.parametrize("harm", ["no source", "no rows", "kcb", "stages", "rule", "twice"])
def test_a_table_that_lacks_something_is_refused(harm: str) -> None:
    read = copy.deepcopy(dict(table("crops.toml")))
    row = read["crop"][0]
    match harm:
        case "no source":
            with pytest.raises(PublisherError, match="no source"):
                read_table('[[crop]]\ncode = "TRZAX"', "crops.toml")
            return
        case "no rows":
            del row["rows"]
        case "kcb":
            row["kcb"] = [0.15, 11.0, 0.15]
        case "stages":
            row["stages"] = [20, 60, 300, 30]
        case "rule":
            row["ndvi"] = "guess"
        case "twice":
            read["crop"].append(row)
    with pytest.raises(PublisherError) as error:
        read_crops(read)
    assert error.value.code == "bad_water_table"


def test_the_course_of_a_season() -> None:
    wheat, olive = named_crop("TRZAX"), named_crop("OLVEU")
    assert curve(wheat, [-5, 0, 20, 50, 80, 150, 180, 300]) == pytest.approx(
        [0, 0.15, 0.15, 0.625, 1.10, 1.10, 0.15, 0.15]
    )
    assert roots_of(wheat, [0, 80, 180], 1.5) == pytest.approx([0.2, 1.5, 1.5])
    assert curve(olive, [0, 150, 364, 365]) == pytest.approx([0.55, 0.65, 0.55, 0.55], abs=0.01)


def test_ndvi_draws_the_coefficient_and_is_forgotten_where_nothing_was_seen() -> None:
    days = np.arange(200)
    calendar = curve(named_crop("TRZAX"), days)
    assert named_crop("TRZAX").ndvi.kcb([0.1, 0.14, 0.5]) == pytest.approx([0, 0, 0.59], abs=0.01)
    kcb, share = steered(calendar, days, [40, 60, 80], [0.2, 0.3, 0.5])
    assert kcb[[40, 60, 80]] == pytest.approx([0.2, 0.3, 0.5])
    assert kcb[70] == pytest.approx(calendar[70] - 0.5 * (0.525 + 0.6) - 0.0, abs=0.07)
    assert share[[40, 70, 90]].tolist() == [1, 1, 1]
    assert kcb[130] == pytest.approx(calendar[130])
    alone, none = steered(calendar, days, [], [])
    assert np.array_equal(alone, calendar)
    assert not none.any()
