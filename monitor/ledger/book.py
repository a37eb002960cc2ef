"""The rows of settling: added inside a transaction that the caller holds, and read again.

`writing(engine)` around all of one settlement makes settlement, credit, outbox row and statement one act: after a
kill at any instant either all of them are there or none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from contract.model import Micros
from monitor.ledger.credit import Note, Owed, note_from_text, note_to_text
from monitor.store.ledger import credits_, delivery_log, documents, outbox, settlements, statements


@dataclass(frozen=True, slots=True)
class Settlement:
    """The frozen result of one period. `figures` is the object of `crmhost sla --json`, as canonical JSON text."""

    contract: str
    period: str
    revision: int
    starts: Micros
    ends: Micros
    figures: str
    terms_digest: str
    contract_digest: str
    calendar_digest: str
    evidence_digest: str
    settled_at: Micros
    approved_by: str | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Credit:
    """One row of the ledger; `reverses` is the id of the credit that a reversal takes back."""

    id: int
    key: str
    contract: str
    period: str
    kind: str
    revision: int
    settlement: int
    reverses: int | None
    owed: Owed
    created_at: Micros
    created_by: str
    reason: str
    note: Note


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The newest statement of a contract: its number (0: none yet) and the digest of its file."""

    sequence: int
    digest: str | None


def add_document(connection: Connection, digest: str, body: bytes) -> None:
    """Keep a file that settlements name by its digest; one that is there already is left alone."""
    if connection.execute(select(documents.c.digest).where(documents.c.digest == digest)).first() is None:
        connection.execute(documents.insert().values(digest=digest, body=body))


def document(connection: Connection, digest: str) -> bytes:
    """Return a file by its digest; raises LookupError where it is not kept."""
    body = connection.execute(select(documents.c.body).where(documents.c.digest == digest)).scalar()
    if body is None:
        raise LookupError(digest)
    return bytes(body)


def add_settlement(connection: Connection, settlement: Settlement) -> int:
    """Add a settlement and return its id; IntegrityError where its revision of that period is there already."""
    values = {name: getattr(settlement, name) for name in (column.name for column in settlements.c) if name != "id"}
    return _inserted(connection.execute(settlements.insert().values(values)))


def add_credit(connection: Connection, note: Note, settlement: int, created_by: str, reverses: int | None) -> int:
    """Add a credit or a reversal and return its id; IntegrityError where it is there already."""
    return _inserted(
        connection.execute(
            credits_.insert().values(
                key=note.key,
                contract=note.contract,
                period=note.period,
                kind=note.kind,
                revision=note.revision,
                settlement=settlement,
                reverses=reverses,
                unit=note.owed.unit,
                seconds=note.owed.seconds,
                amount=note.owed.amount,
                currency=note.owed.currency,
                created_at=note.created_at,
                created_by=created_by,
                reason=note.reason,
                note=note_to_text(note),
            )
        )
    )


def add_to_outbox(connection: Connection, credit: int, note: Note, system: str) -> None:
    """Put a credit up for delivery to `system`, due at once."""
    connection.execute(
        outbox.insert().values(
            credit=credit,
            contract=note.contract,
            system=system,
            state="pending",
            attempts=0,
            next_at=note.created_at,
            lease_until=None,
            token=0,
            last_error="",
            receipt=None,
        )
    )
    log_delivery(connection, credit, note.created_at, "settle", ("pending", ""))


def log_delivery(connection: Connection, credit: int, at: Micros, who: str, change: tuple[str, str]) -> None:
    """Write down that an outbox row came into a state: `change` is the state and why."""
    state, detail = change
    connection.execute(delivery_log.insert().values(credit=credit, at=at, who=who, state=state, detail=detail))


