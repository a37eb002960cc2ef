"""The running period so far, for screens and metrics: by the same arithmetic that will settle it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlalchemy import Connection, Engine

from contract.amend import at
from contract.model import Contract, Micros
from contract.period import NoSuchPeriod, containing
from crm.errors import Refused
from monitor.clock import Clock
from monitor.intervals import clip
from monitor.sla.recompute import terms_for
from monitor.sla.settle import settle
from monitor.store.database import reading
from monitor.store.evidence import evidence_of


@dataclass(frozen=True, slots=True)
class RunningPeriod:
    """A period that has not ended, as if it ended now; `availability` is None where nothing could be measured yet."""

    contract: str
    label: str
    start: Micros
    end: Micros
    base: Micros
    down: Micros
    unknown: Micros
    excluded: Micros
    availability: Fraction | None
    target: Fraction


def running_period(connection: Connection, contract: Contract, now: Micros) -> RunningPeriod | None:
    """Measure the period that `now` lies in, up to now; None where no SLA clock runs."""
    sla = at(contract, now).sla
    if sla is None:
        return None
    try:
        terms = terms_for(contract, containing(sla.period, now).label)
    except (NoSuchPeriod, Refused):
        return None
    so_far = replace(terms, base=clip(terms.base, terms.start, now))
    figures = settle(so_far, evidence_of(connection, contract.id, terms.start, min(now, terms.end))).figures
    return RunningPeriod(
        contract=contract.id,
        label=terms.label,
        start=terms.start,
        end=terms.end,
        base=figures.base,
        down=figures.down,
        unknown=figures.unknown,
        excluded=figures.excluded,
        availability=figures.availability,
        target=terms.sla.availability,
    )


class RunningPeriods:
    """The running periods of a fleet, for any thread.

    They are measured again at most every `MOST_OFTEN`, and less often where that takes long: whoever reads them, and
    however often, makes the monitor spend no more than a twentieth of its time on them.
    """

    MOST_OFTEN: Micros = 1_000_000

    def __init__(self, engine: Engine, clock: Clock, contracts: Sequence[Contract]) -> None:
        self._engine = engine
        self._clock = clock
        self._contracts = contracts
        self._measured: tuple[RunningPeriod, ...] = ()
        self._next: Micros | None = None
        self._lock = threading.Lock()

    def read(self) -> tuple[RunningPeriod, ...]:
        """Give the figures of every contract whose SLA clock runs."""
        with self._lock:
            began = self._clock.read()
            if self._next is None or began.steady >= self._next:
                self._measured = self._measure(began.wall)
                took = self._clock.read().steady - began.steady
                self._next = began.steady + max(self.MOST_OFTEN, 20 * took)
            return self._measured

    def _measure(self, now: Micros) -> tuple[RunningPeriod, ...]:
        with reading(self._engine) as connection:
            found = [running_period(connection, contract, now) for contract in self._contracts]
        return tuple(one for one in found if one is not None)
