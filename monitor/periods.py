"""Which periods of a contract there have been: in order, each by the terms that its first instant has. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from contract.amend import at, begins, for_period
from contract.model import Contract, Micros
from contract.period import Period, containing
from contract.sla import CyclePeriod
from contract.term import bounds, sla_begins


def periods_ended(contract: Contract, until: Micros) -> Iterator[Period]:
    """Yield every period since the SLA's clock began that has ended at `until`, up to the end of the term.

    Where an amendment changes how periods are counted, time between the last old period and the first whole new one
    belongs to none: nothing was agreed to be counted there.
    """
    now = clock_start(contract)
    while now is not None and now < until:
        agreed = at(contract, now)
        if agreed.sla is None or _over(agreed, now):
            return
        spec = agreed.sla.period
        if isinstance(spec, CyclePeriod) and now < spec.start:
            now = spec.start
            continue
        period = containing(spec, now)
        if period.end > until:
            return
        then = for_period(contract, period).sla
        if then is not None and then.period == spec:
            yield period
        now = period.end


def clock_start(contract: Contract) -> Micros | None:
    """Return when the SLA's clock began; None where nothing is promised, or the service is not accepted yet."""
    for since in (None, *sorted(begins(contract, amendment) for amendment in contract.amendments)):
        agreed = contract if since is None else at(contract, since)
        if agreed.sla is not None:
            start = sla_begins(agreed.term, agreed.sla.period)
            if start is not None:
                return start if since is None else max(start, since)
    return None


def term_end(contract: Contract, now: Micros) -> Micros | None:
    """Return when the term ends by the contract as it stands, exclusive and before any credit; None: without end."""
    agreed = at(contract, now)
    if agreed.sla is None:
        return None
    limits = bounds(agreed.term, agreed.sla.period)
    return None if limits is None else limits[1]


def _over(agreed: Contract, now: Micros) -> bool:
    end = term_end(agreed, now)
    return end is not None and now >= end
