"""A folder from which a box is installed: what it promises, and who vouches for it.

    VERSION                 the name of the release, one line
    targets/cp311-x86_64    what pip installs there: exact versions with hashes, one file a target
    wheels/*.whl            all of it, for all targets
    install.sh uninstall.sh systemd/ …
    SHA256SUMS              of every file above, as ``sha256sum`` writes it
    SHA256SUMS.sig          Ed25519 over ``PURPOSE`` and the bytes of SHA256SUMS, in base64

``deploy/install.sh`` checks the same without Python: change both together.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from field_data.errors import PublisherError
from field_data.files import write_atomic

if TYPE_CHECKING:
    from sync.keys import PublicKey, SecretKey

PURPOSE = b"ghalla release 1\n"
SUMS, SIGNATURE, VERSION = "SHA256SUMS", "SHA256SUMS.sig", "VERSION"
TARGETS, WHEELS = "targets", "wheels"
MOST_BYTES = 2_000_000_000
_MOST_SUMS_BYTES = 1_000_000
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"
_LINE = re.compile(rf"([0-9a-f]{{64}})  ({_NAME}(?:/{_NAME})*)")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of box: ``python`` as "3.11", ``arch`` as ``uname -m`` says it."""

    python: str
    arch: str

    @property
    def name(self) -> str:
        """As its file is called: ``cp311-x86_64``."""
        return f"cp{self.python.replace('.', '')}-{self.arch}"


ALL_TARGETS = tuple(Target(p, a) for p in ("3.11", "3.13") for a in ("x86_64", "aarch64"))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def requirements(wheels: Iterable[Path]) -> str:
    """What pip is told: each wheel's version and hash, so that it takes these bytes or none."""
    return "".join(sorted(f"{_pinned(path)} --hash=sha256:{sha256_of(path)}\n" for path in wheels))


def _pinned(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name.replace('_', '-').lower()}=={version}"


def seal(folder: Path, secret: SecretKey | None) -> None:
    """Write the sums of all files in ``folder``, and sign them where there is a key."""
    for old in (SUMS, SIGNATURE):
        (folder / old).unlink(missing_ok=True)
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names).encode()
    write_atomic(folder / SUMS, sums)
    if secret is not None:
        signature = base64.b64encode(secret.sign(PURPOSE + sums))
        write_atomic(folder / SIGNATURE, signature + b"\n")


def check(folder: Path, keys: Mapping[str, PublicKey]) -> str | None:
    """Believe a folder or not; the id of the key that signed it, None where no key was given.

    Raises:
        PublisherError: ``bad_signature`` (none of ``keys`` signed it), ``bad_release`` (a file is
            missing, changed, a link, or the whole too large).
    """
    sums = _bytes(folder / SUMS, _MOST_SUMS_BYTES)
    signer = _signer(folder, sums, keys) if keys else None
    total = 0
    for digest, path in _listed(folder, sums):
        total += _size(folder, path)
        if total > MOST_BYTES:
            raise PublisherError("bad_release", f"{folder} is larger than any release")
        if sha256_of(path) != digest:
            raise PublisherError("bad_release", f"{path} is damaged or was changed")
    return signer


def _signer(folder: Path, sums: bytes, keys: Mapping[str, PublicKey]) -> str:
    try:
        signature = base64.b64decode(_bytes(folder / SIGNATURE, 200), validate=False)
    except ValueError as error:
        raise PublisherError("bad_signature", f"{folder / SIGNATURE}: {error}") from error
    for name, key in keys.items():
        try:
            key.check(PURPOSE + sums, signature)
        except PublisherError:
            continue
        return name
    raise PublisherError("bad_signature", f"no key that this box trusts has signed {folder}")


def _listed(folder: Path, sums: bytes) -> Iterator[tuple[str, Path]]:
    for line in sums.decode("ascii", "replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise PublisherError("bad_release", f"{folder / SUMS}: {line[:100]!r}")
        yield found[1], folder / found[2]


def _size(folder: Path, path: Path) -> int:
    """The length of a plain file; anything else might never end."""
    inside = [path, *path.parents][: len(path.relative_to(folder).parts)]
    if not path.is_file() or any(part.is_symlink() for part in inside):
        raise PublisherError("bad_release", f"{path} is missing or no plain file")
    return path.stat().st_size


def _bytes(path: Path, most: int) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise PublisherError("bad_release", f"cannot read {path}: {error.strerror}") from error
    if len(data) > most:
        raise PublisherError("bad_release", f"{path} is too long")
    return data
