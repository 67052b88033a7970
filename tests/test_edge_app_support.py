"""The support file and the log: what helps is in them, nothing of anybody is."""

from __future__ import annotations

import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser

from edge_app import support, webassets
from edge_app.access.gate import csrf_of
from edge_app.access.guard import COOKIE
from edge_app.advice import load_advice
from edge_app.appliance.layout import Layout
from edge_app.cli import main
from edge_app.languages import LANGS
from edge_app.logbook import KEPT, Logbook
from edge_app.node import FarmNode
from edge_app.scrub import GONE, scrub
from edge_app.support import Told, names_in, support_file, told_by, told_of
from edge_app.web import create_app
from field_data.field_links import FieldLinks
from field_data.people import Role
from tests.browsers import PHONE, assert_sound
from tests.serving import listening
from tests.village import FARM_NAME, FARMER_NAME, Village, jpeg

SCREENS = os.environ.get("GHALLA_SCREENS")
PIN, NUMBER, PLACE = "teach-7731", "+212 6 61 23 45 67", "33.573142, -7.612905"
SSID, PASSPHRASE = 'Coop "الزيتون"', "olive harvest nine"
TAUGHT = "maladie de Si Brahim"
RESULT = "mzxw6ytboi3dimrvgq2tmnzyge"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarmNode]:
    webassets.compile_catalogues()
    home = tmp_path_factory.mktemp("box") / "home"
    home.mkdir()
    (home / "settings.toml").write_text(
        f'teach_pin = "{PIN}"\ntablet_url = "https://10.42.0.1:8443"\nqueue = 12\n'
    )
    (home / "forms").mkdir()
    # A form with a mistake, whose complaint quotes what somebody wrote into it.
    (home / "forms" / "visit.toml").write_text(f'name = "{FARMER_NAME} {NUMBER}"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GHALLA_SCREENS", raising=False)  # no setting of the node
        with FarmNode(home, load_advice()) as opened:
            yield opened


@pytest.fixture(scope="module")
def planted(node: FarmNode) -> list[str]:
    """A home full of people, whose log tells far too much; what must not get out."""
    village = Village(node.ground)
    link = FieldLinks(node.ground.store).give(village.field)
    token = node.ground.gate.open_session(village.agent, "test")
    node.ground.store.table("local_sets").insert({"name": TAUGHT})
    log = logging.getLogger("edge_app.planted")
    log.error("store_failed: %s of %s at %s", FARMER_NAME, FARM_NAME, PLACE)
    log.error("call %s about pin=%s, ssid: %s", NUMBER, PIN, SSID)
    log.error("GET /ar/result/%s?lang=ar&token=%s from 10.42.0.17", RESULT, token)
    log.error("opened /fr/field/%s/yield and taught %s", link, TAUGHT)
    log.error("Zineb said so; psk=%s aa:bb:cc:0d:1e:2f zineb@example.org", PASSPHRASE)
    try:
        raise ValueError(f"no answer {RESULT} of {FARMER_NAME}")
    except ValueError:
        log.exception("unexpected error")
    return [
        FARMER_NAME, *FARMER_NAME.split(), FARM_NAME, "field of zineb", "Hassan", TAUGHT,
        PIN, NUMBER, "61 23 45 67", *PLACE.split(", "), "33.57", SSID, PASSPHRASE, "olive",
        link, token, RESULT, "10.42.0.17", "10.42.0.1", "aa:bb:cc", "example.org",
        village.farmer.id, village.field, village.photo, node.id,
    ]  # fmt: skip


def _texts(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def _boxed(root: Path) -> Layout:
    layout = Layout(root)
    layout.etc.mkdir(parents=True)
    layout.settings.write_text(f"ssid = {json.dumps(SSID)}\n[wifi]\npassphrase = '{PASSPHRASE}'\n")
    return layout


def test_nothing_of_anybody_is_in_a_support_file(
    node: FarmNode, planted: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    layout = _boxed(tmp_path)
    monkeypatch.setattr(support, "Layout", lambda: layout)
    # The journal of a box of before the log was scrubbed.
    journal = [f"{FARMER_NAME} {NUMBER} {PLACE} {SSID} {PASSPHRASE} {RESULT} taught {TAUGHT}"]
    monkeypatch.setattr(support, "_journal", lambda: journal)
    for data in (support_file(told_by(node)), support_file(told_of(node.home))):
        texts = _texts(data)
        assert jpeg(10) not in data
        for name, text in texts.items():
            there = [secret for secret in planted if secret.lower() in text.lower()]
            assert not there, (name, there)


def test_what_helps_is_in_it(node: FarmNode, planted: list[str]) -> None:
    texts = _texts(support_file(told_by(node)))
    parts = {part["name"]: part for part in json.loads(texts["health.json"])}
    assert parts["forms"]["code"] == "bad_form"
    assert parts["store"]["ok"]
    assert json.loads(texts["settings.json"])["queue"] == 12
    assert json.loads(texts["settings.json"])["teach_pin"] == "set"
    assert "ERROR edge_app.planted: store_failed: " in texts["log.txt"]
    assert 'test_edge_app_support.py", line' in texts["log.txt"]
    assert "ValueError" in texts["log.txt"]
    assert "ghalla_events 10" in texts["metrics.txt"]
    assert any(line.lower().startswith("numpy==") for line in texts["packages.txt"].splitlines())


def test_where_nobody_knows_the_names_the_words_of_the_log_stay_out(node: FarmNode) -> None:
    told = Told((), node.settings, "", ["2026-11-25 ERROR x.y: Zineb did it"], None)
    assert _texts(support_file(told))["log.txt"] == "2026-11-25 ERROR x.y\n"


def test_the_command_line_and_the_keepers_page_give_it(node: FarmNode, tmp_path: Path) -> None:
    out = tmp_path / "support.zip"
    asked = ["box", "support", "--home", str(node.home), "--json", str(out)]
    said = CliRunner().invoke(main, asked)
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["bytes"] == out.stat().st_size
    assert "health.json" in _texts(out.read_bytes())
    missing = CliRunner().invoke(main, [*asked[:-1], str(tmp_path / "none" / "x.zip")])
    assert missing.exit_code == 3
    assert CliRunner().invoke(main, ["box", "support", "--home", "/no", "x.zip"]).exit_code == 3


def test_the_keeper_takes_it_with_one_tap_and_nobody_else(node: FarmNode) -> None:
    app = create_app(node, load_advice())
    phone = app.test_client()
    assert phone.post("/en/staff/support").status_code == 303
    keeper = node.ground.people.add("Keeper one", Role.KEEPER, "en")
    token = node.ground.gate.open_session(keeper, "test")
    phone.set_cookie(COOKIE, token)
    page = phone.get("/en/staff/support").text
    assert "Take the support file" in page
    assert "A form of this box has a mistake" in page
    taken = phone.post("/en/staff/support", data={"csrf": csrf_of(token)})
    assert taken.mimetype == "application/zip"
    assert "versions.json" in _texts(taken.data)


@pytest.mark.browser
def test_axe_finds_nothing_on_what_the_keeper_reads(node: FarmNode, browser: Browser) -> None:
    keeper = node.ground.people.add("Keeper two", Role.KEEPER, "en")
    token = node.ground.gate.open_session(keeper, "test")
    with listening(create_app(node, load_advice())) as address:
        context = browser.new_context(viewport=PHONE)
        context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        page = context.new_page()
        for lang in LANGS:
            for name in ("staff/support", "health"):
                page.goto(f"{address}/{lang}/{name}")
                assert_sound(page, (lang, name))
                if SCREENS:
                    file = f"{SCREENS}/{name.split('/')[-1]}-{lang}.png"
                    page.screenshot(path=file, full_page=True)
        context.close()


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-25 04:41:03,123 ERROR x: disk_full: no space left for /var/lib/ghalla/home/store",
        'File "/opt/ghalla/releases/0.9.0/venv/lib/site-packages/edge_app/server.py", line 12',
        "bundle advice/souss 12 is switched off: bundle_unhealthy",
        "listening on http://127.0.0.1:8080 since 1.25 s",
    ],
)
def test_what_says_nothing_of_anybody_stays(line: str) -> None:
    assert scrub(line, [FARMER_NAME]) == line


def test_names_are_found_in_any_case_and_short_ones_do_not_eat_the_log() -> None:
    assert scrub("ZINEB BELKACEM and Al", ["Zineb Belkacem", "Al"]) == f"{GONE} and Al"


def test_names_of_the_home_are_known(node: FarmNode, planted: list[str]) -> None:
    known = names_in(node.ground.store, node.home)
    assert {FARMER_NAME, "Zineb", FARM_NAME, TAUGHT} <= set(known)


def test_the_last_lines_are_kept_and_no_more() -> None:
    book = Logbook()
    for number in range(KEPT + 7):
        book.handle(logging.makeLogRecord({"msg": f"line no {number}", "levelno": 40}))
    assert len(book.lines) == KEPT
    assert book.lines[-1].endswith(f"line no {KEPT + 6}")
