"""Settlements, credits, the outbox, statements; and triggers that keep what was settled as it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.database import micros

revision = "0002"
down_revision = "0001"

APPEND_ONLY = ("documents", "settlements", "credits", "statements", "delivery_log")


def upgrade() -> None:
    """Make the tables of paying back."""
    op.create_table(
        "documents",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_documents"),
    )
    _settlements()
    _credits()
    _outbox()
    _statements()
    op.create_table(
        "disabled_systems",
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("at", micros, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("system", name="pk_disabled_systems"),
    )
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is only ever added to'); END"
            )


def _settlements() -> None:
    op.create_table(
        "settlements",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("starts", micros, nullable=False),
        sa.Column("ends", micros, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("terms_digest", sa.Text, nullable=False),
        sa.Column("contract_digest", sa.Text, nullable=False),
        sa.Column("calendar_digest", sa.Text, nullable=False),
        sa.Column("evidence_digest", sa.Text, nullable=False),
        sa.Column("settled_at", micros, nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_settlements"),
        sa.UniqueConstraint("contract", "period", "revision", name="uq_settlements_contract_period_revision"),
        sa.ForeignKeyConstraint(["contract_digest"], ["documents.digest"], "fk_settlements_contract_digest_documents"),
        sa.ForeignKeyConstraint(["calendar_digest"], ["documents.digest"], "fk_settlements_calendar_digest_documents"),
        sa.ForeignKeyConstraint(["evidence_digest"], ["documents.digest"], "fk_settlements_evidence_digest_documents"),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_settlements_revision")),
    )


def _credits() -> None:
    op.create_table(
        "credits",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("settlement", sa.Integer, nullable=False),
        sa.Column("reverses", sa.Integer),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("seconds", micros),
        sa.Column("amount", sa.Text),
        sa.Column("currency", sa.Text),
        sa.Column("created_at", micros, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_credits"),
        sa.UniqueConstraint("key", name="uq_credits_key"),
        sa.UniqueConstraint("reverses", name="uq_credits_reverses"),
        sa.UniqueConstraint("contract", "period", "kind", "revision", name="uq_credits_contract_period_kind_revision"),
        sa.ForeignKeyConstraint(["settlement"], ["settlements.id"], "fk_credits_settlement_settlements"),
        sa.ForeignKeyConstraint(["reverses"], ["credits.id"], "fk_credits_reverses_credits"),
        sa.CheckConstraint("kind IN ('credit', 'reversal')", name=op.f("ck_credits_kind")),
        sa.CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name=op.f("ck_credits_reverses")),
        sa.CheckConstraint(
            "(unit = 'service-time' AND seconds > 0 AND amount IS NULL AND currency IS NULL)"
            " OR (unit = 'money' AND seconds IS NULL AND amount IS NOT NULL AND currency IS NOT NULL)",
            name=op.f("ck_credits_unit"),
        ),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("credit", sa.Integer, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", micros, nullable=False),
        sa.Column("lease_until", micros),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("receipt", sa.Text),
        sa.PrimaryKeyConstraint("credit", name="pk_outbox"),
        sa.ForeignKeyConstraint(["credit"], ["credits.id"], "fk_outbox_credit_credits"),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'confirmed', 'unknown', 'refused')", name=op.f("ck_outbox_state")
        ),
    )
    op.create_index("ix_outbox_state", "outbox", ["state"])
    op.create_table(
        "delivery_log",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("credit", sa.Integer, nullable=False),
        sa.Column("at", micros, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_log"),
        sa.ForeignKeyConstraint(["credit"], ["credits.id"], "fk_delivery_log_credit_credits"),
    )
    op.create_index("ix_delivery_log_credit", "delivery_log", ["credit"])


def _statements() -> None:
    op.create_table(
        "statements",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("contract", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("settlement", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("previous", sa.Text),
        sa.Column("issued_at", micros, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statements"),
        sa.UniqueConstraint("settlement", name="uq_statements_settlement"),
        sa.UniqueConstraint("digest", name="uq_statements_digest"),
        sa.UniqueConstraint("contract", "sequence", name="uq_statements_sequence"),
        sa.UniqueConstraint("contract", "period", "revision", name="uq_statements_period"),
        sa.ForeignKeyConstraint(["settlement"], ["settlements.id"], "fk_statements_settlement_settlements"),
    )
