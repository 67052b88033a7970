"""``ghalla bundle`` from the key ceremony to a node: what a stranger would type."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import sync.bundles
from edge_app.home import open_ground
from edge_app.home_advice import advice_of
from field_data.geometry import outline
from models.package import pack
from sat_ingest.archive import ARCHIVE, Archive
from sync.bundles import SLIP
from sync.hub.enrolment import new_code
from sync.roots import read_chain, write_chain
from tests.bundling import CARD, bundle, trusting
from tests.hubs import hub_on, served, settings_in
from tests.sat_fields import GRID, square_field, window_of
from tests.small_models import make_model
from tests.test_edge_app_cli import ghalla, said, verbs
from tests.test_edge_app_cli_sat import feature


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with keys of two root holders and two publishers, and a root that both signed."""
    for name in ("root-a", "root-b", "root-c", "cards", "models"):
        assert ghalla("keys", "new", "--out", tmp_path / name).exit_code == 0
    made = ghalla(
        "bundle", "roots", "new", "--out", tmp_path / "roots.json", "--threshold", "2",
        "--root-key", tmp_path / "root-a.pub", "--root-key", tmp_path / "root-b.pub",
        "--publisher", f"advice={tmp_path / 'cards.pub'}",
        "--publisher", f"model={tmp_path / 'models.pub'}", "--json",
    )  # fmt: skip
    assert said(made)[0]["complete"] is False
    for name in ("root-a", "root-b"):
        signed = ghalla("bundle", "roots", "sign", tmp_path / "roots.json", "--key",
                        tmp_path / name, "--json")  # fmt: skip
    assert said(signed)[0]["complete"] is True
    return tmp_path


@pytest.fixture
def home(desk: Path) -> Path:
    ghalla("init", "--home", desk / "home")
    trusted = ghalla("bundle", "roots", "trust", "--home", desk / "home", desk / "roots.json")
    assert trusted.exit_code == 0
    assert "fingerprint" in trusted.stdout
    return desk / "home"


def built(
    desk: Path, version: int, *more: str, key: str | None = "cards", text: str = CARD
) -> Path:
    source = desk / "source"
    (source / "cards").mkdir(parents=True, exist_ok=True)
    (source / "cards" / "brought.toml").write_text(text, encoding="utf-8")
    out = desk / f"{version}.ghb"
    words: list[str | Path] = ["--name", "souss", "--version", str(version), "--out", out, *more]
    made = ghalla("bundle", "build", "advice", source, *words)
    assert made.exit_code == 0, made.output
    if key:
        assert ghalla("bundle", "sign", out, "--key", desk / key).exit_code == 0
    return out


def error_of(*words: str | Path) -> tuple[int, str]:
    result = ghalla(*words, "--json")
    return result.exit_code, said(result)[0]["error"]


def test_from_the_ceremony_to_the_node_and_back(desk: Path, home: Path) -> None:
    path = built(desk, 7, "--rollout", "20", "--note", "More cards")
    [shown] = said(ghalla("bundle", "show", path, "--json"))
    assert (shown["version"], shown["rollout"], shown["note"]) == (7, 20, "More cards")
    taken = ghalla("bundle", "install", "--home", home, path)
    assert taken.stdout == "advice/souss 7: in use now, on trial\n"
    assert advice_of(home).card("LYPES", "BROUGH") is not None
    assert "in use already" in ghalla("bundle", "install", "--home", home, path).stdout
    told = ghalla("bundle", "status", "--home", home).stdout
    assert "root of trust: 1" in told
    assert "advice/souss 7  trial" in told
    back = ghalla("bundle", "rollback", "--home", home, "advice", "souss", "--json")
    assert said(back) == [{"kind": "advice", "name": "souss", "version": 0}]
    assert advice_of(home).card("LYPES", "BROUGH") is None


