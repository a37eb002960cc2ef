"""The outbox in the database: claimed, finished and decided by compare-and-set, one short transaction each.

Notes of one contract are delivered in the order in which they were made, because a note carries the absolute end of
the term: an older date must never arrive after a newer one. A refused note holds nobody up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, Select, and_, exists, or_, select
from sqlalchemy import Row as SqlRow

from contract.model import Micros
from crm.errors import Refused
from monitor.ledger import outbox as machine
from monitor.ledger.answers import Answer, Rejected, Unknown
from monitor.ledger.book import log_delivery
from monitor.ledger.credit import Note, note_from_text
from monitor.ledger.schedule import LATE_AFTER
from monitor.store.database import reading, writing
from monitor.store.ledger import credits_, delivery_log, disabled_systems, outbox


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed row, what it delivers and where to."""

    row: machine.Row
    note: Note
    system: str
    look_first: bool


def claim_next(engine: Engine, systems: frozenset[str], now: Micros, lease: Micros) -> Job | None:
    """Claim the oldest note that is due, for one of `systems`, for `lease` microseconds; None where none is due."""
    with writing(engine) as connection:
        for found in connection.execute(_due(systems, now)):
            before = _row(found)
            claimed = machine.claim(before, now, lease)
            if claimed is not None and _replace(connection, before, claimed.row):
                detail = "looking for its key first" if claimed.look_first else f"attempt {claimed.row.attempts}"
                log_delivery(connection, before.credit, now, "worker", ("sending", detail))
                return Job(claimed.row, note_from_text(found.note), found.system, claimed.look_first)
    return None


def next_due(engine: Engine, systems: frozenset[str]) -> Micros | None:
    """Return the instant at which a note falls due next, which may be past; None where none is waiting."""
    with reading(engine) as connection:
        instants = [
            row.lease_until if row.state == "sending" else row.next_at for row in connection.execute(_waiting(systems))
        ]
    return min(instants, default=None)


def still_mine(engine: Engine, job: Job, now: Micros, longest: Micros) -> bool:
    """Tell whether a call of up to `longest` microseconds may begin: the lease lasts, and nobody else has the row."""
    with reading(engine) as connection:
        row = read_row(connection, job.row.credit)
    return row is not None and machine.may_send(row, job.row.token, now, longest)


def finish(engine: Engine, job: Job, answer: Answer, now: Micros) -> machine.Row | None:
    """Write what a delivery came to; None where the claim was lost, and nothing was written."""
    with writing(engine) as connection:
        before = read_row(connection, job.row.credit)
        after = None if before is None else machine.finish(before, job.row.token, answer, now)
        if before is None or after is None or not _replace(connection, before, after):
            return None
        log_delivery(connection, before.credit, now, "worker", (after.state, after.last_error or after.receipt or ""))
        if isinstance(answer, (Rejected, Unknown)) and answer.gone:
            _disable(connection, job.system, answer.reason, now)
    return after


def decide(
    engine: Engine,
    credit: int,
    decision: Literal["retry", "resend", "confirmed"],
    who: str,
    now: Micros,
) -> machine.Row:
    """Carry out a person's decision on a note that waits or was refused; what it means is in `outbox.decide`.

    It also enables the note's billing system again, where that had answered 410. Raises Refused where the note is not
    there, is delivered, is being sent, or was withdrawn.
    """
    with writing(engine) as connection:
        before = read_row(connection, credit)
        if before is None:
            raise Refused(f"credit {credit}: nothing of it is to be delivered", "`crmhost credits list` shows them.")
        after = machine.decide(before, decision, now)
        if after is None or not _replace(connection, before, after):
            why = before.last_error if before.last_error == machine.WITHDRAWN else before.state
            raise Refused(f"credit {credit}: it is {why}, so `{decision}` does not fit", "`crmhost credits show` it.")
        log_delivery(connection, credit, now, who, (after.state, decision))
        system = connection.execute(select(outbox.c.system).where(outbox.c.credit == credit)).scalar_one()
        connection.execute(disabled_systems.delete().where(disabled_systems.c.system == system))
    return after


def withdraw(connection: Connection, credit: int, who: str, now: Micros) -> bool:
    """Take a credit's note back before it was delivered; False where it may have arrived and must be reversed there."""
    before = read_row(connection, credit)
    after = None if before is None else machine.withdraw(before)
    if before is None or after is None or not _replace(connection, before, after):
        return False
    log_delivery(connection, credit, now, who, (after.state, after.last_error))
    return True


