"""Bundles at the hub: published, offered to the nodes they are for, more of them step by step.

A bundle first goes to a small share of the nodes; the share is raised by a person.  It is paused by
itself when too many of the nodes that tried it report that it failed there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from sqlalchemy import Connection, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from field_data.errors import PersonError, PublisherError
from sync.bundle_file import open_bundle
from sync.bundle_manifest import (
    Place,
    Signed,
    check_for,
    in_share,
    parse_head,
    verify_manifest,
)
from sync.bundle_reports import OUTCOMES, REFUSED, ROLLED_BACK
from sync.hub.bundle_tables import BUNDLE_REPORTS, BUNDLES, ROOTS
from sync.roots import SignedRoot, next_root, parse_signed

# Paused when at least so many nodes failed, and more than this percent of those that tried.
FAILED_NODES, FAILED_PERCENT = 2, 10
_MOST_REPORTS = 500
_PIECE = 1 << 20


class Blobs(Protocol):
    """Where the bytes of bundles lie (:class:`sync.hub.blobs.Blobs`)."""

    def put_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep the pieces under a name, durably; what was there before is replaced."""


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle at the hub."""

    sha256: str
    bytes: int
    share: int
    paused: bool
    paused_why: str
    signed: Signed


def blob_name(sha256: str) -> str:
    """Where the bytes of a bundle lie among the blobs."""
    return f"bundles/{sha256}"


def add_roots(connection: Connection, chain: Sequence[SignedRoot]) -> int:
    """Add the roots of a chain that follow those of the hub; the latest version.

    Raises:
        PublisherError: ``root_unsigned`` or ``root_gap``; nothing of the chain is then kept.
    """
    latest = latest_root(connection)
    for signed in sorted(chain, key=lambda each: each.root.version):
        if latest is None:
            if not signed.complete:
                raise PublisherError("root_unsigned", "not signed by enough of its own keys")
        elif signed.root.version <= latest.root.version:
            continue
        else:
            next_root(latest.root, signed)
        text = json.dumps(signed.as_json())
        connection.execute(insert(ROOTS).values(version=signed.root.version, signed=text))
        latest = signed
    return latest.root.version if latest else 0


def latest_root(connection: Connection) -> SignedRoot | None:
    """The newest root of the hub."""
    chosen = select(ROOTS.c.signed).order_by(ROOTS.c.version.desc()).limit(1)
    text = connection.execute(chosen).scalar()
    return parse_signed(json.loads(text)) if text else None


def roots_after(connection: Connection, version: int) -> list[dict[str, Any]]:
    """The chain of roots behind ``version``."""
    chosen = select(ROOTS.c.signed).where(ROOTS.c.version > version).order_by(ROOTS.c.version)
    return [json.loads(text) for text in connection.execute(chosen).scalars()]


def publish(connection: Connection, blobs: Blobs, path: Path, share: int) -> Published:
    """Keep a bundle that a publisher has signed, and offer it to ``share`` percent of the nodes.

    Raises:
        PublisherError: ``no_root``, what :func:`sync.bundle_manifest.verify_manifest` says, or
            ``bundle_old``: a later one of its name is here, or another with its number, or
            ``bundle_damaged``: no node would take it, and each would fetch it.
    """
    root = latest_root(connection)
    if root is None:
        raise PublisherError("no_root", "the hub has no root yet: ghalla bundle roots publish")
    with open_bundle(path) as bundle:
        signed = bundle.signed
        verify_manifest(signed, root.root)
        manifest = signed.manifest
        sha256 = _digest(bundle.file)
        known = get(connection, sha256)
        if known is not None:
            return known
        _must_be_newer(connection, signed)
        bundle.check()
        blobs.put_pieces(blob_name(sha256), _pieces(bundle.file))
        length = bundle.start + manifest.stored
    row = {
        "sha256": sha256, "bundle": signed.id, "kind": manifest.kind, "name": manifest.name,
        "version": manifest.version, "bytes": length, "head": json.dumps(signed.as_json()),
        "share": min(share, manifest.rollout), "paused": False, "paused_why": "",
        "published_s": time.time(),
    }  # fmt: skip
    connection.execute(insert(BUNDLES).values(row))
    return Published(sha256, length, row["share"], False, "", signed)  # type: ignore[arg-type]


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    yield from iter(lambda: file.read(_PIECE), b"")


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(file):
        digest.update(piece)
    return digest.hexdigest()


def _must_be_newer(connection: Connection, signed: Signed) -> None:
    manifest = signed.manifest
    mine = (BUNDLES.c.kind == manifest.kind) & (BUNDLES.c.name == manifest.name)
    newest = connection.execute(select(func.max(BUNDLES.c.version)).where(mine)).scalar()
    if newest is not None and manifest.version <= newest:
        raise PublisherError("bundle_old", f"version {newest} is here already")


def get(connection: Connection, sha256: str) -> Published | None:
    """A bundle by the SHA-256 of its file."""
    row = connection.execute(select(BUNDLES).where(BUNDLES.c.sha256 == sha256)).first()
    return _published(row) if row else None


def published(connection: Connection) -> list[Published]:
    """All bundles, newest version of each name first."""
    order = (BUNDLES.c.kind, BUNDLES.c.name, BUNDLES.c.version.desc())
    return [_published(row) for row in connection.execute(select(BUNDLES).order_by(*order))]


def _published(row: Any) -> Published:
    signed = parse_head(row.head.encode())
    return Published(row.sha256, row.bytes, row.share, row.paused, row.paused_why, signed)


def set_rollout(
    connection: Connection, sha256: str, share: int | None = None, paused: bool | None = None
) -> Published:
    """Raise the share of nodes, pause, or go on.

    Raises:
        PersonError: ``unknown_bundle``, or ``share_falls``: who has it keeps it.
    """
    known = get(connection, sha256)
    if known is None:
        raise PersonError("unknown_bundle", f"no bundle {sha256}")
    change: dict[str, Any] = {}
    if share is not None:
        if share < known.share:
            raise PersonError("share_falls", f"it is at {known.share} % already; pause it instead")
        change["share"] = min(share, known.signed.manifest.rollout)
    if paused is not None:
        change |= {"paused": paused, "paused_why": "by hand" if paused else ""}
    if change:
        connection.execute(update(BUNDLES).where(BUNDLES.c.sha256 == sha256).values(change))
    return get(connection, sha256) or known


def offers(connection: Connection, place: Place) -> list[Published]:
    """What a node may have now: of each name the newest that is for it.

    ``place.software`` and ``place.hardware`` may be empty: the node then decides by itself.
    """
    found: dict[tuple[str, str], Published] = {}
    for each in published(connection):
        manifest = each.signed.manifest
        key = (manifest.kind, manifest.name)
        if key not in found and may_have(each, place):
            found[key] = each
    return list(found.values())


def may_have(each: Published, place: Place) -> bool:
    """Whether a bundle is for a node, and it is the node's turn."""
    manifest = each.signed.manifest
    known = Place(
        place.node,
        place.hardware or next(iter(manifest.target.hardware), ""),
        place.software or manifest.min_software,
        place.organisation,
        place.region,
    )
    try:
        check_for(manifest, known)
    except PublisherError:
        return False
    return not each.paused and in_share(manifest, place.node, each.share)