def test_a_stick_brings_roots_and_bundles_and_one_bad_one_stops_nobody(
    desk: Path, home: Path
) -> None:
    good, bad = built(desk, 8), built(desk, 5, key="models")
    new = ghalla(
        "bundle", "roots", "new", "--out", desk / "roots.json", "--threshold", "2",
        "--root-key", desk / "root-a.pub", "--root-key", desk / "root-c.pub",
        "--publisher", f"all={desk / 'cards.pub'}",
        "--publisher", f"model={desk / 'models.pub'}",
    )  # fmt: skip
    assert new.exit_code == 0
    assert error_of("bundle", "roots", "sign", desk / "roots.json", "--key", desk / "cards") == (
        1,
        "other_key",
    )
    for name in ("root-a", "root-b", "root-c"):
        ghalla("bundle", "roots", "sign", desk / "roots.json", "--key", desk / name)
    stick = desk / "stick"
    words: list[str | Path] = ["--stick", stick, good, bad, desk / "roots.json"]
    assert ghalla("bundle", "publish", *words).exit_code == 0
    result = ghalla("bundle", "install", "--home", home, stick, "--json")
    assert result.exit_code == 4
    lines = {Path(each["file"]).name: each for each in said(result)}
    assert lines["5.ghb"]["error"] == "bundle_wrong_role"
    assert lines["8.ghb"]["version"] == 8
    assert said(ghalla("bundle", "roots", "show", "--home", home, "--json"))[0]["version"] == 2


def test_a_stick_with_a_bad_root_or_with_nothing_says_so(desk: Path, home: Path) -> None:
    stick = desk / "stick"
    stick.mkdir()
    nothing = ("bundle", "install", "--home", home, stick)
    assert error_of(*nothing) == (1, "no_such_file")
    shutil.copy(built(desk, 8), stick)
    (stick / "roots.json").write_text("no root")
    result = ghalla(*nothing, "--json")
    assert result.exit_code == 4
    lines = {Path(each["file"]).name: each for each in said(result)}
    assert lines["roots.json"]["error"] == "bad_root"
    assert lines["8.ghb"]["version"] == 8


def test_a_root_that_too_few_signed_is_not_taken(desk: Path, home: Path) -> None:
    ghalla(
        "bundle", "roots", "new", "--out", desk / "roots.json", "--threshold", "1",
        "--root-key", desk / "root-c.pub",
    )  # fmt: skip
    chain = read_chain(desk / "roots.json")
    from sync.keys import read_secret

    write_chain(desk / "x.json", [chain[1].with_signature(read_secret(desk / "root-c"))])
    assert error_of("bundle", "roots", "update", "--home", home, desk / "x.json") == (
        4, "root_unsigned")  # fmt: skip
    assert error_of("bundle", "roots", "trust", "--home", home, desk / "x.json") == (
        1, "root_there")  # fmt: skip


def exchanged(verify: Any, desk: Path) -> Any:
    """As ``verify``; then another package, which nobody signed, gets the name."""
    pack(make_model(desk / "other", "9.3.0", golden=False), desk / "other.ghm")

    def and_then(path: Path, *more: Any) -> Any:
        manifest = verify(path, *more)
        (desk / "other.ghm").replace(path)
        return manifest

    return and_then


