"""The tablets' app as files: small, whole, one version, every word translated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from edge_app import webassets
from edge_app.agent import shell
from edge_app.agent.texts import TEXTS
from edge_app.languages import LANGS
from tests.people import Staff

SHELL_BYTES, WITH_MAP_BYTES = 60_000, 120_000
SCRIPTS = sorted(shell.FILES.glob("*.js"))


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    assert webassets.build_fonts(), "run npm ci first"
    assert webassets.take_libraries(), "run npm ci first"
    with Staff(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def client(staff: Staff) -> FlaskClient:
    return staff.stranger()


def test_the_app_stays_small(staff: Staff, client: FlaskClient) -> None:
    packed = {"Accept-Encoding": "gzip"}
    page, worker = (client.get(f"/agent/{name}", headers=packed) for name in ("", "sw.js"))
    with staff.app.test_request_context():
        sizes = shell.sizes()
    whole = sum(sizes.values()) + len(page.data) + len(worker.data)
    later = sum(sizes[name] for name in shell.LATER_FILES)
    assert whole - later <= SHELL_BYTES, sizes
    assert whole <= WITH_MAP_BYTES


def test_the_worker_keeps_every_file_and_the_node_serves_it_under_one_version(
    client: FlaskClient,
) -> None:
    head = client.get("/agent/sw.js").text.splitlines()[0]
    found = re.fullmatch(r'const VERSION = "(\w+)", FILES = (\[.*\]);', head)
    assert found
    version, names = found[1], json.loads(found[2])
    for name in names:
        assert client.get(f"/agent/v/{version}/{name}").status_code == 200
    assert client.get(f"/agent/v/{'0' * 16}/app.js").status_code == 404
    page = client.get("/agent/").text
    asked = {*re.findall(rf"/agent/v/{version}/([\w./-]+)", page)}
    for script in SCRIPTS:
        asked |= {*re.findall(r'(?:from|import\() ?"\./([\w./]+)"', script.read_text())}
        asked |= {*re.findall(r'new URL\("([\w./]+)"', script.read_text())}
    assert asked <= {*names}


def test_a_change_in_any_file_gives_another_version(
    staff: Staff, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in shell.FILES.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(shell, "FILES", tmp_path)
    with staff.app.test_request_context():
        before = shell.version()
        (tmp_path / "rules.js").write_text("// another")
        assert shell.version() != before


def test_the_scripts_ask_for_the_words_that_there_are() -> None:
    source = "\n".join(script.read_text() for script in SCRIPTS)
    asked = {*re.findall(r'\btt?\("(\w+)"', source)}
    assert asked <= TEXTS.keys()
    # Keys that are put together or chosen stand in quotes, or begin as told.
    built = {key for key in TEXTS if key.startswith(("wrong_", "state_"))}
    unused = {key for key in TEXTS if f'"{key}"' not in source} - built
    assert unused <= {"observation", "farm", "field", "season", "consent"}


def test_no_word_is_missing_but_in_tifinagh(client: FlaskClient) -> None:
    version = re.findall(r"/agent/v/(\w+)/app.js", client.get("/agent/").text)[0]
    words = client.get(f"/agent/v/{version}/texts.json").get_json()
    for key, by_lang in words.items():
        assert {*LANGS} - {"zgh"} <= by_lang.keys() <= {*LANGS}, key
        assert re.search("[\u0600-\u06ff]", by_lang["ar"]), key
        assert re.search("[\u2d30-\u2d7f]", by_lang.get("zgh", "\u2d30")), key
        blanks = {*re.findall(r"{\w+}", by_lang["en"])}
        assert all({*re.findall(r"{\w+}", text)} == blanks for text in by_lang.values()), key


def test_no_text_of_the_scripts_runs_over_a_line() -> None:
    # Served without indentation, such a text would change.
    for script in SCRIPTS:
        assert all(line.count("`") % 2 == 0 for line in script.read_text().splitlines())


def test_the_page_allows_its_own_scripts_only(client: FlaskClient) -> None:
    policy = client.get("/agent/").headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "worker-src 'self'" in policy
    assert "<script>" not in client.get("/agent/").text
    assert "style=" not in client.get("/agent/").text
