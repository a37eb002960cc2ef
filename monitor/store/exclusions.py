"""What does not count as downtime: maintenance that was announced, and what the customer caused.

Nothing is dated back: `announced` is the clock of this machine when it was entered, and a cancelled window stays in the
table. A window that has begun can only be cut short, and one that has ended can no longer be cancelled.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

from sqlalchemy import CheckConstraint, Column, Connection, Index, Integer, Row, Table, Text, insert, select, update

from contract.model import Micros
from contract.moment import short_text
from crm.errors import Refused
from monitor.store.database import metadata, micros

Kind = Literal["maintenance", "customer"]

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


class Exclusion(NamedTuple):
    """One window as it was entered. `cancelled` is when it was cancelled, if it was."""

    number: int
    contract: str
    kind: Kind
    start: Micros
    end: Micros
    announced: Micros
    reason: str
    cancelled: Micros | None

    @property
    def counts_until(self) -> Micros | None:
        """Where the window that counts ends: cancelled before it began, it is None; while it ran, that instant.

        What the customer caused is wholly taken back when it is cancelled.
        """
        if self.cancelled is None:
            return self.end
        if self.kind == "customer" or self.cancelled <= self.start:
            return None
        return min(self.end, self.cancelled)


class Window(NamedTuple):
    """What is to be excluded, and why."""

    start: Micros
    end: Micros
    reason: str = ""


def announce(connection: Connection, contract: str, window: Window, now: Micros) -> Exclusion:
    """Enter maintenance, announced now. Raises Refused for one that begins in the past."""
    if window.start < now:
        raise Refused(
            f"Maintenance of {contract} from {short_text(window.start)} was not announced: it begins in the past.",
            "Announce it before it begins; what has happened can be excluded only where the customer caused it.",
        )
    return _enter(connection, contract, "maintenance", window, now)


def exclude(connection: Connection, contract: str, window: Window, now: Micros) -> Exclusion:
    """Enter what the customer caused, past or to come. Raises Refused where no reason is given."""
    if not window.reason.strip():
        raise Refused(
            f"The time of {contract} from {short_text(window.start)} was not excluded: it has no reason.",
            "Say what the customer did, and where that is written down.",
        )
    return _enter(connection, contract, "customer", window, now)


def cancel(connection: Connection, number: int, now: Micros) -> Exclusion:
    """Cancel an exclusion from now on, and return it as it then is. Raises Refused where that is too late."""
    found = connection.execute(select(exclusions).where(exclusions.c.id == number)).one_or_none()
    if found is None:
        raise Refused(f"There is no exclusion {number}.", "List them to see their numbers.")
    exclusion = _exclusion(found)
    if exclusion.cancelled is not None:
        raise Refused(f"Exclusion {number} was cancelled already, at {short_text(exclusion.cancelled)}.")
    if exclusion.kind == "maintenance" and exclusion.end <= now:
        raise Refused(
            f"Maintenance {number} ended at {short_text(exclusion.end)} and was not cancelled.",
            "What has happened stays as it was announced.",
        )
    connection.execute(update(exclusions).where(exclusions.c.id == number).values(cancelled_us=now))
    return exclusion._replace(cancelled=now)


def listed(connection: Connection, contract: str | None = None) -> tuple[Exclusion, ...]:
    """List the exclusions of one contract, or of all, by their start; cancelled ones too."""
    query = select(exclusions).order_by(exclusions.c.from_us, exclusions.c.id)
    if contract is not None:
        query = query.where(exclusions.c.contract == contract)
    return tuple(_exclusion(row) for row in connection.execute(query))


def _enter(connection: Connection, contract: str, kind: Kind, window: Window, now: Micros) -> Exclusion:
    if window.end <= window.start:
        raise Refused(
            f"The window of {contract} from {short_text(window.start)} to {short_text(window.end)} is empty.",
            "Let it end after it begins.",
        )
    values = {
        "contract": contract,
        "kind": kind,
        "from_us": window.start,
        "to_us": window.end,
        "announced_us": now,
        "reason": window.reason,
    }
    entered = connection.execute(insert(exclusions).values(values)).inserted_primary_key
    number = cast(int, entered[0]) if entered is not None else 0
    return Exclusion(number, contract, kind, window.start, window.end, now, window.reason, None)


def _exclusion(row: Row[tuple[object, ...]]) -> Exclusion:
    return Exclusion(
        row.id, row.contract, row.kind, row.from_us, row.to_us, row.announced_us, row.reason, row.cancelled_us
    )
