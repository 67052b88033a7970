"""``ghalla forms`` and ``ghalla observations`` as people and programs run them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_app.advice import load_advice
from edge_app.cli import main
from edge_app.health import open_events
from edge_app.home_forms import forms_of
from edge_app.node import init_home
from edge_app.vocabulary import CardVocabulary
from field_data.events import Draft, Kind
from field_data.forms.library import SHIPPED
from field_data.ids import new_id
from field_data.types import Instant, Trust
from tests.workbooks import row, workbook


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def told(*words: object) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def soil(log_home: Path, values: dict[str, Any], supersedes: str | None = None) -> str:
    place = {"lon": -7.56789, "lat": 33.12345, "accuracy_m": 5}
    body = {"form": "soil", "version": 1, "values": values, "place": place}
    at = Instant(1_790_000_000.0, Trust.TABLET)
    draft = Draft(new_id(), Kind.OBSERVATION, "field", "agent", at, body, supersedes=supersedes)
    with open_events(log_home) as log:
        return log.append(draft).event.id


@pytest.fixture
def home(tmp_path: Path) -> Path:
    init_home(tmp_path / "home")
    return tmp_path / "home"


def test_forms_are_listed_with_their_digest() -> None:
    listed = told("forms", "list")
    assert "scouting" in [each["id"] for each in listed]
    assert all(len(each["digest"]) == 64 for each in listed)
    assert "scouting" in run("forms", "list").stdout


def test_every_shipped_file_passes_its_own_check() -> None:
    for file in SHIPPED.glob("*.toml"):
        assert told("forms", "check", file)["ok"]


def test_a_form_that_is_not_sound_is_named_with_place_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "scouting.toml"
    text = (SHIPPED / "scouting.toml").read_text()
    file.write_text(text.replace('key = "single", wire = 1', 'key = "single", wire = 9'))
    assert run("forms", "check", file).exit_code == 0  # as the same version, alone
    file.write_text(file.read_text().replace("version = 1", "version = 2"))
    result = run("forms", "check", file)
    assert result.exit_code == 4
    assert "version 2: question pattern: wire 9" in result.stderr
    assert run("forms", "check", tmp_path / "absent.toml").exit_code == 4


def test_the_dictionary_can_be_read_by_people_programs_and_spreadsheets() -> None:
    entries = told("forms", "dictionary", "--form", "crop_cut")
    assert {"std_t_ha", "plot_area_m2"} <= {each["column"] for each in entries}
    table = list(csv.DictReader(io.StringIO(run("forms", "dictionary", "--csv").stdout)))
    assert {line["form"] for line in table} == {file.stem for file in SHIPPED.glob("*.toml")}
    assert "plot_area_m2" in run("forms", "dictionary", "--form", "crop_cut").stdout
    assert run("forms", "dictionary", "--form", "nothing").exit_code == 1


def test_an_imported_workbook_is_a_form_of_the_node(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "trial.xlsx"
    choices = [["crops", "oats", "Oats", "Avoine", "شوفان"]]
    file.write_bytes(workbook([row("select_one crops", "crop")], choices))
    said = told("forms", "import", file, "--out", home / "forms")
    assert (said["id"], said["version"], said["left_out"]) == ("trial_plot", 3, [])
    more = [["crops", "rye", "Rye", "Seigle", "جاودار"], *choices]
    file.write_bytes(workbook([row("select_one crops", "crop")], more))
    assert told("forms", "import", file, "--out", home / "forms")["version"] == 4
    assert told("forms", "check", home / "forms" / "trial_plot.toml")["version"] == 4
    forms, problems = forms_of(home)
    assert [form.version for form in forms.versions("trial_plot")] == [3, 4]
    assert not problems
    assert "trial_plot" in [each["id"] for each in told("forms", "list", "--home", home)]


def test_an_import_does_not_take_the_name_of_a_form_of_ghalla(tmp_path: Path) -> None:
    file = tmp_path / "soil.xlsx"
    file.write_bytes(workbook([row("text", "a")], settings=("Soil", "soil", "1")))
    result = run("forms", "import", file, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "form_taken"
    assert run("forms", "import", tmp_path / "no.xlsx", "--out", tmp_path).exit_code == 1


def test_a_broken_form_of_the_home_is_named_and_the_others_work_on(home: Path) -> None:
    (home / "forms").mkdir()
    (home / "forms" / "bad.toml").write_text('id = "bad"')
    result = run("forms", "list", "--home", home)
    assert result.exit_code == 0
    assert "bad.toml: form: version is missing" in result.stderr
    assert "scouting" in result.stdout


def test_observations_come_out_corrected_and_coarse(home: Path, tmp_path: Path) -> None:
    first = soil(home, {"top": 0, "bottom": 30, "by": "feel", "remarks": "=cmd()"})
    better = soil(home, {"top": 0, "bottom": 25, "by": "feel", "remarks": "=cmd()"}, first)
    (record,) = told("observations", "export", "--home", home, "--form", "soil")
    assert (record["event"], record["bottom_cm"]) == (better, 25)
    assert (record["lon"], record["lat"], record["accuracy_m"]) == (-7.6, 33.1, None)
    (exact,) = told("observations", "export", "--home", home, "--form", "soil", "--exact")
    assert (exact["lon"], exact["accuracy_m"]) == (-7.56789, 5)
    out = tmp_path / "soil.csv"
    words = ("observations", "export", "--home", home, "--form", "soil", "--csv", out, "--bom")
    assert told(*words)["records"] == 1
    assert out.read_text(encoding="utf-8").startswith("\ufeffevent,")
    (line,) = csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig")))
    assert line["remarks"] == "'=cmd()"
    assert run("observations", "export", "--home", home, "--form", "no").exit_code == 1
    assert run("observations", "export", "--home", tmp_path, "--form", "soil").exit_code == 3


def test_the_vocabulary_names_what_the_cards_know() -> None:
    words = CardVocabulary(load_advice())
    assert words.has_crop("LYPES")
    assert not words.has_crop("XXXXX")
    assert words.has_condition("PHYTIN", "LYPES")
    assert not words.has_condition("PHYTIN", "OLVEU")
    assert words.has_condition("PHYTIN", None)
    assert words.has_condition("healthy", "OLVEU")
    crops = words.as_json()["crops"]
    assert all(crop["conditions"][0]["code"] == "healthy" for crop in crops)
    names = [crop["name"] for crop in crops] + [c["name"] for x in crops for c in x["conditions"]]
    assert all({"ar", "fr", "en"} <= set(name) for name in names)
    assert words.digest() == CardVocabulary(load_advice()).digest()