def test_a_node_with_a_root_asks_for_the_signature_of_a_model(
    desk: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(desk / "model", "9.2.0")
    package = desk / "m.ghm"
    pack(folder, package)
    install = ("model", "install", "--home", home, package)
    assert error_of(*install) == (4, "bundle_unsigned")
    assert ghalla("bundle", "sign", package, "--key", desk / "cards").exit_code == 0
    assert error_of(*install) == (4, "bundle_untrusted")
    ghalla("bundle", "sign", package, "--key", desk / "models")
    data = package.read_bytes()
    package.write_bytes(data[:-1] + b"x")
    assert error_of(*install) == (4, "bundle_damaged")
    package.write_bytes(data)
    with monkeypatch.context() as patch:  # exchanged after it was held against its slip
        patch.setattr("sync.bundles.verify", exchanged(sync.bundles.verify, desk))
        assert ghalla(*install).exit_code == 0
    assert (home / "models" / "leaf_health" / "9.2.0").is_dir(), "what was signed is installed"
    package.write_bytes(data)
    shutil.rmtree(home / "models" / "leaf_health" / "9.2.0")
    package.with_name(package.name + SLIP).unlink()
    assert ghalla(*install, "--unsigned").exit_code == 0


def test_windows_come_into_the_archive_and_others_do_not(desk: Path, tmp_path: Path) -> None:
    home = trusting(desk / "sky")
    ghalla("init", "--home", home)
    like = square_field("x", GRID, inset_m=2)
    with open_ground(home) as ground:
        farm = ground.registry.add_farm("keeper", "Farm")
        field, _ = ground.registry.add_field("keeper", farm.id, "Plot", outline(like.boundary))
    with Archive(desk / "hub" / ARCHIVE) as archive, archive.transaction():
        for n in range(5):
            archive.put(window_of(field.id, 20_000 + 5 * n, grid=GRID))
    collection = {"type": "FeatureCollection", "features": [feature(field)]}
    (desk / "fields.geojson").write_text(json.dumps(collection))
    where = ("--home", desk / "hub", "--fields", desk / "fields.geojson")
    assert ghalla("scenes", "pack", *where, "--out", desk / "p.ghw").exit_code == 0
    made = bundle(tmp_path, 1, "windows", files={"p.ghw": (desk / "p.ghw").read_bytes()})
    taken = ghalla("bundle", "install", "--home", home, made)
    assert taken.exit_code == 0, taken.output
    [status] = said(ghalla("scenes", "status", "--home", home, "--json"))
    assert status["windows"] == 5
    [listed] = said(ghalla("bundle", "status", "--home", home, "--json"))
    assert (listed["bundles"][0]["version"], listed["bundles"][0]["trial"]) == (1, False)
    for version, files in ((2, {"p.ghw": b"no pack"}), (3, {"p.ghw": b"", "q.ghw": b""})):
        bad = bundle(tmp_path, version, "windows", files=files)
        assert ghalla("bundle", "install", "--home", home, bad).exit_code == 4
    [status] = said(ghalla("scenes", "status", "--home", home, "--json"))
    assert status["windows"] == 5


def test_a_hub_publishes_raises_and_pauses(desk: Path) -> None:
    settings = settings_in(desk)
    hub = ("--database", settings.database, "--blobs", settings.blobs, "--json")
    path = built(desk, 3)
    assert error_of("bundle", "publish", *hub[:-1], path) == (4, "no_root")
    assert said(ghalla("bundle", "publish", *hub, desk / "roots.json")) == [{"root": 1}]
    [offered] = said(ghalla("bundle", "publish", *hub, path, "--share", "5"))
    assert (offered["share"], offered["paused"]) == (5, False)
    again = said(ghalla("bundle", "publish", *hub, path, "--share", "90"))
    assert again == [offered], "who publishes twice changes nothing"
    sha = str(offered["sha256"])
    [raised] = said(ghalla("bundle", "rollout", *hub, sha, "--share", "50"))
    assert raised["share"] == 50
    [paused] = said(ghalla("bundle", "rollout", *hub, sha, "--pause"))
    assert (paused["paused"], paused["why"]) == (True, "by hand")
    [listed] = said(ghalla("bundle", "rollout", *hub))
    assert listed == paused
    assert error_of("bundle", "rollout", *hub[:-1], "0" * 64, "--pause") == (1, "unknown_bundle")


def test_a_run_of_the_client_brings_down_what_a_served_hub_offers(desk: Path, home: Path) -> None:
    settings = settings_in(desk)
    hub = ("--database", settings.database, "--blobs", settings.blobs)
    ghalla("bundle", "publish", *hub, desk / "roots.json")
    ghalla("bundle", "publish", *hub, built(desk, 4, "--region", "souss"), "--share", "100")
    with hub_on(settings) as parts, served(settings, 1) as server:
        code = new_code(parts.database, "coop", "souss")
        enrolled = ghalla("sync", "enrol", "--home", home, "--hub", server.url, "--code", code)
        assert enrolled.exit_code == 0, enrolled.output
        assert ghalla("sync", "run", "--home", home).exit_code == 0
        assert ghalla("sync", "run", "--home", home, "--max-bytes", "1500").exit_code == 0
        assert ghalla("sync", "run", "--home", home).exit_code == 0
        assert advice_of(home).card("LYPES", "BROUGH") is not None
        [listed] = said(ghalla("bundle", "rollout", *hub, "--json"))
        assert (listed["tried"], listed["failed"]) == (1, 0)
        ghalla("bundle", "publish", *hub, built(desk, 5, text="no card"), "--share", "100")
        assert ghalla("sync", "run", "--home", home).exit_code == 0
        bad = said(ghalla("bundle", "rollout", *hub, "--json"))[0]
        assert (bad["version"], bad["tried"], bad["failed"]) == (5, 1, 1)
    [found] = said(ghalla("bundle", "status", "--home", home, "--json"))
    assert [each["code"] for each in found["reports"]] == ["", "bad_content"]
    assert all(each["told"] for each in found["reports"])


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["install", "--home", "HOME", "absent.ghb"], 1, "no_such_file"),
        (["install", "--home", "HOME", "DESK/roots.json"], 4, "not_a_bundle"),
        (["status", "--home", "DESK"], 3, "no_home"),
        (["rollback", "--home", "HOME", "advice", "x"], 1, "nothing_to_roll_back"),
        (["show", "absent.ghb"], 1, "no_such_file"),
        (["sign", "absent.ghb", "--key", "DESK/cards"], 1, "no_such_file"),
        (["sign", "absent.ghb", "--key", "DESK/cards.pub"], 1, "bad_key"),
        (["build", "advice", "absent", "--name", "x", "--out", "DESK/o.ghb"], 1, "no_such_file"),
        (["build", "advice", "DESK/source", "--name", "../x", "--out", "DESK/o.ghb"], 4,
         "bundle_bad_path"),
        (["roots", "trust", "--home", "HOME", "absent.json"], 1, "no_such_file"),
        (["roots", "update", "--home", "HOME", "DESK/cards"], 4, "bad_root"),
        (["roots", "new", "--out", "DESK/r.json", "--root-key", "DESK/root-a.pub",
          "--threshold", "2"], 1, "bad_root"),
        (["roots", "new", "--out", "DESK/r.json", "--root-key", "DESK/root-a.pub",
          "--threshold", "1", "--publisher", "firmware=DESK/cards.pub"], 1, "bad_root"),
    ],
)  # fmt: skip
def test_wrong_words(desk: Path, home: Path, words: list[str], code: int, error: str) -> None:
    built(desk, 1)
    given = [w.replace("HOME", str(home)).replace("DESK", str(desk)) for w in words]
    assert error_of("bundle", *given) == (code, error)


def test_without_a_root_nothing_is_taken_and_the_node_says_what_to_do(desk: Path) -> None:
    ghalla("init", "--home", desk / "bare")
    path = built(desk, 1)
    result = ghalla("bundle", "install", "--home", desk / "bare", path)
    assert result.exit_code == 3
    assert "ghalla bundle roots trust" in result.stderr
    [found] = said(ghalla("bundle", "status", "--home", desk / "bare", "--json"))
    assert found == {"root": None, "bundles": [], "reports": []}


def test_every_verb_has_help_and_json() -> None:
    from edge_app.cli_bundle import KINDS, bundle
    from sync.roots import KINDS as ROLES

    assert KINDS == ROLES
    for verb in verbs(bundle, "bundle"):
        shown: Any = ghalla(*verb.split(), "--help").stdout
        assert shown
        if verb not in ("bundle", "bundle roots"):
            assert "--json" in shown, verb
