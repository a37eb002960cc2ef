"""What does not count as downtime: announced maintenance, and what the customer caused."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text

from monitor.store.database import metadata, micros

exclusions = Table(
    "exclusions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_us", micros, nullable=False),
    Column("to_us", micros, nullable=False),
    Column("announced_us", micros, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cancelled_us", micros),
    CheckConstraint("kind IN ('maintenance', 'customer')", name="kind"),
    CheckConstraint("to_us > from_us", name="order"),
    Index("ix_exclusions_contract", "contract", "from_us"),
)