def add_statement(connection: Connection, settlement: Settlement, raw: bytes, digest: str, chain: ChainEnd) -> None:
    """Add a signed statement after the end of its contract's chain; `settlement.id` must be set."""
    connection.execute(
        statements.insert().values(
            contract=settlement.contract,
            period=settlement.period,
            revision=settlement.revision,
            sequence=chain.sequence + 1,
            settlement=settlement.id,
            body=raw,
            digest=digest,
            previous=chain.digest,
            issued_at=settlement.settled_at,
        )
    )


def chain_end(connection: Connection, contract: str) -> ChainEnd:
    """Return where the next statement of a contract is chained to."""
    newest = connection.execute(
        select(statements.c.sequence, statements.c.digest)
        .where(statements.c.contract == contract)
        .order_by(statements.c.sequence.desc())
        .limit(1)
    ).first()
    return ChainEnd(0, None) if newest is None else ChainEnd(newest.sequence, newest.digest)


def latest_settlements(connection: Connection, contract: str) -> Iterator[Settlement]:
    """Yield the newest revision of every settled period of a contract, in order of time."""
    newest = (
        select(settlements.c.period, func.max(settlements.c.revision).label("revision"))
        .where(settlements.c.contract == contract)
        .group_by(settlements.c.period)
        .subquery()
    )
    rows = connection.execute(
        select(settlements)
        .join(newest, (settlements.c.period == newest.c.period) & (settlements.c.revision == newest.c.revision))
        .where(settlements.c.contract == contract)
        .order_by(settlements.c.starts)
    )
    for row in rows:
        yield Settlement(**row._mapping)  # noqa: SLF001  # the public name of a row's mapping begins with `_`


def has_revision(connection: Connection, contract: str, period: str, revision: int) -> bool:
    """Tell whether a revision of a period is settled."""
    found = select(settlements.c.id).where(
        settlements.c.contract == contract, settlements.c.period == period, settlements.c.revision == revision
    )
    return connection.execute(found).first() is not None


def credits_of(connection: Connection, contract: str | None = None) -> tuple[Credit, ...]:
    """Return the ledger's rows, of one contract or of all, in the order in which they were added."""
    query = select(credits_).order_by(credits_.c.id)
    if contract is not None:
        query = query.where(credits_.c.contract == contract)
    return tuple(_credit(row) for row in connection.execute(query))


def credit_of_settlement(connection: Connection, settlement: int) -> Credit | None:
    """Return the credit that a settlement made, reversed or not; None where nothing was owed."""
    row = connection.execute(
        select(credits_).where(credits_.c.settlement == settlement, credits_.c.kind == "credit")
    ).first()
    return None if row is None else _credit(row)


def is_reversed(connection: Connection, credit: int) -> bool:
    """Tell whether a credit was taken back."""
    return connection.execute(select(credits_.c.id).where(credits_.c.reverses == credit)).first() is not None


def extended_seconds(connection: Connection, contract: str) -> int:
    """Return all the service time that a contract has been given: credits less reversals, in seconds."""
    total = 0
    for row in credits_of(connection, contract):
        total += (row.owed.seconds or 0) * (1 if row.kind == "credit" else -1)
    return total


def note_count(connection: Connection, contract: str) -> int:
    """Return how many credits and reversals a contract has had."""
    return connection.execute(
        select(func.count()).select_from(credits_).where(credits_.c.contract == contract)
    ).scalar_one()


def figures_of(settlement: Settlement) -> Mapping[str, Any]:
    """Return a settlement's figures as the object that they are."""
    found: Mapping[str, Any] = json.loads(settlement.figures)
    return found


def _credit(row: Row[Any]) -> Credit:
    owed = Owed(unit=row.unit, seconds=row.seconds, amount=row.amount, currency=row.currency)
    return Credit(
        id=row.id,
        key=row.key,
        contract=row.contract,
        period=row.period,
        kind=row.kind,
        revision=row.revision,
        settlement=row.settlement,
        reverses=row.reverses,
        owed=owed,
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
        note=note_from_text(row.note),
    )


def _inserted(result: Any) -> int:  # noqa: ANN401  # SQLAlchemy's CursorResult is generic over the statement
    return int(result.inserted_primary_key[0])
