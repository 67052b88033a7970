"""People of the hub: grants, tokens, pauses after wrong passwords, what was done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "hub_people",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("key", sa.String(80), nullable=False, unique=True),
        sa.Column("secret", sa.String(200)),
        sa.Column("since_s", sa.Float(), nullable=False),
        sa.Column("ended_s", sa.Float()),
    )
    op.create_table(
        "hub_grants",
        sa.Column("person", sa.String(36), primary_key=True),
        sa.Column("organisation", sa.String(80), primary_key=True),
        sa.Column("region", sa.String(80), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
    )
    op.create_table(
        "hub_tokens",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("person", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("made_s", sa.Float(), nullable=False),
        sa.Column("expires_s", sa.Float(), nullable=False),
        sa.Column("revoked_s", sa.Float()),
    )
    op.create_index("ix_hub_tokens_person", "hub_tokens", ["person"])
    op.create_table(
        "hub_pauses",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("last_s", sa.Float(), nullable=False),
    )
    op.create_table(
        "hub_audit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at_s", sa.Float(), nullable=False),
        sa.Column("person", sa.String(36), nullable=False),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
    )
    op.create_index("hub_audit_at", "hub_audit", ["at_s"])
