"""Make the folder from which a box is installed without the internet: ``make release OUT=DIR``.

Needs the internet (or what an earlier run left in ``.build``) and the web assets (``make web``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edge_app.appliance.release_folder import (  # noqa: E402
    ALL_TARGETS,
    TARGETS,
    VERSION,
    WHEELS,
    Target,
    check,
    requirements,
    seal,
    sha256_of,
)
from sync.keys import read_secret  # noqa: E402

PACKAGES = ("edge_app", "models", "sync", "sat_ingest", "field_data")
# glibc 2.28 is older than that of any system we install on.
PLATFORMS = (
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_24",
    "manylinux_2_17",
    "manylinux2014",
)
# What a wheel must hold beside Python: without the first two somebody forgot `make web`.
NEEDED = (
    "edge_app/static/vendor/idb.js",
    "edge_app/translations/ar/LC_MESSAGES/messages.mo",
    "models/leaf_health/model.int8.onnx",
    "models/wheat_yield/model.onnx",
)
DEPLOYED = ("install.sh", "uninstall.sh", "systemd", "network")


def main() -> None:
    """Build, gather, seal and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder, made anew")
    parser.add_argument("--cache", type=Path, default=ROOT / ".build" / "release")
    parser.add_argument("--key", type=Path, help="sign with this key (ghalla keys new)")
    parser.add_argument("--target", action="append", choices=[t.name for t in ALL_TARGETS])
    said = parser.parse_args()
    targets = [t for t in ALL_TARGETS if not said.target or t.name in said.target]
    name = release(said.out, said.cache, targets, said.key)
    megabytes = sum(p.stat().st_size for p in said.out.rglob("*") if p.is_file()) / 1e6
    print(f"{said.out}: Ghalla {name} for {', '.join(t.name for t in targets)}, {megabytes:.0f} MB")


def release(out: Path, cache: Path, targets: Sequence[Target], key: Path | None) -> str:
    """Fill ``out``; returns the name of the release."""
    secret = read_secret(key) if key else None
    shutil.rmtree(out, ignore_errors=True)
    for folder in (out / WHEELS, out / TARGETS, cache):
        folder.mkdir(parents=True, exist_ok=True)
    own = _own_wheel(out / WHEELS)
    shutil.copy2(_pip_wheel(cache / "pip"), out / WHEELS)
    for target in targets:
        wheels = _fetched(target, cache / target.name)
        for wheel in wheels:
            shutil.copy2(wheel, out / WHEELS)
        (out / TARGETS / target.name).write_text(requirements([*wheels, own]), encoding="ascii")
    name = f"{own.name.split('-')[1]}+{sha256_of(own)[:8]}"
    (out / VERSION).write_text(f"{name}\n", encoding="ascii")
    _take_deployed(out)
    seal(out, secret)
    check(out, {secret.public.id: secret.public} if secret else {})
    return name


def _take_deployed(out: Path) -> None:
    for name in DEPLOYED:
        source = ROOT / "deploy" / name
        if source.is_dir():
            shutil.copytree(source, out / name)
        elif source.exists():
            shutil.copy2(source, out)


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words), "--quiet", "--no-deps"]
    subprocess.run(command, check=True)  # noqa: S603 - words of our own


def _own_wheel(folder: Path) -> Path:
    """Ghalla's own wheel, from a copy of the sources: what an old build left is in none."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for package in PACKAGES:
            leave = shutil.ignore_patterns("__pycache__", "*.po", "node_modules")
            shutil.copytree(ROOT / package, copy / package, ignore=leave)
        for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / file, copy)
        os.environ["SOURCE_DATE_EPOCH"] = str(_epoch())
        _pip("wheel", "--wheel-dir", folder, copy)
    (wheel,) = folder.glob("ghalla-*.whl")
    with ZipFile(wheel) as opened:
        missing = sorted(set(NEEDED) - set(opened.namelist()))
    if missing:
        sys.exit(f"not in the wheel: {', '.join(missing)}; first: make web")
    return wheel


def _epoch() -> int:
    """When the sources were committed, so that one commit gives one wheel."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return int(said.stdout or 1_700_000_000)


def _pip_wheel(folder: Path) -> Path:
    """pip itself: Debian keeps ensurepip apart, and a box may lack it."""
    if not (found := sorted(folder.glob("pip-*.whl"))):
        _pip("download", "--dest", folder, "pip")
        found = sorted(folder.glob("pip-*.whl"))
    return found[-1]


def _fetched(target: Target, folder: Path) -> list[Path]:
    """The wheels that a node needs on ``target``, at the versions that were tested."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    digits = target.python.replace(".", "")
    pins = (ROOT / "constraints" / f"py{digits}.txt").read_text(encoding="utf-8")
    wanted = config["options"]["install_requires"].split("\n")
    stamp = folder / "stamp"
    said = "\n".join([*wanted, pins])
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == said):
        shutil.rmtree(folder, ignore_errors=True)
        _download(target, folder, [each for each in wanted if each])
        stamp.write_text(said, encoding="utf-8")
    return sorted(folder.glob("*.whl"))


def _download(target: Target, folder: Path, wanted: Sequence[str]) -> None:
    digits = target.python.replace(".", "")
    platforms = [f"--platform={each}_{target.arch}" for each in PLATFORMS]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={target.python}"),
        *(f"--abi=cp{digits}", "--abi=abi3", "--abi=none", *platforms),
        *("--constraint", str(ROOT / "constraints" / f"py{digits}.txt"), "--dest", str(folder)),
        *wanted,
    ]
    subprocess.run(command, check=True)  # noqa: S603 - words of our own


if __name__ == "__main__":
    main()
