"""The hub's tables, as SQLAlchemy Core sees them on SQLite and PostgreSQL.

Times are seconds since 1970-01-01 UTC.  ``events`` is what nodes sent; all else about events is
derived from it.  Who may see what is `organisation` and `region` of the node.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

# Any hub has one row: its own id and signing key.
HUB = Table(
    "hub",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_s", Float, nullable=False),
)

# A code that lets one node in, once; only its SHA-256 is kept.
ENROLMENTS = Table(
    "enrolments",
    METADATA,
    Column("code_sha256", String(64), primary_key=True),
    Column("organisation", String(80), nullable=False),
    Column("region", String(80), nullable=False),
    Column("expires_s", Float, nullable=False),
    Column("used_by", String(36)),
)

NODES = Table(
    "nodes",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("organisation", String(80), nullable=False, index=True),
    Column("region", String(80), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("enrolled_s", Float, nullable=False),
    Column("revoked_s", Float),
    # Its newest epoch.
    Column("epoch", Integer, nullable=False, default=0),
    Column("heard_s", Float),
    Column("clock_off_s", Float),
    Column("health", JSON, nullable=False, default=dict),
)

# One numbering of a node: `seq` is the number up to which nothing is missing.
STREAMS = Table(
    "streams",
    METADATA,
    Column("node", String(36), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("token", LargeBinary, nullable=False),
    Column("base", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("heard_s", Float, nullable=False),
)

# `arrival` grows as events come or change: an incremental pull asks for those above its cursor.
# `digest`: of all that the record says.  `lon`, `lat`: its place, as exact as it travelled.
# `same_as`: the same record as one of an earlier epoch, "epoch:seq"; it is in no export.
# `superseded`: a later record corrects it.
EVENTS = Table(
    "events",
    METADATA,
    Column("node", String(36), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("rev", Integer, nullable=False),
    Column("arrival", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("form", String(40), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("author", String(64), nullable=False),
    Column("at_s", Float, nullable=False),
    Column("at_trust", String(8), nullable=False),
    Column("received_s", Float, nullable=False),
    Column("received_trust", String(8), nullable=False),
    Column("body", JSON, nullable=False),
    Column("photos", JSON, nullable=False),
    Column("supersedes", BigInteger),
    Column("superseded", Boolean, nullable=False, default=False),
    Column("coarse", Boolean, nullable=False),
    Column("lon", Float),
    Column("lat", Float),
    Column("digest", LargeBinary, nullable=False),
    Column("same_as", String(32)),
    Index("events_arrival", "arrival"),
    Index("events_subject", "subject"),
    Index("events_kind_at", "kind", "at_s"),
)

# One row, locked from the moment numbers are taken until their transaction commits: arrivals
# become visible in their order (docs/sync.md).
ARRIVALS = Table(
    "arrivals",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# Records that were set aside, for a person to look at.
REFUSED = Table(
    "refused",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("node", String(36), nullable=False, index=True),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("received_s", Float, nullable=False),
    UniqueConstraint("node", "epoch", "seq", "digest"),
)

# Renditions of photos, whole (`offset` = `length`) or on the way; the bytes lie among the blobs.
PHOTOS = Table(
    "photos",
    METADATA,
    Column("node", String(36), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("photo", String(64), nullable=False, index=True),
    Column("rendition", String(8), nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("whole_s", Float),
)

# Pieces of a rendition on the way, in the order of `offset`; `blob` is where the bytes lie.
PHOTO_PARTS = Table(
    "photo_parts",
    METADATA,
    Column("node", String(36), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("length", BigInteger, nullable=False),
    Column("blob", String(200), nullable=False),
)

# Photos of erased records: not taken in again, whoever still has them on a stick.
ERASED_PHOTOS = Table(
    "erased_photos",
    METADATA,
    Column("node", String(36), primary_key=True),
    Column("photo", String(64), primary_key=True),
)

# Blobs that nothing names any more and that are to be removed.
DOOMED = Table(
    "doomed",
    METADATA,
    Column("blob", String(200), primary_key=True),
)
