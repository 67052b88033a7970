"""The hub's tables for what goes down: bundles, the chain of roots, what nodes report."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from sync.hub.tables import METADATA

# The bytes lie among the blobs.  `sha256`: of the file; `bundle`: of its signed words; `head`: the
# signed words as JSON.  `share`: percent of the nodes it is for that may have it now.
BUNDLES = Table(
    "bundles",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("bundle", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(40), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("head", Text, nullable=False),
    Column("share", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("paused_why", String(80), nullable=False),
    Column("published_s", Float, nullable=False),
    UniqueConstraint("kind", "name", "version"),
)

# Every root ever made, as it was signed: a node steps through those it has not seen.
ROOTS = Table(
    "roots",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("signed", Text, nullable=False),
)

BUNDLE_REPORTS = Table(
    "bundle_reports",
    METADATA,
    Column("node", String(36), primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("bundle", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(40), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("code", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_s", Float, nullable=False),
    Column("received_s", Float, nullable=False),
    Index("bundle_reports_bundle", "bundle"),
)
