"""What is kept of one watched contract: how it is probed, what is known of it, and what has been counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from contract.model import Contract, Micros
from contract.model import Monitor as MonitorTerms
from monitor import span
from monitor.probe.result import Outcome, Phases, Request, request_of


@dataclass(frozen=True, slots=True)
class Watched:
    """One contract's service: its id, the CRM's URL, and how it is measured."""

    contract: str
    url: str
    monitor: MonitorTerms

    @classmethod
    def of(cls, contract: Contract) -> Watched:
        """Take what is watched from a contract as it stands now."""
        return cls(contract.id, contract.crm.url, contract.monitor)


def watched_from(vantage: str, contracts: Iterable[Contract]) -> tuple[Watched, ...]:
    """Take what one vantage is to watch: the contracts that name it."""
    return tuple(Watched.of(one) for one in contracts if vantage in one.monitor.vantages)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one vantage has seen of one contract so far; counters begin with the process.

    `state` was established by the last probe that says anything, and is held to be true until `held_until`.
    """

    contract: str
    state: span.State | None = None
    held_until: Micros = 0
    down_since: Micros | None = None
    last: Outcome | None = None
    phases: Phases | None = None
    certificate_expires: Micros | None = None
    probes: int = 0
    failed: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    skipped: int = 0
    unrecorded: int = 0

    def held(self, now: Micros) -> span.State | None:
        """Tell what is held to be true now; None is unknown."""
        return self.state if now <= self.held_until else None


@dataclass(slots=True)
class Post:
    """All that the probing thread keeps of one contract.

    `began` is when its probe began, by the steady clock. `seen` is never changed, only replaced (`show`): other
    threads may read it at any time, and what they read belongs together.
    """

    request: Request
    rules: span.Watch
    control: tuple[str, ...]
    observer: span.Observer
    seen: Seen
    busy: bool = False
    began: Micros = 0
    down_since: Micros | None = None
    last: Outcome | None = None
    certificate_expires: Micros | None = None
    probes: int = 0
    failed: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    skipped: int = 0
    unrecorded: int = 0

    def count(self, outcome: Outcome, *, void: bool) -> None:
        """Count a probe; a void one says nothing of the service."""
        self.last = outcome
        self.certificate_expires = outcome.certificate_expires or self.certificate_expires
        self.probes += 1
        if void:
            self.unrecorded += 1
        if outcome.reason is not None:
            self.failed += 1
            numbers = dict(self.reasons)
            numbers[outcome.reason] = numbers.get(outcome.reason, 0) + 1
            self.reasons = tuple(numbers.items())

    def learn(self, observer: span.Observer, pieces: tuple[span.Span, ...]) -> None:
        """Take over what is known now, and what became known by the last result; show it."""
        if observer.state != "down":
            self.down_since = None
        elif self.down_since is None:
            self.down_since = next((piece.start for piece in pieces if piece.state == "down"), observer.known_until)
        self.observer = observer
        self.show()

    def show(self) -> None:
        """Let others see what there is now."""
        last = self.last
        self.seen = Seen(
            self.seen.contract,
            self.observer.state,
            self.observer.last_end + self.rules.reach,
            self.down_since,
            last,
            last.phases if last is not None and last.hops else None,
            self.certificate_expires,
            self.probes,
            self.failed,
            self.reasons,
            self.skipped,
            self.unrecorded,
        )


def make_post(one: Watched, vantage: str) -> Post:
    """Begin to watch a contract of which nothing is known."""
    terms = one.monitor
    return Post(
        request=request_of(one.contract, one.url, terms),
        rules=span.Watch(vantage, terms.interval, terms.timeout, terms.confirm),
        control=terms.control,
        observer=span.Observer(),
        seen=Seen(one.contract),
    )
