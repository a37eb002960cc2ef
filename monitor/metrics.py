"""`/metrics`: what the monitor has seen, in Prometheus' words. Names, units and labels are a published interface.

Every series is made from values at each scrape, so a contract that has gone leaves nothing behind, and counters of a
contract begin at zero before anything happens to it. Time is seconds, instants are `_timestamp_seconds`, ratios 0..1.
`crmhost_probe_failures_total` has a series only for reasons that occurred: thirty reasons for ten thousand contracts
would be what the scrape is made of; `crmhost_probes_failed_total` counts all of them, from zero.

What tells of the process itself comes from prometheus_client. The series of contracts are written as text here: the
library takes ten times as long, in which it holds up the probes and spoils the latencies that they measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

from contract.model import Micros
from monitor.post import Seen
from monitor.running import RunningPeriod

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

OUTBOX = ("pending", "sending", "confirmed", "unknown", "refused")
"""The states of a delivery, all of them shown, from zero."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What the probing service says of itself and of every contract, at the instant `now`."""

    vantage: str
    now: Micros
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


@dataclass(frozen=True, slots=True)
class Backed:
    """A contract that promises backups, and its last ones; instants in microseconds UTC, None for what never was.

    due: when the next one is or was due. taken, size: of the last good one. failed: the last failure that this process
    saw. proven: when a copy of one was last brought up and used.
    """

    contract: str
    due: Micros
    taken: Micros | None = None
    size: int | None = None
    failed: Micros | None = None
    proven: Micros | None = None


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

    def backups(self) -> Sequence[Backed]:
        """Tell how the promised backups stand."""
        ...


class Exposition:
    """Renders a snapshot, and the process that it is of, in the text format 0.0.4."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    def render(self) -> bytes:
        """Render everything as it is now."""
        watching = self._snapshot.watching()
        parts = [_family("crmhost_build_info", "gauge", "The crmhost that runs here.", _build())]
        parts += _of_monitor(watching)
        parts += _of_contracts(watching)
        parts += _of_periods(self._snapshot.periods())
        parts += _of_books(self._snapshot.books())
        parts += _of_backups(self._snapshot.backups())
        return "".join(parts).encode() + generate_latest(self._process)


def escaped(label: str) -> str:
    """Escape a label's value as the format wants it."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _family(name: str, kind: Literal["gauge", "counter"], text: str, series: Iterable[str]) -> str:
    """Write a family; a series is all that follows the name."""
    lines = [f"# HELP {name} {text}\n# TYPE {name} {kind}\n"]
    lines += [f"{name}{one}\n" for one in series]
    return "".join(lines)


def _build() -> list[str]:
    return [f'{{version="{escaped(version("crmhost"))}"}} 1']


def _of_monitor(watching: Watching) -> list[str]:
    own = (
        ("crmhost_clock_steps_total", "How often somebody set the wall clock.", watching.clock_steps),
        ("crmhost_stalls_total", "How often the whole monitor stood still for a second or more.", watching.stalls),
        ("crmhost_store_write_failures_total", "Writes of spans that were tried again.", watching.write_failures),
    )
    return [_family(name, "counter", text, [f" {value}"]) for name, text, value in own]


def _of_contracts(watching: Watching) -> list[str]:
    """Write the families of contracts: one pass over the contracts a family, with the labels that all share."""
    vantage = escaped(watching.vantage)
    rows = [(seen, f'{{contract="{escaped(seen.contract)}",vantage="{vantage}"') for seen in watching.seen]
    probed = [(seen.last, labels) for seen, labels in rows if seen.last is not None]
    now = watching.now
    return [
        _family("crmhost_probe_up", "gauge", "Whether the last probe found what the contract expects.",
            [f"{labels}}} {1 if last.reason is None else 0}" for last, labels in probed]),
        _family("crmhost_probe_timestamp_seconds", "gauge", "When the last probe ended.",
            [f"{labels}}} {last.at_end / 1e6!r}" for last, labels in probed]),
        _family("crmhost_probe_phase_seconds", "gauge", "How long each phase of the last probe took, over its hops.",
            [series for seen, labels in rows for series in _phases(seen, labels)]),
        _family("crmhost_certificate_expiry_timestamp_seconds", "gauge", "When the certificate last seen expires.",
            [f"{labels}}} {seen.certificate_expires / 1e6!r}" for seen, labels in rows if seen.certificate_expires]),
        _family("crmhost_span_state", "gauge", "What is held to be true now: 1 for one of up, down, unknown.",
            [series for seen, labels in rows for series in _STATES[seen.held(now)](labels)]),
        _family("crmhost_outage_started_timestamp_seconds", "gauge", "When the outage that lasts began.",
            [f"{labels}}} {seen.down_since / 1e6!r}" for seen, labels in rows
             if seen.down_since is not None and seen.held(now) == "down"]),
        _family("crmhost_probes_total", "counter", "Probes made.",
            [f"{labels}}} {seen.probes}" for seen, labels in rows]),
        _family("crmhost_probes_failed_total", "counter", "Probes that failed.",
            [f"{labels}}} {seen.failed}" for seen, labels in rows]),
        _family("crmhost_probe_failures_total", "counter", "Probes that failed, by reason.",
            [f'{labels},reason="{escaped(reason)}"}} {number}' for seen, labels in rows
             for reason, number in seen.reasons]),
        _family("crmhost_probes_skipped_total", "counter", "Rounds not probed: late, too many, or one under way.",
            [f"{labels}}} {seen.skipped}" for seen, labels in rows]),
        _family("crmhost_probes_unrecorded_total", "counter", "Probes whose fault was the vantage's own.",
            [f"{labels}}} {seen.unrecorded}" for seen, labels in rows]),
    ]  # fmt: skip


