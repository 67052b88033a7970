"""Bundles on a running node: bad ones are refused, worse ones go, and people are served."""

from __future__ import annotations

import io
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from edge_app import live_app, live_model, webassets
from edge_app.bundle_place import place_of
from edge_app.bundles_node import NodeBundles, begin_bundles, bundles_of
from edge_app.home_advice import advice_at_start
from edge_app.live_app import LiveApp
from edge_app.node import MODEL_FOLDER, FarmNode
from edge_app.settings import read_settings
from field_data.errors import PublisherError
from models.diagnosis import Diagnoser
from models.golden import write_golden
from models.package import pack
from models.registry import life_of
from tests.builders import encoded, leaf_jpeg
from tests.bundling import CARD, bundle, trusting
from tests.serving import ServedNode
from tests.small_models import BLUE, graph, make_model, raw_manifest, replace_file, save
from tests.test_edge_app_cli import ghalla, said
from tests.test_edge_app_live_model import speaks

SKY = encoded(np.full((120, 120, 3), BLUE, np.uint8), "PNG")
FORM = (Path(__file__).parents[1] / "field_data" / "forms" / "soil.toml").read_text()


def soon(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def package(folder: Path, model: Path) -> dict[str, bytes]:
    """The files of a bundle with that model."""
    pack(model, folder / "m.ghm")
    return {"m.ghm": (folder / "m.ghm").read_bytes()}


def catalogue(**words: str) -> bytes:
    made = Catalog(locale="fr")
    for key, text in words.items():
        made.add(key, text)
    out = io.BytesIO()
    write_mo(out, made)
    return out.getvalue()


def compiled(words: dict[str, str]) -> bytes:
    """A catalogue with any header (the GNU gettext manual, 10.3)."""
    ids = [key.encode() + b"\0" for key in sorted(words)]
    texts = [words[key].encode() + b"\0" for key in sorted(words)]
    n, at = len(ids), 28 + 16 * len(ids)
    tables, data = b"", b"".join(ids + texts)
    for each in ids + texts:
        tables += struct.pack("<II", len(each) - 1, at)
        at += len(each)
    return struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, 0) + tables + data


# --- one node in this process -----------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    return make_model(tmp_path / "shipped" / "leaf_health", "1.0.0", golden=False)


@pytest.fixture
def live(tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveApp]:
    webassets.compile_catalogues()
    monkeypatch.setattr(live_model, "_LOOK_S", 0.02)
    home = trusting(tmp_path / "home")
    with FarmNode(home, advice_at_start(home), model_folder=shipped) as node:
        yield LiveApp(node, advice_at_start(home))


def page(live: LiveApp, path: str) -> tuple[int, str]:
    answer = live.app.test_client().get(path)
    return answer.status_code, answer.get_data(as_text=True)


def test_cards_words_and_forms_come_into_use_without_a_restart(
    live: LiveApp, tmp_path: Path
) -> None:
    assert page(live, "/en/card/tomato-brought")[0] == 404
    live.bundles.take(bundle(tmp_path, 1))
    words = {"fr/LC_MESSAGES/messages.mo": catalogue(**{"What we keep": "Mot venu par paquet"})}
    live.bundles.take(bundle(tmp_path, 1, "translations", files=words))
    text = FORM.replace('id = "soil"', 'id = "brought"')
    live.bundles.take(bundle(tmp_path, 1, "forms", files={"brought.toml": text.encode()}))
    live.look()
    assert page(live, "/en/card/tomato-brought")[0] == 200
    assert "Mot venu par paquet" in page(live, "/fr/privacy")[1]
    assert live._node.ground.forms.get("brought") is not None
    assert all(slot["trial"] for slot in live.bundles.status()["bundles"])
    live.look_after(long_enough=True)
    assert not any(slot["trial"] for slot in live.bundles.status()["bundles"])
    live.bundles.roll_back("advice", "souss")
    live.look()
    assert page(live, "/en/card/tomato-brought")[0] == 404
    assert "Mot venu par paquet" in page(live, "/fr/privacy")[1]


def test_starts_that_come_to_serve_are_not_held_against_a_trial(
    live: LiveApp, tmp_path: Path
) -> None:
    live.bundles.take(bundle(tmp_path, 1))
    for _ in range(3):
        begin_bundles(live.bundles.home)
    assert live.bundles.slots.get("advice", "souss").starts == 3
    live.look()
    slot = live.bundles.slots.get("advice", "souss")
    assert (slot.active, slot.trial, slot.starts) == (1, True, 0)


