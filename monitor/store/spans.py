"""Spans and heartbeats: what each vantage has known of each contract, since when, until when."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, PrimaryKeyConstraint, Table, Text

from monitor.store.database import metadata, micros

spans = Table(
    "spans",
    metadata,
    Column("contract", Text, nullable=False),
    Column("vantage", Text, nullable=False),
    Column("from_us", micros, nullable=False),
    Column("to_us", micros),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    PrimaryKeyConstraint("contract", "vantage", "from_us"),
    CheckConstraint("state IN ('up', 'down')", name="state"),
    CheckConstraint("to_us >= from_us", name="order"),
    comment="to_us is null while the span is open: it then reaches as far as its vantage's heartbeat",
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("vantage", Text, primary_key=True),
    Column("known_until_us", micros, nullable=False),
    comment="every open span of the vantage is known to hold until here",
)
