"""``ghalla bundle roots``: whom nodes believe, and how that changes (docs/bundles.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_app.cli_common import HOME, JSON, guarded
from field_data.errors import PersonError

if TYPE_CHECKING:
    from sync.roots import SignedRoot

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def roots() -> None:
    """Root keys and the publishers that they name."""


@roots.command()
@click.option("--out", type=_FILE, required=True, help="The chain to write or to go on with.")
@click.option("--root-key", type=_FILE, multiple=True, required=True, help="A root key's .pub.")
@click.option("--threshold", type=click.IntRange(1), required=True, help="How many must sign.")
@click.option(
    "--publisher",
    multiple=True,
    metavar="KIND=FILE.pub",
    help="Who may sign bundles of a kind ('all' for every kind); may be repeated.",
)
@JSON
def new(
    out: Path,
    root_key: tuple[Path, ...],
    threshold: int,
    publisher: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the next root at the end of a chain; it is believed once enough keys have signed it."""

    def action() -> None:
        from sync.keys import read_public
        from sync.roots import Root, keyring, read_chain, unsigned, write_chain

        chain = read_chain(out) if out.exists() else []
        version = chain[-1].root.version + 1 if chain else 1
        try:
            keys = keyring([read_public(path).line for path in root_key])
            signed = unsigned(Root(version, threshold, keys, _roles(publisher)))
        except ValueError as error:
            raise PersonError("bad_root", str(error)) from error
        write_chain(out, [*chain, signed])
        _say(out, signed, as_json)

    guarded(as_json, action)


def _roles(words: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    from sync.keys import read_public
    from sync.roots import KINDS

    roles: dict[str, dict[str, Any]] = {}
    for word in words:
        kind, _, path = word.partition("=")
        key = read_public(Path(path))
        for each in KINDS if kind == "all" else (kind,):
            roles.setdefault(each, {})[key.id] = key
    return roles


@roots.command()
@click.option("--key", type=_FILE, required=True, help="A key of this root, or of the one before.")
@JSON
@click.argument("file", type=_FILE)
def sign(key: Path, as_json: bool, file: Path) -> None:
    """Add a signature to the last root of FILE."""

    def action() -> None:
        from sync.keys import read_secret
        from sync.roots import read_chain, write_chain

        secret, chain = read_secret(key), read_chain(file)
        believed = {name for signed in chain[-2:] for name in signed.root.keys}
        if secret.public.id not in believed:
            raise PersonError("other_key", f"key {secret.public.id} is no root key here")
        chain[-1] = chain[-1].with_signature(secret)
        write_chain(file, chain)
        _say(file, chain[-1], as_json)

    guarded(as_json, action)


@roots.command()
@HOME
@JSON
@click.argument("file", type=_FILE)
def trust(home: Path, as_json: bool, file: Path) -> None:
    """Give a node its first root: compare the fingerprint with the one you were told."""

    def action() -> None:
        from edge_app.health import store_of
        from sync.roots import read_chain, trust_first, update_root

        store_of(home)
        chain = sorted(read_chain(file), key=lambda signed: signed.root.version)
        if not chain:
            raise PersonError("no_such_file", f"{file} holds no root")
        trust_first(home, chain[0])
        _say(file, update_root(home, chain), as_json)

    guarded(as_json, action)


@roots.command()
@HOME
@JSON
@click.argument("file", type=_FILE)
def update(home: Path, as_json: bool, file: Path) -> None:
    """Step through newer roots, each signed by the one before it."""

    def action() -> None:
        from sync.roots import read_chain, update_root

        _say(file, update_root(home, read_chain(file)), as_json)

    guarded(as_json, action)


@roots.command()
@HOME
@JSON
def show(home: Path, as_json: bool) -> None:
    """Whom this node believes."""

    def action() -> None:
        from sync.roots import root_of

        signed = root_of(home)
        if signed is None:
            raise PersonError("no_root", "this node has no root of trust")
        _say(home, signed, as_json)

    guarded(as_json, action)


def fingerprint(signed: SignedRoot) -> str:
    """What people read to each other: the start of the SHA-256 of the words, in fours."""
    import hashlib

    digest = hashlib.sha256(signed.text.encode()).hexdigest()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


def _say(where: Path, signed: SignedRoot, as_json: bool) -> None:
    root = signed.root
    said = {
        "file": str(where),
        "version": root.version,
        "threshold": root.threshold,
        "keys": list(root.keys),
        "signatures": signed.signed_by(root.keys),
        "complete": signed.complete,
        "publishers": {role: list(keys) for role, keys in root.roles.items()},
        "fingerprint": fingerprint(signed),
    }
    click.echo(
        json.dumps(said)
        if as_json
        else f"root {root.version}: {said['signatures']} of its own keys have signed, "
        f"{root.threshold} must; fingerprint {said['fingerprint']}"
    )
