"""What is asked of a probe, and what it found. Durations and instants are microseconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from contract.model import Micros, Monitor
from monitor.probe.reason import Reason


@dataclass(frozen=True, slots=True)
class Request:
    """One probe: its name (given back in the outcome), where to, within what total time, and what a good answer is.

    `connect_only`: a TCP connection is good enough, and nothing is asked.
    """

    name: str
    url: str
    timeout: Micros
    status: int = 200
    body: str | None = None
    connect_only: bool = False


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each phase of one hop took, alone; None where the hop did not come so far, or has no such phase.

    `first_byte` runs from the request's sending to the answer's first byte; `total` is the whole hop.
    """

    resolve: Micros | None
    connect: Micros | None
    tls: Micros | None
    first_byte: Micros | None
    total: Micros


@dataclass(frozen=True, slots=True)
class Hop:
    """One request and its answer: `status` is None where no answer came."""

    url: str
    status: int | None
    phases: Phases
    certificate_expires: Micros | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe found. `reason` is None when all was as expected; `detail` is for people, and bounded."""

    name: str
    at_start: Micros
    at_end: Micros
    reason: str | None
    detail: str = ""
    hops: tuple[Hop, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the service answered as expected."""
        return self.reason is None

    @property
    def faulty(self) -> bool:
        """Whether the probe failed for a cause in this machine, so that it says nothing of the service."""
        return self.reason == Reason.PROBER_FAULT

    @property
    def certificate_expires(self) -> Micros | None:
        """When the certificate of the last hop over TLS expires."""
        seen = [hop.certificate_expires for hop in self.hops if hop.certificate_expires is not None]
        return seen[-1] if seen else None

    @property
    def phases(self) -> Phases:
        """The sums of the phases over the hops; None where no hop had the phase."""
        if len(self.hops) == 1:
            return self.hops[0].phases

        def total(values: Iterable[Micros | None]) -> Micros | None:
            known = [value for value in values if value is not None]
            return sum(known) if known else None

        return Phases(
            resolve=total(hop.phases.resolve for hop in self.hops),
            connect=total(hop.phases.connect for hop in self.hops),
            tls=total(hop.phases.tls for hop in self.hops),
            first_byte=total(hop.phases.first_byte for hop in self.hops),
            total=sum(hop.phases.total for hop in self.hops),
        )


def request_of(name: str, url: str, monitor: Monitor) -> Request:
    """Make the probe that a contract asks for: `monitor.path` is appended to the CRM's URL."""
    return Request(
        name=name,
        url=url.rstrip("/") + monitor.path,
        timeout=monitor.timeout,
        status=monitor.expect.status,
        body=monitor.expect.body,
    )
