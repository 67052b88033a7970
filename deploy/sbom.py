"""The bill of materials of a node (CycloneDX 1.5): Python, web, models; no dates, no addresses.

``python deploy/sbom.py VENV OUT.json`` reads a virtual environment that holds what a node runs with
and nothing else, ``package-lock.json``, and the manifests of the models.  Needs cyclonedx-bom, npm.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# What differs from one making to the next, or says where a copy was fetched.
_PASSING = ("bom-ref", "externalReferences", "properties", "scope", "author", "description")
# pip and setuptools come with the environment, not with Ghalla.
_NOT_OURS = {"pip", "setuptools"}
Json = dict[str, Any]


def said(*command: str) -> Json:
    """What a command prints, read as JSON."""
    done = subprocess.run(  # noqa: S603 (our own words)
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    value: Json = json.loads(done.stdout)
    return value


def component(found: Json) -> Json:
    """Name, version, licence, hashes and purl of one part."""
    return {key: value for key, value in found.items() if key not in _PASSING}


def python_parts(venv: Path) -> list[Json]:
    """What is installed in an environment."""
    tool = [sys.executable, "-m", "cyclonedx_py", "environment", "--sv", "1.5", "--of", "JSON"]
    found = said(*tool, str(venv / "bin" / "python"))["components"]
    return [component(each) for each in found if each["name"] not in _NOT_OURS | {"ghalla"}]


def web_parts() -> list[Json]:
    """What the pages are built with."""
    command = ["npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"]
    found = said(*command, "--omit", "dev", "--omit", "optional")["components"]
    return [component(each) for each in found]


def model_parts() -> list[Json]:
    """The models shipped, by the hashes of their files."""
    parts = []
    for path in sorted(ROOT.glob("models/*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        hashes = [
            {"alg": "SHA-256", "content": each["sha256"]} for each in manifest["files"].values()
        ]
        name, version = manifest["name"], manifest["version"]
        kind = "machine-learning-model"
        parts.append({"type": kind, "name": name, "version": version, "hashes": hashes})
    return parts


def bill(venv: Path) -> Json:
    """The whole document."""
    version = said(str(venv / "bin" / "python"), "-c", _VERSION)
    ours = {"type": "application", "name": "ghalla", "version": version["version"]}
    parts = sorted(
        [*python_parts(venv), *web_parts(), *model_parts()],
        key=lambda each: (each["type"], each["name"].lower()),
    )
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1}
    return {**head, "metadata": {"component": ours}, "components": parts}


_VERSION = (
    "import json, importlib.metadata as m; print(json.dumps({'version': m.version('ghalla')}))"
)


def main() -> None:
    """Write the document."""
    venv, out = Path(sys.argv[1]).absolute(), Path(sys.argv[2])
    made = bill(venv)
    out.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(made['components'])} parts in {out}")


if __name__ == "__main__":
    main()