def _phases(seen: Seen, labels: str) -> list[str]:
    took = seen.phases
    if took is None:
        return []
    series = [f'{labels},phase="total"}} {took.total / 1e6!r}']
    if took.resolve is not None:
        series.append(f'{labels},phase="resolve"}} {took.resolve / 1e6!r}')
    if took.connect is not None:
        series.append(f'{labels},phase="connect"}} {took.connect / 1e6!r}')
    if took.tls is not None:
        series.append(f'{labels},phase="tls"}} {took.tls / 1e6!r}')
    if took.first_byte is not None:
        series.append(f'{labels},phase="first-byte"}} {took.first_byte / 1e6!r}')
    return series


def _state(up: int, down: int, unknown: int) -> Callable[[str], list[str]]:
    return lambda labels: [
        f'{labels},state="up"}} {up}',
        f'{labels},state="down"}} {down}',
        f'{labels},state="unknown"}} {unknown}',
    ]


_STATES = {"up": _state(1, 0, 0), "down": _state(0, 1, 0), None: _state(0, 0, 1)}


def _of_periods(periods: Sequence[RunningPeriod]) -> list[str]:
    rows = [(period, f'{{contract="{escaped(period.contract)}"}}') for period in periods]
    return [_gauge(name, text, ((labels, read(one)) for one, labels in rows)) for name, text, read in _PERIOD]


def _of_backups(backups: Sequence[Backed]) -> list[str]:
    rows = [(backed, f'{{contract="{escaped(backed.contract)}"}}') for backed in backups]
    return [_gauge(name, text, ((labels, read(one)) for one, labels in rows)) for name, text, read in _BACKUP]


def _gauge(name: str, text: str, values: Iterable[tuple[str, float | None]]) -> str:
    """Write a gauge; what has no value has no series."""
    return _family(name, "gauge", text, [f"{labels} {value!r}" for labels, value in values if value is not None])


def _of_books(books: Books) -> list[str]:
    def by_contract(numbers: Mapping[str, int]) -> list[str]:
        return [f'{{contract="{escaped(contract)}"}} {number}' for contract, number in numbers.items()]

    states = [f'{{delivery="{state}"}} {books.outbox.get(state, 0)}' for state in OUTBOX]
    return [
        _family(
            "crmhost_settlements_total", "counter", "Periods settled, with revisions.", by_contract(books.settlements)
        ),
        _family("crmhost_credits_total", "counter", "Credits entered, with reversals.", by_contract(books.credits)),
        _family("crmhost_outbox_deliveries", "gauge", "Deliveries to billing by state.", states),
    ]


def _ratio(period: RunningPeriod) -> float | None:
    return None if period.availability is None else float(period.availability)


_PERIOD: tuple[tuple[str, str, Callable[[RunningPeriod], float | None]], ...] = (
    ("crmhost_period_start_timestamp_seconds", "When the running period began.", lambda one: one.start / 1e6),
    ("crmhost_period_end_timestamp_seconds", "When the running period ends.", lambda one: one.end / 1e6),
    ("crmhost_period_base_seconds", "Running period: what availability is divided by.", lambda one: one.base / 1e6),
    ("crmhost_period_down_seconds", "Running period: downtime that counts.", lambda one: one.down / 1e6),
    ("crmhost_period_unknown_seconds", "Running period: nothing known.", lambda one: one.unknown / 1e6),
    ("crmhost_period_excluded_seconds", "Running period: excluded.", lambda one: one.excluded / 1e6),
    ("crmhost_availability_ratio", "Availability of the running period so far.", _ratio),
    ("crmhost_availability_target_ratio", "The availability that was promised.", lambda one: float(one.target)),
)


def _seconds(instant: Micros | None) -> float | None:
    return None if instant is None else instant / 1e6


_BACKUP: tuple[tuple[str, str, Callable[[Backed], float | None]], ...] = (
    ("crmhost_backup_due_timestamp_seconds", "When the next backup is due.", lambda one: one.due / 1e6),
    (
        "crmhost_backup_last_success_timestamp_seconds",
        "When the last good backup was taken.",
        lambda one: _seconds(one.taken),
    ),
    ("crmhost_backup_size_bytes", "Size of the last good backup, sealed.", lambda one: one.size),
    (
        "crmhost_backup_last_failure_timestamp_seconds",
        "When a backup failed last.",
        lambda one: _seconds(one.failed),
    ),
    (
        "crmhost_backup_proven_timestamp_seconds",
        "When a copy of a backup was last brought up, logged in to and counted.",
        lambda one: _seconds(one.proven),
    ),
)