def test_what_fails_at_the_switch_is_never_seen(
    live: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.bundles.take(bundle(tmp_path, 1))
    monkeypatch.setattr(live_app, "trouble_of", lambda app, _: "x" if app is not live.app else None)
    live.look()
    assert page(live, "/en/card/tomato-brought")[0] == 404
    assert live.bundles.slots.get("advice", "souss").active == 0
    report = live.bundles.reports.all()[-1]
    assert (report.outcome, report.code) == ("rolled_back", "bundle_unhealthy")


def test_what_fails_in_its_first_minutes_gives_way_while_people_read(
    live: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.bundles.take(bundle(tmp_path, 1))
    live.look()
    live.look_after(long_enough=True)
    files = {"cards/brought.toml": CARD.replace("Brought", "Worse").encode()}
    live.bundles.take(bundle(tmp_path, 2, files=files))
    live.look()
    assert "Worse by a bundle" in page(live, "/en/card/tomato-brought")[1]
    real = live_app.trouble_of

    def trouble(app: Any, advice: Any) -> str | None:
        worse = any(card.name["en"].startswith("Worse") for card in advice.cards)
        return "/en/ answers 500" if worse else real(app, advice)

    monkeypatch.setattr(live_app, "trouble_of", trouble)
    live.look_after(long_enough=False)
    assert "Brought by a bundle" in page(live, "/en/card/tomato-brought")[1]
    slot = live.bundles.slots.get("advice", "souss")
    assert (slot.active, slot.trial, slot.refused[2].code) == (1, False, "bundle_unhealthy")
    assert live.bundles.reports.all()[-1].reason == "/en/ answers 500"


@pytest.mark.parametrize("problem", [None, "/en/ answers 500"])
def test_a_version_that_comes_during_a_round_is_not_judged_by_it(
    live: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    live.bundles.take(bundle(tmp_path, 1))
    live.look()
    words = CARD.replace("Brought", "Better").encode()
    better = bundle(tmp_path, 2, files={"cards/brought.toml": words})
    rounds = [lambda: live.bundles.take(better)]
    real = live_app.trouble_of

    def trouble(app: Any, advice: Any) -> str | None:
        if rounds:
            rounds.pop()()
            return problem
        return real(app, advice)

    monkeypatch.setattr(live_app, "trouble_of", trouble)
    live.look_after(long_enough=True)
    slot = live.bundles.slots.get("advice", "souss")
    assert (slot.active, slot.trial) == (2, True)
    assert set(slot.refused) == ({1} if problem else set())
    live.look()
    assert "Better by a bundle" in page(live, "/en/card/tomato-brought")[1]


def test_a_card_that_breaks_a_page_is_found_by_the_round(live: LiveApp, tmp_path: Path) -> None:
    """No pretence: the template really fails."""
    live.bundles.take(bundle(tmp_path, 1))
    live.look()
    live._current.jinja_env.filters.pop("local")
    live._current.jinja_env.cache.clear()  # type: ignore[union-attr]
    live.look_after(long_enough=False)
    assert live.bundles.slots.get("advice", "souss").active == 0
    assert live.bundles.reports.all()[-1].code == "bundle_unhealthy"
    assert page(live, "/en/")[0] == 200


def test_a_model_that_answers_otherwise_after_the_switch_gives_way(
    live: LiveApp, tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import installation

    monkeypatch.setattr(installation, "HERE", shipped.parent)
    made = make_model(tmp_path / "made", "1.1.0", graph(seed=1))
    path = bundle(tmp_path, 1, "model", "leaf", files=package(tmp_path, made))
    _take_with(live.bundles, path, shipped, monkeypatch)
    model = live._node._live
    soon(lambda: speaks(model) == "1.1.0")
    live.look()
    live.look_after(long_enough=False)
    assert live.bundles.slots.get("model", "leaf").active == 1
    held = model.model
    assert isinstance(held, Diagnoser)
    real = held.run
    monkeypatch.setattr(held, "run", lambda images: _turned(real(images)), raising=False)
    live.look_after(long_enough=True)
    assert speaks(model) == "1.0.0"
    slot = live.bundles.slots.get("model", "leaf")
    assert (slot.active, slot.refused[1].code) == (0, "golden_differs")
    report = live.bundles.reports.all()[-1]
    assert (report.outcome, report.kind, report.code) == ("rolled_back", "model", "golden_differs")


def test_a_lost_note_about_a_model_keeps_nobody_from_looking_after_the_rest(
    live: LiveApp, tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_model(tmp_path / "made", "1.1.0", graph(seed=1))
    path = bundle(tmp_path, 1, "model", "leaf", files=package(tmp_path, made))
    _take_with(live.bundles, path, shipped, monkeypatch)
    live.bundles.take(bundle(tmp_path, 1))
    live.look()
    (live.bundles.slots.folder_of("model", "leaf", 1) / "model.json").write_bytes(b"{")
    monkeypatch.setattr(live_app, "trouble_of", lambda app, _: "x" if app is not live.app else None)
    live.look_after(long_enough=False)
    slots = live.bundles.slots
    assert slots.get("model", "leaf").refused[1].code == "bundle_damaged"
    assert slots.get("advice", "souss").refused[1].code == "bundle_unhealthy"


def _turned(out: Any) -> Any:
    from dataclasses import replace

    return replace(out, logits=-3 * out.logits)


def _take_with(
    bundles: NodeBundles, path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take a model bundle in with another shipped model."""
    from functools import partial

    from models import installation

    for name in ("install", "activate"):
        monkeypatch.setattr(
            installation, name, partial(getattr(installation, name), shipped=shipped.parent)
        )
    bundles.take(path)


CATALOGUES = [
    ({"%(num)s photos": "%(nom)s photos"}, "places"),
    ({"%(num)s photos": "%(num)s photos %"}, "places"),
    ({"%(num)s photos": "%(num)999999999d"}, "places"),
    ({"Privacy": "<script src=//x></script>"}, "markup"),
    ({"Privacy": "<a href=/>x</a>"}, "markup"),
    ({"Privacy": "<img src=x onerror=y"}, "markup"),
]


@pytest.mark.parametrize(("words", "why"), CATALOGUES)
def test_words_that_would_break_or_change_a_page_are_refused(
    live: LiveApp, tmp_path: Path, words: dict[str, str], why: str
) -> None:
    files = {"fr/LC_MESSAGES/messages.mo": catalogue(**words)}
    with pytest.raises(PublisherError, match=why) as error:
        live.bundles.take(bundle(tmp_path, 1, "translations", files=files))
    assert error.value.code == "bad_catalogue"


@pytest.mark.parametrize("rule", ["nplurals=2; plural=(n != 1);", "nplurals=2; plural=1/(n-300);"])
def test_a_catalogue_does_not_change_how_all_the_others_count(
    live: LiveApp, tmp_path: Path, rule: str
) -> None:
    header = f"Content-Type: text/plain; charset=utf-8\nPlural-Forms: {rule}\n"
    data = compiled({"": header, "Privacy": "خصوصية"})
    with pytest.raises(PublisherError, match="plurals") as error:
        live.bundles.take(
            bundle(tmp_path, 1, "translations", files={"ar/LC_MESSAGES/messages.mo": data})
        )
    assert error.value.code == "bad_catalogue"


@pytest.mark.parametrize("data", [b"", b"\xde\x12\x04\x95" + b"\xff" * 40, b"words"])
def test_what_is_no_catalogue_is_refused(live: LiveApp, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(PublisherError) as error:
        live.bundles.take(
            bundle(tmp_path, 1, "translations", files={"ar/LC_MESSAGES/messages.mo": data})
        )
    assert error.value.code == "bad_catalogue"


def test_our_own_catalogues_are_good_ones(live: LiveApp, tmp_path: Path) -> None:
    own = Path(webassets.__file__).parent / "translations"
    files = {
        f"{lang}/LC_MESSAGES/messages.mo": (own / lang / "LC_MESSAGES/messages.mo").read_bytes()
        for lang in ("ar", "fr", "zgh")
    }
    assert live.bundles.take(bundle(tmp_path, 1, "translations", files=files)).version == 1
    live.look()
    assert live.bundles.slots.get("translations", "souss").active == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [('host = "0.0.0.0"', "setting_not_allowed"), ('teach_pin = "123456"', "setting_not_allowed"),
     ("keep_answers_days = 1", "setting_not_allowed"), ("sat_weekly_mb = -1", "bad_settings"),
     ('sat_weekly_mb = "x"', "bad_settings"), ("=", "bad_settings"), ("\xff", "bad_settings")],
)  # fmt: skip
def test_settings_from_afar_open_no_door(
    live: LiveApp, tmp_path: Path, text: str, code: str
) -> None:
    with pytest.raises(PublisherError) as error:
        live.bundles.take(
            bundle(tmp_path, 1, "settings", files={"settings.toml": text.encode("latin-1")})
        )
    assert error.value.code == code


def test_settings_that_this_software_does_not_know_keep_no_node_from_starting(
    live: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brought to a software that knew them: in its eyes they were allowed."""
    text = b"sat_weekly_mb = 7\nformer_mb = 1\n"
    with monkeypatch.context() as patch:
        patch.setattr("edge_app.bundle_probes.check_bundled", lambda _: None)
        live.bundles.take(bundle(tmp_path, 1, "settings", files={"settings.toml": text}))
    assert read_settings(live.bundles.home, {}).sat_weekly_mb == 20


def test_settings_of_the_home_win_over_those_from_afar(live: LiveApp, tmp_path: Path) -> None:
    text = b"sat_weekly_mb = 7\nreview_sample_percent = 9\n"
    live.bundles.take(bundle(tmp_path, 1, "settings", files={"settings.toml": text}))
    home = live.bundles.home
    (home / "settings.toml").write_text("review_sample_percent = 3\n")
    found = read_settings(home, {})
    assert (found.sat_weekly_mb, found.review_sample_percent) == (7, 3)
    live.bundles.roll_back("settings", "souss")
    assert read_settings(home, {"GHALLA_HUB_DATABASE": "x"}).sat_weekly_mb == 20


def test_a_form_that_contradicts_one_here_is_refused(live: LiveApp, tmp_path: Path) -> None:
    with pytest.raises(PublisherError) as error:
        live.bundles.take(bundle(tmp_path, 1, "forms", files={"soil.toml": FORM.encode()}))
    assert error.value.code == "bad_form"
    assert live._node.ground.broken_forms == []


# --- a real node in a process of its own ------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    ghalla("init", "--home", tmp_path / "home")
    return trusting(tmp_path / "home")


def status(home: Path) -> dict[str, Any]:
    [found] = said(ghalla("bundle", "status", "--home", home, "--json"))
    return found


def test_a_served_node_refuses_bad_models_and_takes_back_worse_ones(
    home: Path, tmp_path: Path
) -> None:
    old = str(raw_manifest(MODEL_FOLDER)["version"])
    with ServedNode(home) as node:
        # Whole and signed, and it does not answer as its maker's did.
        folder = shutil.copytree(MODEL_FOLDER, tmp_path / "wrong")
        raw = raw_manifest(folder) | {"version": "9.0.0"}
        raw["thresholds"]["confident"] = 0.75
        save(folder, raw)
        write_golden(folder)
        with np.load(folder / "golden.npz") as kept:
            arrays = {k: kept[k] + 5 if kept[k].dtype == np.float32 else kept[k] for k in kept}
        out = io.BytesIO()
        np.savez(out, **arrays)
        replace_file(folder, "golden", out.getvalue())
        path = bundle(tmp_path, 1, "model", "leaf", files=package(tmp_path, folder))
        refused = ghalla("bundle", "install", "--home", home, "--json", path)
        assert (refused.exit_code, said(refused)[0]["error"]) == (4, "golden_differs")
        assert node.diagnose(leaf_jpeg())["model"]["version"] == old

        # Sound in every probe; it dies on the photo of a person.
        worse = make_model(tmp_path / "worse", "9.1.0", graph(seed=1, fails_on_blue=True))
        path = bundle(tmp_path, 2, "model", "leaf", files=package(tmp_path, worse))
        done = ghalla("bundle", "install", "--home", home, "--json", path)
        assert done.exit_code == 0, done.output
        soon(lambda: life_of(home, "leaf_health").active == "9.1.0")
        answers: list[int] = []
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                answers.append(node.request("GET", "/fr/")[0])

        person = threading.Thread(target=read)
        person.start()

        def fallen() -> bool:
            answer = node.diagnose(SKY)
            assert answer["http"] == 200
            assert answer["model"]["version"] == old
            return life_of(home, "leaf_health").fallen == "9.1.0"

        soon(fallen)
        soon(lambda: status(home)["bundles"][0]["version"] == 0)
        stop.set()
        person.join()
        assert set(answers) == {200}
        found = status(home)
        assert set(found["bundles"][0]["refused"]) == {"1", "2"}
        outcomes = [(r["outcome"], r["version"], r["code"]) for r in found["reports"]]
        assert outcomes == [
            ("refused", 1, "golden_differs"),
            ("installed", 2, ""),
            ("rolled_back", 2, "model_corrupt"),
        ]
        assert node.stop() == 0


def test_a_served_node_shows_a_card_within_seconds_and_after_a_kill(
    home: Path, tmp_path: Path
) -> None:
    def shown() -> bool:
        return node.request("GET", "/en/card/tomato-brought")[0] == 200

    with ServedNode(home) as node:
        assert not shown()
        assert ghalla("bundle", "install", "--home", home, bundle(tmp_path, 1)).exit_code == 0
        soon(shown)
        node.kill()
    with ServedNode(home) as node:
        assert shown()
        ghalla("bundle", "rollback", "--home", home, "advice", "souss")
        soon(lambda: not shown())
        assert node.stop() == 0


def test_a_home_is_described_by_what_it_knows(home: Path) -> None:
    found = bundles_of(home)
    assert found.place == place_of(home, found.place.node)
    begin_bundles(home)
    assert found.status() == {"root": 1, "bundles": []}
