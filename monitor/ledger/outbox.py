"""How one outbox row moves: pure, so that every order of crashes, time-outs and late workers can be tried.

    pending -> sending -> confirmed | unknown | refused

`sending` is a lease with a fencing token. Who finds a row `unknown`, or `sending` with a lease that ran out, must look
for its key in the billing system before sending. A worker writes only while its token is the row's token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from contract.model import Micros
from monitor.ledger.answers import Answer, NotSent, Receipt, Rejected, Unknown
from monitor.ledger.schedule import delay

State: TypeAlias = Literal["pending", "sending", "confirmed", "unknown", "refused"]

WITHDRAWN = "withdrawn: it was reversed before it was delivered"
"""The `last_error` of a row that was refused by ourselves; nobody may send it again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to deliver. `next_at` and `lease_until` are instants; `attempts` counts claims."""

    credit: int
    state: State
    next_at: Micros
    attempts: int = 0
    lease_until: Micros | None = None
    token: int = 0
    last_error: str = ""
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row taken by one worker. `look_first`: its key must be looked for before it may be sent."""

    row: Row
    look_first: bool


def claim(row: Row, now: Micros, lease: Micros) -> Claim | None:
    """Take a row that is due for `lease` microseconds; None where it is not due, or somebody else's."""
    if row.state in {"pending", "unknown"}:
        due = row.next_at <= now
    else:
        due = row.state == "sending" and row.lease_until is not None and row.lease_until <= now
    if not due:
        return None
    taken = replace(row, state="sending", lease_until=now + lease, token=row.token + 1, attempts=row.attempts + 1)
    return Claim(row=taken, look_first=row.state != "pending")


def may_send(row: Row, token: int, now: Micros, longest: Micros) -> bool:
    """Tell whether the holder of `token` may still begin a call that takes up to `longest` microseconds."""
    return holds(row, token) and row.lease_until is not None and now + longest <= row.lease_until


def holds(row: Row, token: int) -> bool:
    """Tell whether `token` is still the one that may write this row."""
    return row.state == "sending" and row.token == token


def finish(row: Row, token: int, answer: Answer, now: Micros) -> Row | None:
    """Return the row as `answer` leaves it; None where `token` is stale, and nothing may be written."""
    if not holds(row, token):
        return None
    free = replace(row, lease_until=None)
    match answer:
        case Receipt(reference):
            return replace(free, state="confirmed", receipt=reference, last_error="")
        case Rejected(reason):
            return replace(free, state="refused", last_error=reason)
        case Unknown(reason, retry_after):
            return replace(free, state="unknown", last_error=reason, next_at=now + delay(row, retry_after))
        case NotSent(reason, retry_after):
            return replace(free, state="pending", last_error=reason, next_at=now + delay(row, retry_after))


def decide(row: Row, decision: Literal["retry", "resend", "confirmed"], now: Micros) -> Row | None:
    """Return the row after a person's decision; None where the decision does not fit its state.

    `retry`: try a refused or waiting row now, looking for its key first. `resend`: the person has seen that the
    billing system does *not* have it, so it is sent without looking. `confirmed`: the person has seen that it has.
    """
    if row.state in {"confirmed", "sending"} or row.last_error == WITHDRAWN:
        return None
    if decision == "confirmed":
        return replace(row, state="confirmed", token=row.token + 1, last_error="")
    state: State = "unknown" if decision == "retry" else "pending"
    return replace(row, state=state, token=row.token + 1, next_at=now)


def withdraw(row: Row) -> Row | None:
    """Return the row of a credit that is reversed before it was delivered; None where it may have arrived.

    A `pending` row was never sent, or was proven not to have arrived; a `refused` one the billing system would not
    have.
    """
    if row.state not in {"pending", "refused"}:
        return None
    return replace(row, state="refused", token=row.token + 1, last_error=WITHDRAWN)
