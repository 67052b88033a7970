"""What docs/security claims: tests that exist, and parts that are the ones installed."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAPERS = sorted((ROOT / "docs" / "security").glob("*.md"))
_TEST = re.compile(r"`(test_\w+)`")
_FILE = re.compile(r"`((?:edge_app|field_data|models|sat_ingest|sync|tests|deploy)/[\w/]+\.\w+)`")
_LINK = re.compile(r"\]\(([\w./-]+)\)|\b(docs/[\w-]+\.md)\b")


def test_every_test_and_file_that_is_named_as_evidence_is_there() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    text = "\n".join(path.read_text("utf-8") for path in PAPERS)
    named, files = set(_TEST.findall(text)), set(_FILE.findall(text))
    assert len(named) > 20
    assert named <= there, named - there
    assert all((ROOT / name).exists() for name in files), files
    places = [(ROOT / "docs/security" / a) if a else (ROOT / b) for a, b in _LINK.findall(text)]
    assert all(path.exists() for path in places), [p for p in places if not p.exists()]


def test_the_bill_of_materials_names_what_is_pinned_and_shipped() -> None:
    parts = json.loads((ROOT / "docs/security/sbom.cdx.json").read_text("utf-8"))["components"]
    pinned = {}
    for line in (ROOT / "constraints/py311.txt").read_text("utf-8").splitlines():
        name, _, version = line.partition("==")
        pinned[re.sub(r"[-_.]+", "-", name).lower()] = version
    python = {p["name"]: p["version"] for p in parts if p.get("purl", "").startswith("pkg:pypi/")}
    assert len(python) > 30
    for name, version in python.items():
        assert pinned[re.sub(r"[-_.]+", "-", name).lower()] == version, name
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    web = {p["name"]: p["version"] for p in parts if p.get("purl", "").startswith("pkg:npm/")}
    shipped = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]
    assert set(web) == set(shipped)
    assert all(lock[f"node_modules/{name}"]["version"] == web[name] for name in web)
    models = {p["name"]: p["version"] for p in parts if p["type"] == "machine-learning-model"}
    manifests = [json.loads(p.read_text("utf-8")) for p in ROOT.glob("models/*/manifest.json")]
    assert models == {m["name"]: m["version"] for m in manifests}
