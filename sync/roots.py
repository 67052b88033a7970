"""Whom a node believes: root keys, and the publishers that they name.

A root says which keys are root keys, how many of them must sign, and which publisher may sign which
kind of bundle.  The next root (version + 1) is believed when enough keys of the present one and
enough of its own have signed it.  All roots ever made are kept as one chain, so that a node that
was away for years steps through them.  Nothing here knows the time: a root never runs out.

A node's own root is ``home/trust/root.json``; the first one is put there by its keeper.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from field_data.errors import KeeperError, PersonError, PublisherError
from field_data.files import exclusive, make_folder, write_atomic
from sync.keys import TRUST, PublicKey, SecretKey, public_from_line

ROOT = "root.json"
# Kinds of bundles, each a role that a root gives to publishers.
KINDS = ("model", "advice", "translations", "forms", "windows", "weather", "settings", "software")
_PURPOSE = b"ghalla root 1\n"
_MOST_BYTES = 65_536
_MOST_KEYS = 32
_MOST_CHAIN = 1000
_MOST_VERSION = 1 << 31


@dataclass(frozen=True, slots=True)
class Root:
    """What a root says.  ``roles``: kind of bundle -> keys that may sign it, by id."""

    version: int
    threshold: int
    keys: Mapping[str, PublicKey]
    roles: Mapping[str, Mapping[str, PublicKey]]

    def __post_init__(self) -> None:
        if not 1 <= self.version < _MOST_VERSION:
            raise ValueError("a root's version counts from 1")
        if not 1 <= self.threshold <= len(self.keys) <= _MOST_KEYS:
            raise ValueError("the threshold is 1 to the number of root keys")
        if not set(self.roles) <= set(KINDS):
            raise ValueError(f"unknown role {sorted(set(self.roles) - set(KINDS))}")

    @property
    def text(self) -> str:
        """The words that are signed."""
        roles = {role: [key.line for key in keys.values()] for role, keys in self.roles.items()}
        keys = [key.line for key in self.keys.values()]
        said = {"version": self.version, "threshold": self.threshold, "keys": keys, "roles": roles}
        return json.dumps(said)


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """A root, the very words that were signed, and signatures by the id of their key."""

    root: Root
    text: str
    signatures: Mapping[str, bytes]

    def with_signature(self, key: SecretKey) -> SignedRoot:
        """The same root, signed by one more key."""
        signature = key.sign(_PURPOSE + self.text.encode())
        return SignedRoot(self.root, self.text, {**self.signatures, key.public.id: signature})

    def signed_by(self, keys: Mapping[str, PublicKey]) -> int:
        """How many of ``keys`` have signed it."""
        return sum(self._holds(key, self.signatures.get(name)) for name, key in keys.items())

    def _holds(self, key: PublicKey, signature: bytes | None) -> bool:
        try:
            key.check(_PURPOSE + self.text.encode(), signature or b"")
        except PublisherError:
            return False
        return True

    @property
    def complete(self) -> bool:
        """Whether enough of its own keys have signed it."""
        return self.signed_by(self.root.keys) >= self.root.threshold

    def as_json(self) -> dict[str, Any]:
        """As it travels."""
        signatures = {k: base64.b64encode(v).decode() for k, v in self.signatures.items()}
        return {"root": self.text, "signatures": signatures}


def unsigned(root: Root) -> SignedRoot:
    """A root that nobody has signed yet."""
    return SignedRoot(root, root.text, {})


def keyring(lines: Iterable[str]) -> dict[str, PublicKey]:
    """Keys by id from the lines of key files.

    Raises:
        ValueError: a line is no key, or there twice.
    """
    keys = [public_from_line(line) for line in lines]
    ring = {key.id: key for key in keys}
    if len(ring) < len(keys):
        raise ValueError("a key is there twice")
    return ring


def parse_signed(raw: Any) -> SignedRoot:
    """One root as :meth:`SignedRoot.as_json` wrote it; nothing about its signatures is believed.

    Raises:
        PublisherError: ``bad_root``.
    """
    try:
        text = raw["root"]
        if not isinstance(text, str) or len(text) > _MOST_BYTES or len(raw["signatures"]) > 99:
            raise ValueError("too long")
        signatures = {
            str(key): base64.b64decode(value, validate=True)
            for key, value in raw["signatures"].items()
        }
        return SignedRoot(_root(json.loads(text)), text, signatures)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PublisherError("bad_root", f"not a root: {error}") from error


def _root(said: Any) -> Root:
    if set(said) != {"version", "threshold", "keys", "roles"}:
        raise ValueError("missing or unknown words")
    if type(said["version"]) is not int or type(said["threshold"]) is not int:
        raise ValueError("version and threshold are numbers")
    roles = {str(role): keyring(lines) for role, lines in said["roles"].items()}
    return Root(said["version"], said["threshold"], keyring(said["keys"]), roles)


def next_root(old: Root, new: SignedRoot) -> None:
    """Whether ``new`` may follow ``old``.

    Raises:
        PublisherError: ``root_old``, ``root_gap`` or ``root_unsigned``.
    """
    if new.root.version <= old.version:
        raise PublisherError("root_old", f"root {new.root.version} is not after {old.version}")
    if new.root.version > old.version + 1:
        raise PublisherError(
            "root_gap", f"root {old.version + 1} is missing, which leads to {new.root.version}"
        )
    if new.signed_by(old.keys) < old.threshold or not new.complete:
        raise PublisherError(
            "root_unsigned",
            f"root {new.root.version} needs {old.threshold} signatures of the root before it and "
            f"{new.root.threshold} of its own",
        )


def walk(
    start: SignedRoot, chain: Iterable[SignedRoot]
) -> tuple[SignedRoot, PublisherError | None]:
    """As far as the chain leads from ``start``, and what stopped it, if anything did."""
    here = start
    for each in sorted(chain, key=lambda signed: signed.root.version):
        if each.root.version <= here.root.version:
            continue
        try:
            next_root(here.root, each)
        except PublisherError as error:
            return here, error
        here = each
    return here, None


def read_chain(path: Path) -> list[SignedRoot]:
    """The roots of a file: one, or a list of them.

    Raises:
        PersonError: ``no_such_file``.
        PublisherError: ``bad_root``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_CHAIN * 4096 + 1)
    except OSError as error:
        raise PersonError("no_such_file", f"cannot read {path}: {error.strerror}") from error
    try:
        if len(data) > _MOST_CHAIN * 4096:
            raise ValueError("too long")
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PublisherError("bad_root", f"{path}: not a root: {error}") from error
    listed = said if isinstance(said, list) else [said]
    return [parse_signed(each) for each in listed[:_MOST_CHAIN]]


