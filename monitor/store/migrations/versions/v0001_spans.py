"""Spans, heartbeats and exclusions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.database import micros

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of measuring."""
    op.create_table(
        "spans",
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("vantage", sa.Text, nullable=False),
        sa.Column("from_us", micros, nullable=False),
        sa.Column("to_us", micros, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("pace_us", micros),
        sa.PrimaryKeyConstraint("contract", "vantage", "from_us", name="pk_spans"),
        sa.CheckConstraint("state IN ('up', 'down')", name=op.f("ck_spans_state")),
        sa.CheckConstraint("to_us > from_us", name=op.f("ck_spans_order")),
        comment="known until to_us; where pace_us is set, until the vantage's heartbeat of that pace if that is later",
    )
    op.create_table(
        "heartbeats",
        sa.Column("vantage", sa.Text, nullable=False),
        sa.Column("pace_us", micros, nullable=False),
        sa.Column("known_until_us", micros, nullable=False),
        sa.PrimaryKeyConstraint("vantage", "pace_us", name="pk_heartbeats"),
        comment="every running span of the vantage and pace is known to hold until here",
    )
    op.create_table(
        "exclusions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("from_us", micros, nullable=False),
        sa.Column("to_us", micros, nullable=False),
        sa.Column("announced_us", micros, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cancelled_us", micros),
        sa.PrimaryKeyConstraint("id", name="pk_exclusions"),
        sa.CheckConstraint("kind IN ('maintenance', 'customer')", name=op.f("ck_exclusions_kind")),
        sa.CheckConstraint("to_us > from_us", name=op.f("ck_exclusions_order")),
    )
    op.create_index("ix_exclusions_contract", "exclusions", ["contract", "from_us"])
