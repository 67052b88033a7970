"""The hub's tables about people: who they are, what they may see, and what they did."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table

from sync.hub.tables import METADATA

# `key` is what a name is found by; `secret` an argon2id hash, null for who only has tokens.
PEOPLE = Table(
    "hub_people",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("key", String(80), nullable=False, unique=True),
    Column("secret", String(200)),
    Column("since_s", Float, nullable=False),
    Column("ended_s", Float),
)

# `organisation` and `region` are those of nodes; `*` means every one.
GRANTS = Table(
    "hub_grants",
    METADATA,
    Column("person", String(36), primary_key=True),
    Column("organisation", String(80), primary_key=True),
    Column("region", String(80), primary_key=True),
    Column("role", String(16), nullable=False),
)

# For programs; only the SHA-256 of a token is kept.
TOKENS = Table(
    "hub_tokens",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("person", String(36), nullable=False, index=True),
    Column("name", String(80), nullable=False),
    Column("made_s", Float, nullable=False),
    Column("expires_s", Float, nullable=False),
    Column("revoked_s", Float),
)

# Sessions that were logged out: a copy of their cookie opens nothing.  `until_s` is when they would
# have ended by themselves, after which the row may go.
ENDED = Table(
    "hub_ended_sessions",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("until_s", Float, nullable=False),
)

# Wrong passwords, by the SHA-256 of what was tried as a name, and for the whole hub.
PAUSES = Table(
    "hub_pauses",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("last_s", Float, nullable=False),
)

# `person` is an id, or empty for a stranger and for the command line.
AUDIT = Table(
    "hub_audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("person", String(36), nullable=False),
    Column("action", String(24), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("hub_audit_at", "at_s"),
)