def read_row(connection: Connection, credit: int) -> machine.Row | None:
    """Return the outbox row of a credit, or None."""
    found = connection.execute(select(outbox).where(outbox.c.credit == credit)).first()
    return None if found is None else _row(found)


class Change(NamedTuple):
    """One change of an outbox row: when, by whom (`settle`, `worker` or a person), into which state, and why."""

    at: Micros
    who: str
    state: str
    detail: str


def history(connection: Connection, credit: int) -> tuple[Change, ...]:
    """Return every state that the delivery of a credit has been in, oldest first."""
    log = delivery_log.c
    query = select(log.at, log.who, log.state, log.detail).where(log.credit == credit).order_by(log.id)
    return tuple(Change(*row) for row in connection.execute(query))


class Trouble(NamedTuple):
    """A note that a person should look at: its credit, its key, and what is the matter."""

    credit: int
    key: str
    reason: str


def troubles(connection: Connection, systems: frozenset[str]) -> tuple[Trouble, ...]:
    """Return the notes that will not arrive by themselves, or are late; `systems` are those that are set up."""
    closed = disabled(connection)
    query = select(outbox, credits_.c.key).join(credits_, credits_.c.id == outbox.c.credit)
    found = []
    for row in connection.execute(query.where(outbox.c.state != "confirmed").order_by(outbox.c.credit)):
        reason = _trouble(_row(row), row.system, systems, closed)
        if reason is not None:
            found.append(Trouble(row.credit, row.key, reason))
    return tuple(found)


def _trouble(row: machine.Row, system: str, systems: frozenset[str], closed: dict[str, str]) -> str | None:
    if row.state == "refused":
        return None if row.last_error == machine.WITHDRAWN else f"refused: {row.last_error}"
    if system not in systems:
        return f"no billing system `{system}` is set up"
    if system in closed:
        return f"nothing is sent to `{system}`: {closed[system]}"
    if row.attempts >= LATE_AFTER:
        return f"tried {row.attempts} times: {row.last_error}"
    return None


def disabled(connection: Connection) -> dict[str, str]:
    """Return the billing systems that nothing is sent to, with the reason."""
    return {row.system: row.reason for row in connection.execute(select(disabled_systems))}


def _waiting(systems: frozenset[str]) -> Select[Any]:
    """Select the notes that are not finished, are the oldest such of their contract, and may be sent."""
    older = outbox.alias("older")
    held_up = exists().where(
        older.c.contract == outbox.c.contract,
        older.c.credit < outbox.c.credit,
        older.c.state.in_(["pending", "sending", "unknown"]),
    )
    return (
        select(outbox, credits_.c.note)
        .join(credits_, credits_.c.id == outbox.c.credit)
        .where(
            outbox.c.state.in_(["pending", "sending", "unknown"]),
            outbox.c.system.in_(systems),
            outbox.c.system.not_in(select(disabled_systems.c.system)),
            ~held_up,
        )
        .order_by(outbox.c.credit)
    )


def _due(systems: frozenset[str], now: Micros) -> Select[Any]:
    return _waiting(systems).where(
        or_(
            and_(outbox.c.state != "sending", outbox.c.next_at <= now),
            and_(outbox.c.state == "sending", outbox.c.lease_until <= now),
        )
    )


def _replace(connection: Connection, before: machine.Row, after: machine.Row) -> bool:
    """Write `after` where the row is still `before`: the compare-and-set of every change. False: it was not."""
    changed = connection.execute(
        outbox.update()
        .where(outbox.c.credit == before.credit, outbox.c.token == before.token, outbox.c.state == before.state)
        .values(
            state=after.state,
            attempts=after.attempts,
            next_at=after.next_at,
            lease_until=after.lease_until,
            token=after.token,
            last_error=after.last_error,
            receipt=after.receipt,
        )
    )
    return changed.rowcount == 1


def _disable(connection: Connection, system: str, reason: str, now: Micros) -> None:
    known = select(disabled_systems.c.system).where(disabled_systems.c.system == system)
    if connection.execute(known).first() is None:
        connection.execute(disabled_systems.insert().values(system=system, at=now, reason=reason))


def _row(found: SqlRow[Any]) -> machine.Row:
    return machine.Row(
        credit=found.credit,
        state=found.state,
        next_at=found.next_at,
        attempts=found.attempts,
        lease_until=found.lease_until,
        token=found.token,
        last_error=found.last_error,
        receipt=found.receipt,
    )
