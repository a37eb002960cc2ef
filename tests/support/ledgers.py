"""A ledger with credits in it, made by the product's own functions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from contract.model import Micros
from monitor.ledger.book import (
    Settlement,
    add_credit,
    add_document,
    add_settlement,
    add_to_outbox,
    extended_seconds,
    note_count,
)
from monitor.ledger.credit import Note, Owed, credit_key
from monitor.store.database import migrate, open_database, writing

HOUR: Micros = 3_600_000_000
DAY = 24 * HOUR


@dataclass
class MovedClock:
    """The machine's clock, moved forward by `moved`: signatures stay fresh while days of back-off pass at once."""

    moved: Micros = 0

    def __call__(self) -> Micros:
        return time.time_ns() // 1000 + self.moved


def empty_ledger(folder: Path) -> Engine:
    engine = open_database(folder / "ledger.db")
    migrate(engine)
    return engine


def add_period(engine: Engine, contract: str, period: str, now: Micros, owed: Owed, system: str = "webhook") -> int:
    """Settle a period by hand and owe something for it; returns the credit's id."""
    with writing(engine) as connection:
        for digest in ("sha256:contract", "sha256:calendar", "sha256:evidence"):
            add_document(connection, digest, digest.encode())
        settlement = Settlement(
            contract=contract,
            period=period,
            revision=1,
            starts=now - DAY,
            ends=now,
            figures="{}",
            terms_digest="sha256:terms",
            contract_digest="sha256:contract",
            calendar_digest="sha256:calendar",
            evidence_digest="sha256:evidence",
            settled_at=now,
        )
        row = add_settlement(connection, settlement)
        extended = extended_seconds(connection, contract) + (owed.seconds or 0)
        note = Note(
            key=credit_key(contract, period, "credit", 1),
            kind="credit",
            contract=contract,
            customer="ACME Co.",
            account="C-1042",
            period=period,
            starts=now - DAY,
            ends=now,
            revision=1,
            number=note_count(connection, contract) + 1,
            owed=owed,
            reason="availability below the target",
            created_at=now,
            extended_seconds=extended,
            term_ends=now + 365 * DAY + extended * 1_000_000,
        )
        credit = add_credit(connection, note, row, "settle", None)
        add_to_outbox(connection, credit, note, system)
    return credit
