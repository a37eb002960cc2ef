"""Probe results become spans: what one vantage knew of the service, and from when to when.

`observe` is the state machine of one vantage. It is pure: a loop gives it each `ProbeResult` in the order of the
probes' starts, keeps the `Observer` that it returns, and stores the spans that it returns. Spans of one vantage never
overlap, come in order of time, and are pieces: touching pieces of one state are one stretch, so a store may keep every
piece as a row or lengthen its last one (`lengthened`).

The rules, where the design leaves a choice:

- Down begins at the *start* of the first of `confirm` failures in a row; up begins again at the *end* of the first
  success. Failures that a success ends before they are `confirm` were up: that time becomes known only then.
- Nothing is claimed of the future: a probe makes known the time up to its own end. The time since the probe before it
  is known as well, but no further than that one's end + interval + timeout; the rest has no span.
- Silence longer than that also ends the row: what was pending stays unknown (neither up nor down was established),
  and a service that is still down must fail `confirm` times again, down from the first of these.
- A restarted monitor begins with `Observer(known_until=…)` of its last stored span: its own gap has no span.
- A wall clock that stepped back gives results for instants already known. They make no span and end the row; knowledge
  begins anew at the first probe that starts after what is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from contract.model import Micros
from monitor.intervals import BEGINNING

State: TypeAlias = Literal["up", "down"]


class Span(NamedTuple):
    """From `start` to `end` (exclusive; microseconds, UTC) `vantage` knew the service to be up or down, and why."""

    vantage: str
    start: Micros
    end: Micros
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One measurement: when it began and ended, whether the service answered as expected, and what it said.

    `control_ok` is whether any of the control targets answered; None where there are none or nobody asked them.
    """

    start: Micros
    end: Micros
    ok: bool
    reason: str = ""
    control_ok: bool | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """How one vantage watches: its name, the probes' interval and timeout, and how many failures confirm."""

    vantage: str
    interval: Micros
    timeout: Micros
    confirm: int

    @property
    def reach(self) -> Micros:
        """How far knowledge reaches past the end of the last probe, in microseconds."""
        return self.interval + self.timeout


@dataclass(frozen=True, slots=True)
class Pending:
    """Failures in a row that are not yet enough: since the start of the first, with its reason."""

    since: Micros
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Observer:
    """What one vantage knows after its last result.

    `known_until` is where its spans end, `last_start` and `last_end` are those of its last result, `reason` is that of
    the last failure of a service that is down. `state` None: nothing is established yet.
    """

    state: State | None = None
    known_until: Micros = BEGINNING
    last_start: Micros = BEGINNING
    last_end: Micros = BEGINNING
    pending: Pending | None = None
    reason: str = ""


def observe(watch: Watch, seen: Observer, result: ProbeResult) -> tuple[Observer, tuple[Span, ...]]:
    """Take one result in; return what is known after it and the spans that became known by it (none, one or two)."""
    if result.control_ok is False:
        return seen, ()
    if result.start < seen.last_start or result.end < result.start or _before_known(seen, result):
        return Observer(known_until=seen.known_until), ()
    seen, spent = _lapse(watch, seen, result.start)
    seen, spans = (_success if result.ok else _failure)(watch, seen, result)
    return replace(seen, last_start=result.start, last_end=max(seen.last_end, result.end)), spent + spans


def finish(watch: Watch, seen: Observer, now: Micros) -> tuple[Observer, tuple[Span, ...]]:
    """Stop watching at `now`: what is known reaches to `now`, or to the end of the vantage's knowledge before it.

    Pending failures stay unknown. The Observer that is returned establishes nothing, as after a restart.
    """
    until = min(now, seen.last_end + watch.reach)
    seen, spans = _known(watch, seen, until) if seen.state and not seen.pending else (seen, ())
    return Observer(known_until=seen.known_until), spans


def state_at(watch: Watch, seen: Observer, now: Micros) -> State | None:
    """Return what the vantage holds to be true at `now`, for screens; None where its knowledge has ended."""
    return seen.state if now <= seen.last_end + watch.reach else None


def lengthened(last: Span, piece: Span) -> Span | None:
    """`last` made longer by the piece that follows it, or None where the two are not one stretch of one reason."""
    if (last.vantage, last.state, last.reason, last.end) != (piece.vantage, piece.state, piece.reason, piece.start):
        return None
    return last._replace(end=piece.end)


def _before_known(seen: Observer, result: ProbeResult) -> bool:
    """Whether a vantage that establishes nothing is given a probe that began before its stored spans end."""
    return seen.state is None and seen.pending is None and result.start < seen.known_until


def _lapse(watch: Watch, seen: Observer, start: Micros) -> tuple[Observer, tuple[Span, ...]]:
    """Where the silence before a probe at `start` was longer than knowledge reaches, end what was known."""
    if seen.last_end == BEGINNING or start - seen.last_end <= watch.reach:
        return seen, ()
    return finish(watch, seen, start)


def _success(watch: Watch, seen: Observer, result: ProbeResult) -> tuple[Observer, tuple[Span, ...]]:
    """Take a success in: up to its end a service that was down was down; any other time, pending too, was up."""
    if seen.state is None:
        since = seen.pending.since if seen.pending else result.start
        seen = replace(seen, state="up", known_until=max(seen.known_until, since))
    seen, spans = _known(watch, replace(seen, pending=None), result.end)
    return replace(seen, state="up", reason=""), spans


def _failure(watch: Watch, seen: Observer, result: ProbeResult) -> tuple[Observer, tuple[Span, ...]]:
    """Take a failure in: down goes on; otherwise it is counted, and the last that is needed makes the row down."""
    if seen.state == "down":
        seen, known = _known(watch, seen, result.end)
        return replace(seen, reason=result.reason), known
    seen, known = _known(watch, seen, seen.pending.since if seen.pending else result.start)
    pending = seen.pending or Pending(max(result.start, seen.known_until), 0, result.reason)
    pending = replace(pending, count=pending.count + 1)
    if pending.count < watch.confirm:
        return replace(seen, pending=pending), known
    seen = replace(seen, state="down", pending=None, known_until=pending.since, reason=pending.reason)
    seen, down = _known(watch, seen, result.end)
    return replace(seen, reason=result.reason), known + down


def _known(watch: Watch, seen: Observer, until: Micros) -> tuple[Observer, tuple[Span, ...]]:
    """Make the established state known up to `until`, which may be no later than what is known already."""
    if seen.state is None or until <= seen.known_until:
        return seen, ()
    span = Span(watch.vantage, seen.known_until, until, seen.state, seen.reason)
    return replace(seen, known_until=until), (span,)
