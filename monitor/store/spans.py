"""Spans: what each vantage has known of each contract, from when to when.

A good probe writes nothing. A span that runs on is a row whose end is its vantage's *heartbeat* for the contract's
pace (its probes' interval): one row for all contracts of that pace, written every few seconds, that says "every
running span is known to hold until here". So a kill -9 costs at most the time since the last heartbeat; that time, and
the silence until the restart, has no span and is unknown. Only transitions are written one by one, and durably.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from contract.model import Micros
from monitor.span import Span
from monitor.store.database import metadata, micros

spans = Table(
    "spans",
    metadata,
    Column("contract", Text, nullable=False),
    Column("vantage", Text, nullable=False),
    Column("from_us", micros, nullable=False),
    Column("to_us", micros, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("pace_us", micros),
    PrimaryKeyConstraint("contract", "vantage", "from_us"),
    CheckConstraint("state IN ('up', 'down')", name="state"),
    CheckConstraint("to_us > from_us", name="order"),
    comment="known until to_us; where pace_us is set, until the vantage's heartbeat of that pace if that is later",
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("vantage", Text, nullable=False),
    Column("pace_us", micros, nullable=False),
    Column("known_until_us", micros, nullable=False),
    PrimaryKeyConstraint("vantage", "pace_us"),
    comment="every running span of the vantage and pace is known to hold until here",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One span as it is to be stored; `pace` is set while it runs on."""

    contract: str
    span: Span
    pace: Micros | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes: rows by (contract, vantage, start), and how far each pace's running spans reach."""

    vantage: str
    rows: Mapping[tuple[str, Micros], Row] = field(default_factory=dict)
    beats: Mapping[Micros, Micros] = field(default_factory=dict)

    def then(self, later: Batch) -> Batch:
        """Join a batch with the one made after it: the later word on each row and pace counts."""
        return Batch(self.vantage, {**self.rows, **later.rows}, later.beats)


def write(connection: Connection, batch: Batch) -> None:
    """Store a batch: rows that are there are lengthened, others added; the heartbeats are replaced."""
    for row in batch.rows.values():
        found = connection.execute(
            update(spans)
            .where(
                spans.c.contract == row.contract,
                spans.c.vantage == row.span.vantage,
                spans.c.from_us == row.span.start,
            )
            .values(to_us=row.span.end, pace_us=row.pace)
        )
        if found.rowcount == 0:
            connection.execute(insert(spans).values(_values(row)))
    connection.execute(delete(heartbeats).where(heartbeats.c.vantage == batch.vantage))
    if batch.beats:
        beats = [{"vantage": batch.vantage, "pace_us": pace, "until": until} for pace, until in batch.beats.items()]
        connection.execute(insert(heartbeats).values(known_until_us=bindparam("until")), beats)


def recover(connection: Connection, vantage: str) -> dict[str, Micros]:
    """End what a vantage's last run left running, at its last heartbeat; return until when each contract is known."""
    ends = {
        (row.contract, row.from_us): row.known
        for row in connection.execute(_known(select(spans.c.contract, spans.c.from_us)).where(*_running(vantage)))
    }
    for (contract, start), end in ends.items():
        connection.execute(
            update(spans)
            .where(spans.c.contract == contract, spans.c.vantage == vantage, spans.c.from_us == start)
            .values(to_us=end, pace_us=None)
        )
    connection.execute(delete(heartbeats).where(heartbeats.c.vantage == vantage))
    last = select(spans.c.contract, func.max(spans.c.to_us)).where(spans.c.vantage == vantage).group_by("contract")
    return {contract: until for contract, until in connection.execute(last)}  # noqa: C416 - rows are no pairs to dict()


def read(connection: Connection, contract: str, start: Micros, end: Micros) -> tuple[Span, ...]:
    """Read every span of a contract that has time between two instants, whole, in order of vantage and start."""
    query = (
        _known(select(spans.c.vantage, spans.c.from_us, spans.c.state, spans.c.reason))
        .where(
            spans.c.contract == contract, spans.c.from_us < end, spans.c.from_us >= _since(connection, contract, start)
        )
        .order_by(spans.c.vantage, spans.c.from_us)
    )
    found = (Span(row.vantage, row.from_us, row.known, row.state, row.reason) for row in connection.execute(query))
    return tuple(span for span in found if span.end > start)


def last_up_before(connection: Connection, contract: str, vantage: str, instant: Micros) -> Micros | None:
    """Find when the last span in which a vantage saw the contract up, before an instant, began."""
    found: Micros | None = connection.execute(
        select(func.max(spans.c.from_us)).where(
            spans.c.contract == contract,
            spans.c.vantage == vantage,
            spans.c.from_us < instant,
            spans.c.state == "up",
        )
    ).scalar()
    return found


def _since(connection: Connection, contract: str, instant: Micros) -> Micros:
    """Find the start of the earliest span that may reach past an instant: spans of a vantage never overlap."""
    last = (
        select(func.max(spans.c.from_us))
        .where(spans.c.contract == contract, spans.c.from_us <= instant)
        .group_by(spans.c.vantage)
    )
    starts: Sequence[Micros] = connection.execute(last).scalars().all()
    return min(starts, default=instant)


def _known(query: Select[Any]) -> Select[Any]:
    """Add the column `known`: until when each span is known."""
    beat = heartbeats.c.known_until_us
    until = case((and_(beat.is_not(None), beat > spans.c.to_us), beat), else_=spans.c.to_us)
    joined = spans.outerjoin(
        heartbeats, and_(heartbeats.c.vantage == spans.c.vantage, heartbeats.c.pace_us == spans.c.pace_us)
    )
    return query.add_columns(until.label("known")).select_from(joined)


def _running(vantage: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return spans.c.vantage == vantage, spans.c.pace_us.is_not(None)


def _values(row: Row) -> dict[str, object]:
    return {
        "contract": row.contract,
        "vantage": row.span.vantage,
        "from_us": row.span.start,
        "to_us": row.span.end,
        "state": row.span.state,
        "reason": row.span.reason,
        "pace_us": row.pace,
    }
