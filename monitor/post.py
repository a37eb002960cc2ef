"""What is kept of one watched contract: how it is probed, what is known of it, and what has been counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from contract.model import Contract, Micros
from contract.model import Monitor as MonitorTerms
from monitor import span
from monitor.probe.result import Outcome, Request, request_of


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
    """What one vantage has seen of one contract so far; counters begin with the process."""

    contract: str
    state: span.State | None
    down_since: Micros | None
    last: Outcome | None
    certificate_expires: Micros | None
    probes: int
    failed: int
    reasons: tuple[tuple[str, int], ...]
    skipped: int
    unrecorded: int


@dataclass(slots=True)
class Post:
    """All that the probing thread keeps of one contract; `began` is when its probe began, by the steady clock."""

    request: Request
    rules: span.Watch
    control: tuple[str, ...]
    observer: span.Observer
    busy: bool = False
    began: Micros = 0
    down_since: Micros | None = None
    last: Outcome | None = None
    certificate_expires: Micros | None = None
    probes: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    unrecorded: int = 0


def make_post(one: Watched, vantage: str) -> Post:
    """Begin to watch a contract of which nothing is known."""
    terms = one.monitor
    return Post(
        request=request_of(one.contract, one.url, terms),
        rules=span.Watch(vantage, terms.interval, terms.timeout, terms.confirm),
        control=terms.control,
        observer=span.Observer(),
    )


def count(post: Post, outcome: Outcome, *, void: bool) -> None:
    """Count a probe; a void one says nothing of the service."""
    post.last = outcome
    post.probes += 1
    post.certificate_expires = outcome.certificate_expires or post.certificate_expires
    if void:
        post.unrecorded += 1
    if outcome.reason is not None:
        post.failed += 1
        post.reasons[outcome.reason] += 1


def look(contract: str, post: Post, now: Micros) -> Seen:
    """Copy what is to be seen of a contract."""
    state = span.state_at(post.rules, post.observer, now)
    return Seen(
        contract=contract,
        state=state,
        down_since=post.down_since if state == "down" else None,
        last=post.last,
        certificate_expires=post.certificate_expires,
        probes=post.probes,
        failed=post.failed,
        reasons=tuple(post.reasons.items()),
        skipped=post.skipped,
        unrecorded=post.unrecorded,
    )
