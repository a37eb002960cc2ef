"""`/metrics`: what the monitor has seen, in Prometheus' words. Names, units and labels are a published interface.

Every family is made from values at each scrape, so a contract that has gone leaves nothing behind, and counters of a
contract begin at zero before anything happens to it. Made this way they have no `_created` series, which would double
them. Time is seconds, instants are `_timestamp_seconds`, ratios 0..1. `crmhost_probe_failures_total` has a series only
for reasons that occurred: thirty reasons for ten thousand contracts would be what the scrape is made of;
`crmhost_probes_failed_total` counts all of them, from zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from contract.model import Micros
from monitor.post import Seen
from monitor.probe.result import PHASES
from monitor.running import RunningPeriod

OUTBOX = ("pending", "sending", "confirmed", "unknown", "refused")
"""The states of a delivery, all of them shown, from zero."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What the probing service says of itself and of every contract."""

    vantage: str
    seen: Sequence[Seen]
    clock_steps: int
    stalls: int
    write_failures: int


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger holds: numbers by contract, and deliveries by their state."""

    settlements: Mapping[str, int] = field(default_factory=dict)
    credits: Mapping[str, int] = field(default_factory=dict)
    outbox: Mapping[str, int] = field(default_factory=dict)


class Snapshot(Protocol):
    """Where a scrape takes its values from. Each is asked once a scrape, from any thread."""

    def watching(self) -> Watching:
        """Tell what is seen now."""
        ...

    def periods(self) -> Sequence[RunningPeriod]:
        """Measure the running periods."""
        ...

    def books(self) -> Books:
        """Count what the ledger holds."""
        ...


Sample = tuple[tuple[str, ...], float]
"""One series: the values of its labels, and its own."""


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    help: str
    labels: tuple[str, ...]
    of: Callable[[Seen], Iterable[Sample]]
    counter: bool = False


def make_registry(snapshot: Snapshot) -> CollectorRegistry:
    """Make the registry of a monitor: its own families and those of its process."""
    registry = CollectorRegistry()
    registry.register(_Collector(snapshot))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Say nothing: asking for the families at registration would read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Make every family from the values of this instant."""
        yield InfoMetricFamily("crmhost_build", "The crmhost that runs here.", {"version": version("crmhost")})
        yield from _of_watching(self._snapshot.watching())
        yield from _of_periods(self._snapshot.periods())
        yield from _of_books(self._snapshot.books())


def _of_watching(watching: Watching) -> Iterator[Metric]:
    own = (
        ("crmhost_clock_steps", "How often the wall clock was found to have been set.", watching.clock_steps),
        ("crmhost_stalls", "How often the whole monitor stood still for a second or more.", watching.stalls),
        ("crmhost_store_write_failures", "Writes of spans that failed and were tried again.", watching.write_failures),
    )
    for name, text, number in own:
        yield CounterMetricFamily(name, text, value=number)
    for family in _CONTRACT:
        make = CounterMetricFamily if family.counter else GaugeMetricFamily
        metric = make(family.name, family.help, labels=("contract", "vantage", *family.labels))
        for seen in watching.seen:
            for labels, value in family.of(seen):
                metric.add_metric((seen.contract, watching.vantage, *labels), value)
        yield metric


def _of_periods(periods: Sequence[RunningPeriod]) -> Iterator[Metric]:
    for name, text, read in _PERIOD:
        metric = GaugeMetricFamily(name, text, labels=("contract",))
        for period in periods:
            value = read(period)
            if value is not None:
                metric.add_metric((period.contract,), value)
        yield metric


def _of_books(books: Books) -> Iterator[Metric]:
    settlements = CounterMetricFamily("crmhost_settlements", "Periods settled, with revisions.", labels=("contract",))
    credits_ = CounterMetricFamily("crmhost_credits", "Credits entered, with reversals.", labels=("contract",))
    for metric, numbers in ((settlements, books.settlements), (credits_, books.credits)):
        for contract, number in numbers.items():
            metric.add_metric((contract,), number)
        yield metric
    outbox = GaugeMetricFamily("crmhost_outbox_deliveries", "Deliveries to billing by state.", labels=("delivery",))
    for state in OUTBOX:
        outbox.add_metric((state,), books.outbox.get(state, 0))
    yield outbox


def _seconds(value: Micros) -> float:
    return value / 1_000_000


def _one(value: float | None) -> Iterable[Sample]:
    return () if value is None else (((), value),)


def _instant(value: Micros | None) -> Iterable[Sample]:
    return () if value is None else (((), _seconds(value)),)


def _phases(seen: Seen) -> Iterator[Sample]:
    for phase in PHASES:
        value = seen.last.phase(phase) if seen.last is not None else None
        if value is not None:
            yield (phase,), _seconds(value)


def _states(seen: Seen) -> Iterable[Sample]:
    return ((("up",), seen.state == "up"), (("down",), seen.state == "down"), (("unknown",), seen.state is None))


_CONTRACT = (
    _Family("crmhost_probe_up", "Whether the last probe found what the contract expects.", (),
            lambda seen: _one(seen.last.ok) if seen.last else ()),
    _Family("crmhost_probe_timestamp_seconds", "When the last probe ended.", (),
            lambda seen: _instant(seen.last.at_end) if seen.last else ()),
    _Family("crmhost_probe_phase_seconds", "How long each phase of the last probe took, over all its hops.",
            ("phase",), _phases),
    _Family("crmhost_certificate_expiry_timestamp_seconds", "When the certificate that was last seen expires.", (),
            lambda seen: _instant(seen.certificate_expires)),
    _Family("crmhost_span_state", "What is held to be true now: 1 for one of up, down, unknown.", ("state",), _states),
    _Family("crmhost_outage_started_timestamp_seconds", "When the outage that lasts began.", (),
            lambda seen: _instant(seen.down_since)),
    _Family("crmhost_probes", "Probes made.", (), lambda seen: _one(seen.probes), counter=True),
    _Family("crmhost_probes_failed", "Probes that failed.", (), lambda seen: _one(seen.failed), counter=True),
    _Family("crmhost_probe_failures", "Probes that failed, by reason.", ("reason",),
            lambda seen: [((reason,), count) for reason, count in seen.reasons], counter=True),
    _Family("crmhost_probes_skipped", "Rounds that were not probed: too late, too many, or one still under way.", (),
            lambda seen: _one(seen.skipped), counter=True),
    _Family("crmhost_probes_unrecorded", "Probes that say nothing, for the fault was the vantage's own.", (),
            lambda seen: _one(seen.unrecorded), counter=True),
)  # fmt: skip


def _ratio(period: RunningPeriod) -> float | None:
    return None if period.availability is None else float(period.availability)


_PERIOD: tuple[tuple[str, str, Callable[[RunningPeriod], float | None]], ...] = (
    ("crmhost_period_start_timestamp_seconds", "When the running period began.", lambda one: _seconds(one.start)),
    ("crmhost_period_end_timestamp_seconds", "When the running period ends.", lambda one: _seconds(one.end)),
    ("crmhost_period_base_seconds", "Running period: what availability is divided by.", lambda one: _seconds(one.base)),
    ("crmhost_period_down_seconds", "Running period: downtime that counts.", lambda one: _seconds(one.down)),
    ("crmhost_period_unknown_seconds", "Running period: nothing known.", lambda one: _seconds(one.unknown)),
    ("crmhost_period_excluded_seconds", "Running period: excluded.", lambda one: _seconds(one.excluded)),
    ("crmhost_availability_ratio", "Availability of the running period so far.", _ratio),
    ("crmhost_availability_target_ratio", "The availability that was promised.", lambda one: float(one.target)),
)
