"""The worker: claims what is due, looks before it sends, and writes down what came of it.

May be killed at any instant, and run any number of times at once: the lease, the fencing token and the key in the
billing system keep a credit from being lost or given twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from contract.model import Micros
from monitor.billing.adapter import Adapter, Now
from monitor.ledger import deliveries
from monitor.ledger.answers import Answer, NotSent, Rejected
from monitor.ledger.outbox import State

SPARE: Micros = 5_000_000
"""What a lease allows for beside the calls themselves."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one attempt. `state` None: the claim was lost meanwhile, and another worker has it."""

    credit: int
    key: str
    system: str
    state: State | None
    detail: str


def deliver_due(engine: Engine, adapters: Mapping[str, Adapter], now: Now) -> tuple[Delivery, ...]:
    """Deliver every note that is due now through the adapter of its system; returns what became of each attempt."""
    done: list[Delivery] = []
    systems = frozenset(adapters)
    lease = 2 * max((adapter.longest_call for adapter in adapters.values()), default=0) + SPARE
    while (job := deliveries.claim_next(engine, systems, now(), lease)) is not None:
        done.append(deliver(engine, job, adapters[job.system], now))
    return tuple(done)


def deliver(engine: Engine, job: deliveries.Job, adapter: Adapter, now: Now) -> Delivery:
    """Carry one claimed note through its adapter and write what it answered."""
    row = deliveries.finish(engine, job, _ask(engine, job, adapter, now), now())
    if row is None:
        return Delivery(job.row.credit, job.note.key, job.system, None, "another worker has taken it over")
    return Delivery(job.row.credit, job.note.key, job.system, row.state, row.last_error or row.receipt or "")


def _ask(engine: Engine, job: deliveries.Job, adapter: Adapter, now: Now) -> Answer:
    """Return the billing system's answer.

    `NotSent` after looking: the lease is too old for another call, or somebody else's, and then it is not written.
    """
    if job.look_first:
        found = adapter.find(job.note.key)
        if found is not None:
            return found
    refused = adapter.capabilities().refuses(job.note.owed)
    if refused is not None:
        return Rejected(f"the billing system `{job.system}` cannot express this credit: {refused}")
    if not deliveries.still_mine(engine, job, now(), adapter.longest_call):
        return NotSent("looking for its key took so long that there was no time left to send it")
    return adapter.send(job.note) if job.note.kind == "credit" else adapter.reverse(job.note)