def write_chain(path: Path, chain: Sequence[SignedRoot]) -> None:
    """Write roots for others to read."""
    write_atomic(path, json.dumps([each.as_json() for each in chain], indent=1).encode())


def root_of(home: Path) -> SignedRoot | None:
    """The root of a node, None where its keeper has not given it one.

    Raises:
        KeeperError: ``bad_trust`` when the file is damaged.
    """
    path = home / TRUST / ROOT
    try:
        signed = parse_signed(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (PublisherError, ValueError, RecursionError) as error:
        raise KeeperError("bad_trust", f"{path}: {error}", path=str(path)) from error
    if not signed.complete:
        raise KeeperError("bad_trust", f"{path} is not signed by its own keys", path=str(path))
    return signed


def trust_first(home: Path, signed: SignedRoot) -> None:
    """Make ``signed`` the root of a node that has none: its keeper vouches for it.

    Raises:
        PublisherError: ``root_unsigned``.
        PersonError: ``root_there``: another is there, which only its own keys can replace.
    """
    if not signed.complete:
        raise PublisherError("root_unsigned", "it is not signed by enough of its own keys")
    with _changing(home):
        before = root_of(home)
        if before is not None and before.text != signed.text:
            raise PersonError("root_there", f"this node has root {before.root.version} already")
        _keep(home, signed)


def update_root(home: Path, chain: Iterable[SignedRoot]) -> SignedRoot:
    """Step through newer roots, durably; what came before a bad one stays.

    Raises:
        KeeperError: ``no_root``.
        PublisherError: what :func:`next_root` says of the first root that does not follow.
    """
    with _changing(home):
        before = root_of(home)
        if before is None:
            raise KeeperError(
                "no_root", "this node has no root yet: ghalla bundle roots trust FILE"
            )
        now, problem = walk(before, chain)
        if now is not before:
            _keep(home, now)
        if problem is not None:
            raise problem
        return now


def _changing(home: Path) -> AbstractContextManager[None]:
    make_folder(home / TRUST)
    return exclusive(home / TRUST / f"{ROOT}.lock")


def _keep(home: Path, signed: SignedRoot) -> None:
    write_atomic(home / TRUST / ROOT, json.dumps(signed.as_json(), indent=1).encode())
