"""The evidence of one period, out of the store: everything that can bear on it, and no more than that."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from contract.model import Micros
from monitor.evidence import CustomerCause, Evidence, Window
from monitor.span import Span
from monitor.store import spans as store
from monitor.store.exclusions import Exclusion, listed

LEAST_MARGIN: Micros = 86_400_000_000
"""A day on either side, at the least."""


def evidence_of(
    connection: Connection, contract: str, start: Micros, end: Micros, margin: Micros = LEAST_MARGIN
) -> Evidence:
    """Collect the spans and exclusions of a period and of the margin around it.

    An outage is judged by its whole length, before any clipping to the period, and its cap counts what earlier periods
    paid of it. So each vantage's spans go back to the last one in which it saw the service up before the margin, and
    on to `margin` after the end, where they are cut: evidence that is exported later is the same. `margin` should be
    no shorter than the contract's `ignore-shorter-than` and `bridge-unknown` together.
    """
    margin = max(margin, LEAST_MARGIN)
    first, last = start - margin, end + margin
    near = store.read(connection, contract, first, last)
    ups = (store.last_up_before(connection, contract, vantage, first) for vantage in {span.vantage for span in near})
    earliest = min((up for up in ups if up is not None), default=first)
    found = store.read(connection, contract, min(earliest, first), last)
    excluded = listed(connection, contract)
    return Evidence(
        spans=tuple(_cut(found, last)),
        maintenance=tuple(
            Window(one.start, until, one.announced) for one, until in _counting(excluded, "maintenance", first, last)
        ),
        customer=tuple(
            CustomerCause(one.start, until, one.reason) for one, until in _counting(excluded, "customer", first, last)
        ),
    )


def _cut(spans: Iterable[Span], last: Micros) -> Iterable[Span]:
    return (span._replace(end=min(span.end, last)) for span in spans)


def _counting(
    exclusions: Iterable[Exclusion], kind: str, first: Micros, last: Micros
) -> Iterable[tuple[Exclusion, Micros]]:
    for one in exclusions:
        until = one.counts_until
        if one.kind == kind and until is not None and until > first and one.start < last:
            yield one, until
