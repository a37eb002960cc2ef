"""The tables of the ledger. Settlements, credits, statements and the log of deliveries are only ever added to.

`UNIQUE(contract, period, kind, revision)` holds for ever: it is the last line of defence against paying twice. The
revision that makes these tables also makes triggers that abort every UPDATE and DELETE of an append-only table.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, LargeBinary, Table, Text, UniqueConstraint

from monitor.store.database import metadata, micros

APPEND_ONLY = ("documents", "settlements", "credits", "statements", "delivery_log")
"""The tables whose rows nobody changes."""

documents = Table(
    "documents",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""What settlements were made from, by `sha256:` digest: contract files, calendars, evidence."""

settlements = Table(
    "settlements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("starts", micros, nullable=False),
    Column("ends", micros, nullable=False),
    Column("figures", Text, nullable=False),
    Column("terms_digest", Text, nullable=False),
    Column("contract_digest", Text, ForeignKey("documents.digest"), nullable=False),
    Column("calendar_digest", Text, ForeignKey("documents.digest"), nullable=False),
    Column("evidence_digest", Text, ForeignKey("documents.digest"), nullable=False),
    Column("settled_at", micros, nullable=False),
    Column("approved_by", Text),
    UniqueConstraint("contract", "period", "revision"),
    CheckConstraint("revision >= 1", name="revision"),
)
"""One frozen result: the figures of one period as canonical JSON, and what they follow from."""

credits_ = Table(
    "credits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("contract", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("settlement", Integer, ForeignKey("settlements.id"), nullable=False),
    Column("reverses", Integer, ForeignKey("credits.id"), unique=True),
    Column("unit", Text, nullable=False),
    Column("seconds", micros),
    Column("amount", Text),
    Column("currency", Text),
    Column("created_at", micros, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False),
    UniqueConstraint("contract", "period", "kind", "revision"),
    CheckConstraint("kind IN ('credit', 'reversal')", name="kind"),
    CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name="reverses"),
    CheckConstraint(
        "(unit = 'service-time' AND seconds > 0 AND amount IS NULL AND currency IS NULL)"
        " OR (unit = 'money' AND seconds IS NULL AND amount IS NOT NULL AND currency IS NOT NULL)",
        name="unit",
    ),
)
"""What is owed: `seconds` of service time, or `amount` (an exact decimal text) of `currency`; never negative.

`note` is the whole credit as JSON, as billing gets it.
"""

outbox = Table(
    "outbox",
    metadata,
    Column("credit", Integer, ForeignKey("credits.id"), primary_key=True),
    Column("contract", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", micros, nullable=False),
    Column("lease_until", micros),
    Column("token", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("receipt", Text),
    CheckConstraint("state IN ('pending', 'sending', 'confirmed', 'unknown', 'refused')", name="state"),
)
"""What is still to be delivered, and to which billing system; `token` is the fence against a worker that came late."""

statements = Table(
    "statements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("contract", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("settlement", Integer, ForeignKey("settlements.id"), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("previous", Text),
    Column("issued_at", micros, nullable=False),
    UniqueConstraint("contract", "sequence", name="uq_statements_sequence"),
    UniqueConstraint("contract", "period", "revision", name="uq_statements_period"),
)
"""The signed files, byte for byte, and their chain."""

disabled_systems = Table(
    "disabled_systems",
    metadata,
    Column("system", Text, primary_key=True),
    Column("at", micros, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Billing systems that answered 410: nothing is sent there until a person enables them again."""

delivery_log = Table(
    "delivery_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("credit", Integer, ForeignKey("credits.id"), nullable=False, index=True),
    Column("at", micros, nullable=False),
    Column("who", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
"""Every change of an outbox row: when, by whom (`worker` or a person), into which state, and why."""