def news(connection: Connection, place: Place) -> int:
    """How many bundles are offered that the node has said nothing about."""
    mine = select(BUNDLE_REPORTS.c.bundle).where(BUNDLE_REPORTS.c.node == place.node)
    told = set(connection.execute(mine).scalars())
    return sum(each.signed.id not in told for each in offers(connection, place))


def note_reports(connection: Connection, node: str, reports: Any) -> None:
    """Keep what a node reports, once each; pause a bundle that fails too often.

    Raises:
        PersonError: ``bad_reports``.
    """
    rows = _rows(node, reports)
    for row in rows:
        key = (BUNDLE_REPORTS.c.node == node) & (BUNDLE_REPORTS.c.id == row["id"])
        if connection.execute(select(BUNDLE_REPORTS.c.id).where(key)).first() is None:
            try:
                with connection.begin_nested():
                    connection.execute(insert(BUNDLE_REPORTS).values(row))
            except IntegrityError:  # the same request, at the same time
                continue
    for bundle in {str(row["bundle"]) for row in rows}:
        _pause_if_bad(connection, bundle)


def _rows(node: str, reports: Any) -> list[dict[str, Any]]:
    texts = {"id": 36, "bundle": 64, "kind": 16, "name": 40, "code": 40, "reason": 300}
    try:
        if not isinstance(reports, list) or len(reports) > _MOST_REPORTS:
            raise ValueError("not a list, or too long")
        return [_row(node, each, texts) for each in reports]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise PersonError("bad_reports", f"not reports: {error}") from error


def _row(node: str, said: Mapping[str, Any], texts: Mapping[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {name: str(said[name])[:most] for name, most in texts.items()}
    # PostgreSQL has no text with a zero in it.
    row = {name: text.replace("\0", "") for name, text in row.items()}
    version, at_s = said["version"], said["at_s"]
    if type(version) is not int or not 0 <= version < 1 << 63:
        raise ValueError("version is no number")
    if said["outcome"] not in OUTCOMES or not row["id"]:
        raise ValueError(f"unknown outcome {str(said['outcome'])[:40]!r}")
    more = {"outcome": said["outcome"], "version": version, "at_s": float(at_s)}
    return row | more | {"node": node, "received_s": time.time()}


def _pause_if_bad(connection: Connection, bundle: str) -> None:
    tried, bad = tally(connection, bundle)
    if bad >= FAILED_NODES and bad * 100 > FAILED_PERCENT * tried:
        why = f"{bad} of {tried} nodes report that it failed"
        mine = (BUNDLES.c.bundle == bundle) & BUNDLES.c.paused.is_(False)
        connection.execute(update(BUNDLES).where(mine).values(paused=True, paused_why=why))


def tally(connection: Connection, bundle: str) -> tuple[int, int]:
    """How many nodes have said something about a bundle, and on how many it failed.

    A rollback that the keeper of a node wished is no failure.
    """
    mine = BUNDLE_REPORTS.c.bundle == bundle
    failures = and_(
        BUNDLE_REPORTS.c.outcome.in_((REFUSED, ROLLED_BACK)), BUNDLE_REPORTS.c.code != "by_keeper"
    )
    nodes = func.count(func.distinct(BUNDLE_REPORTS.c.node))
    tried = connection.execute(select(nodes).where(mine)).scalar() or 0
    bad = connection.execute(select(nodes).where(mine & failures)).scalar() or 0
    return tried, bad
