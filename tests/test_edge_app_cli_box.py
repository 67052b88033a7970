"""``ghalla box status`` beside a system that is not running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge_app.appliance.layout import Layout
from edge_app.cli import main

RELEASE = {"version": "0.1.0+01234567", "python": "3.11", "arch": "aarch64"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A box with two releases, the second in use."""
    layout = Layout(tmp_path)
    for name in ("0.0.9+89abcdef", RELEASE["version"]):
        layout.release(name).mkdir(parents=True)
        (layout.release(name) / "release.json").write_text(json.dumps(RELEASE))
    layout.current.symlink_to(f"releases/{RELEASE['version']}")
    layout.units.mkdir(parents=True)
    (layout.units / "ghalla.service").touch()
    return layout


def status(layout: Layout, *words: str) -> Result:
    return CliRunner().invoke(main, ["box", "status", "--root", str(layout.root), *words])


def test_a_box_says_what_runs_and_where_it_lies(layout: Layout) -> None:
    said = json.loads(status(layout, "--json").stdout)
    assert said["release"] == RELEASE
    assert said["kept"] == ["0.0.9+89abcdef", RELEASE["version"]]
    assert said["paths"]["code"] == str(layout.release(RELEASE["version"]))
    assert said["units"] == {"ghalla.service": "installed"}


def test_without_systemd_it_says_how_the_node_is_started(layout: Layout) -> None:
    said = status(layout).output
    assert "systemd does not run here" in said
    assert f"ghalla serve --home {layout.home}" in said
    (layout.root / "run/systemd/system").mkdir(parents=True)
    assert "systemd does not run here" not in status(layout).output


def test_no_box_and_a_damaged_release_are_named(layout: Layout, tmp_path: Path) -> None:
    (layout.release(RELEASE["version"]) / "release.json").write_text("[]")
    broken = status(layout, "--json")
    assert (broken.exit_code, json.loads(broken.stdout)["error"]) == (3, "bad_release")
    layout.current.unlink()
    bare = status(layout, "--json")
    assert (bare.exit_code, json.loads(bare.stdout)["error"]) == (3, "not_installed")
