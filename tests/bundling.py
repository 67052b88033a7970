"""Keys, roots and bundles made for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sync.bundle_file import build, sign_file
from sync.bundle_manifest import Place
from sync.keys import SecretKey
from sync.roots import KINDS, Root, SignedRoot, trust_first, unsigned

ROOT_A, ROOT_B, ROOT_C = (SecretKey(bytes([n] * 32)) for n in (1, 2, 3))
PUBLISHER, OTHER, STRANGER = (SecretKey(bytes([n] * 32)) for n in (11, 12, 13))
NODE = "0190a000-0000-7000-8000-000000000001"
HERE = Place(NODE, "x86_64", "0.1.0", "coop", "souss")

CARD = """
[[card]]
id = "tomato-brought"
crops = ["LYPES"]
condition = "BROUGH"
sci = "Allatum novum"
kind = "insect"
priority = "P2"
alert = false
expires = 2099-01-01
complete = []
name = { en = "Brought by a bundle" }
"""


def root(
    version: int = 1,
    keys: tuple[SecretKey, ...] = (ROOT_A, ROOT_B),
    threshold: int = 2,
    publisher: SecretKey = PUBLISHER,
    kinds: tuple[str, ...] = KINDS,
) -> Root:
    """A root that lets ``publisher`` sign bundles of ``kinds``."""
    ring = {key.public.id: key.public for key in keys}
    roles = {kind: {publisher.public.id: publisher.public} for kind in kinds}
    return Root(version, threshold, ring, roles)


def signed_root(given: Root | None = None, *by: SecretKey) -> SignedRoot:
    """That root, signed by those (by default by both root keys)."""
    signed = unsigned(given or root())
    for key in by or (ROOT_A, ROOT_B):
        signed = signed.with_signature(key)
    return signed


def trusting(home: Path) -> Path:
    """A home with a root of trust."""
    home.mkdir(parents=True, exist_ok=True)
    trust_first(home, signed_root())
    return home


def bundle(
    folder: Path,
    version: int = 1,
    kind: str = "advice",
    name: str = "souss",
    files: Mapping[str, bytes] | None = None,
    key: SecretKey | None = PUBLISHER,
    **more: Any,
) -> Path:
    """A bundle in ``folder``, signed by ``key``; by default one card."""
    sources = {}
    contents = {"cards/brought.toml": CARD.encode()} if files is None else files
    source = folder / f"source-{kind}-{name}-{version}"
    for path, data in contents.items():
        sources[path] = source / path
        sources[path].parent.mkdir(parents=True, exist_ok=True)
        sources[path].write_bytes(data)
    out = folder / f"{kind}-{name}-{version}.ghb"
    build(out, sources, kind, name, version, "2026-11-25T00:00:00+00:00", **more)
    if key is not None:
        sign_file(out, key)
    return out


def parts_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """Head and files of a bundle, to be harmed."""
    data = path.read_bytes()
    length = int(data[21:31])
    head: dict[str, Any] = json.loads(data[32 : 32 + length])
    return head, data[32 + length :]


def put_together(path: Path, head: dict[str, Any], rest: bytes) -> Path:
    """A bundle of any head and files."""
    text = json.dumps(head).encode()
    path.write_bytes(b"ghalla bundle file 1\n%010d\n" % len(text) + text + rest)
    return path
