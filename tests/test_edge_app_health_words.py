"""Every red line of the health page says what to do, in every language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask_babel import force_locale

from edge_app import health_words, webassets
from edge_app.advice import load_advice
from edge_app.seam import Part
from edge_app.web import create_app
from tests.fakes import FakeNode

ROOT = Path(__file__).parents[1]
# Where parts are made.
PARTS_IN = [*ROOT.glob("edge_app/health*.py"), *ROOT.glob("edge_app/*_health.py")]
# Where what they say comes from: a part shows the code of an error that these raise.
RAISED_IN = [
    *(ROOT / "field_data").glob("sqlite_*.py"),
    *(ROOT / path for path in (
        "field_data/document_store.py", "field_data/schema.py", "models/registry.py",
        "models/life.py", "models/manifest.py", "models/counting_manifest.py",
        "models/runtime.py", "sat_ingest/archive.py", "edge_app/advice.py",
        "sat_ingest/weather/archive.py",
        "field_data/forms/problems.py", "edge_app/tls_keys.py",
    )),
]  # fmt: skip
ERRORS = {"KeeperError", "PublisherError"}
# Where the node does not even start, or no part of a node's health is asked.
NO_PART = {"ok", "no_scenes", "no_home", "home_in_use"}


def _calls(path: Path, names: set[str]) -> Iterator[ast.Call]:
    if path.is_file():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                yield node


def _literals(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def names_and_codes() -> tuple[set[str], set[str]]:
    """The names of parts and the codes that can stand in a part, read from the code itself."""
    names, codes = set[str](), set[str]()
    for path in PARTS_IN:
        tree = path.read_text(encoding="utf-8") if path.is_file() else ""
        for call in _calls(path, {"Part"}):
            names |= _literals(call.args[0])
            codes |= _literals(call.args[2]) if isinstance(call.args[2], ast.Constant) else set()
        # Chosen before the part is made: x = "code" if … else "ok", and what a function returns.
        for node in ast.walk(ast.parse(tree)):
            chosen = isinstance(node, ast.Assign) and _names_code(node.targets)
            returned = isinstance(node, ast.FunctionDef) and node.name.endswith("_code")
            if chosen or returned:
                codes |= {each for each in _literals(node) if "_" in each and " " not in each}
    for path in RAISED_IN:
        codes |= {text for call in _calls(path, ERRORS) for text in _literals(call.args[0])}
    return names, codes - NO_PART


def _names_code(targets: list[ast.expr]) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "code" for each in targets)


def test_every_code_that_can_occur_has_a_sentence_of_its_own() -> None:
    names, codes = names_and_codes()
    assert {"store_damaged", "card_read_only", "clock_future", "model_corrupt"} <= codes
    assert len(codes) > 20
    assert codes - set(health_words.NOTES) == set()
    assert not names - set(health_words.PARTS)


def test_a_code_that_nobody_thought_of_has_a_sentence_too() -> None:
    strange = Part("store", False, "never_seen_before", "")
    assert health_words.note(strange) == health_words.OTHER
    assert health_words.note(Part("store", True, "ok", "")) is None


@pytest.mark.parametrize("lang", ["ar", "fr", "zgh"])
def test_the_sentences_are_translated(lang: str) -> None:
    webassets.compile_catalogues()
    app = create_app(FakeNode(), load_advice())
    said = {**health_words.NOTES, **health_words.PARTS, "other": health_words.OTHER}
    with app.test_request_context():
        with force_locale("en"):
            english = {code: str(words) for code, words in said.items()}
        with force_locale(lang):
            theirs = {code: str(words) for code, words in said.items()}
    same = {code for code in said if theirs[code] == english[code]}
    assert not same
